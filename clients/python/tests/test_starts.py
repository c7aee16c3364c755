"""Each start of a trainer is an attempt of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import free_port

from lossmeter import Client
from lossmeter.starts import next_attempt

if TYPE_CHECKING:
    from service import Service


@pytest.mark.parametrize("given", [True, False])
def test_a_start_is_one_more_than_the_last_attempt(
    client: Client, service: Service, given: bool
) -> None:
    name = f"starts/of a run {given}"
    asked = client if given else None
    assert service.url
    assert next_attempt(name, asked, resumed=True) == 0
    client.run(name).record_pair(0, 0, 1, 1)
    assert next_attempt(name, asked, resumed=False) == 1
    client.run(name, attempt=4).record_pair(9, 0, 1, 1)
    assert next_attempt(name, asked, resumed=False) == 5


@pytest.mark.parametrize("resumed", [True, False])
def test_a_trainer_starts_without_the_service(
    resumed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        assert next_attempt("run", client, resumed=resumed) == int(resumed)
    assert "attempts of run 'run' cannot be read" in caplog.text
