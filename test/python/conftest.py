"""One service for the whole session."""

from collections.abc import Iterator

import pytest
from service import Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with (
        pytest.MonkeyPatch.context() as patch,
        running_service(tmp_path_factory.mktemp("service") / "log") as service,
    ):
        # requests would ask a proxy, where one is configured, for this machine too.
        patch.setenv("no_proxy", service.host)
        yield service
