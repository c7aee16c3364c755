"""One service from this checkout for the whole session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import Service, running_service

from lossmeter import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    with pytest.MonkeyPatch.context() as patch, running_service(log) as started:
        # Clients use this service by default, not one from the developer's settings.
        patch.setenv("LOSSMETER_URL", started.url)
        patch.delenv("LOSSMETER_API_KEY", raising=False)
        yield started


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as made:
        yield made
