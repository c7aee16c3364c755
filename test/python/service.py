"""The service under test, as a process of its own."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

START_SECONDS = 30
STOP_SECONDS = 10


@dataclass(frozen=True)
class Service:
    """Where the service listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextmanager
def running_service(
    log: Path, settings: dict[str, str] | None = None
) -> Iterator[Service]:
    """Starts the service of this checkout, and asks it to stop at the end."""
    service = Service("127.0.0.1", free_port())
    # A developer's own settings must not change what is tested.
    own = ("LOSSMETER_", "OTEL_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    env |= {"LOSSMETER_HOST": service.host, "LOSSMETER_PORT": str(service.port)}
    env |= {"LOSSMETER_STORE": ":memory:"} | (settings or {})
    node = os.environ.get("LOSSMETER_NODE", "node")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [node, "src/cli/bin.js", "serve"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(service, process, log)
        yield service
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        assert code == 0, f"exit code {code} after SIGTERM\n{log.read_text()}"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(
    service: Service, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(service):
        code = process.poll()
        assert code is None, f"ended with {code} while it started\n{log.read_text()}"
        assert time.monotonic() < deadline, f"is not ready\n{log.read_text()}"
        time.sleep(0.05)


def _is_ready(service: Service) -> bool:
    connection = http.client.HTTPConnection(service.host, service.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
