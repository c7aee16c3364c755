"""A stand-in for a service that takes recordings in bulk, with injected faults.

It implements `POST /v1/runs/{run}/batches` on a dictionary. Acknowledged recordings
survive a restart of its listener.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

MOST_ITEMS = 1_000
MOST_SCALARS = 10_000
MOST_SCALARS_OF_AN_ITEM = 4096
MOST_BYTES = 2**20

Key = tuple[int, int, int, int]
"""Step, rank, micro-batch and attempt."""


@dataclass
class Fault:
    """Faults of requests: refusals, delays and lower limits."""

    status: int | None = None
    retry_after: str | None = None
    seconds: float = 0
    lost: bool = False
    """The connection is closed after the request was done, without an answer."""
    most_items: int = MOST_ITEMS
    most_scalars: int = MOST_SCALARS


@dataclass
class Recorded:
    """Recordings, and counts of requests."""

    pairs: dict[Key, tuple[float, float]] = field(default_factory=dict)
    scalars: dict[tuple[int, int, int, str], float] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)
    """Items of each request that came."""
    puts: int = 0


class BulkService:
    """Listens from its creation to the end of `with`, except while it is stopped.

    Attributes:
        fault: The current fault of requests.
        recorded: The recordings so far.
        refuse: Codes of refused steps, by step.
    """

    def __init__(self) -> None:
        self.fault = Fault()
        self.recorded = Recorded()
        self.refuse: dict[int, str] = {}
        self.refuse_scalars = False
        self._lock = threading.Lock()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        service = self

        class Handler(_Handler):
            owner = service

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignores broken connections."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()

    def stop(self) -> None:
        """Ends the listener, and cuts the connections."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def record(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with self._lock:
            self.recorded.requests.append(len(items))
            return [self._record(item) for item in items]

    def _record(self, item: dict[str, Any]) -> dict[str, Any]:
        known = {"step", "rank", "micro_batch", "attempt", "numerator", "denominator"}
        known |= {"scalars", "device", "declared_loss"}
        pair, scalars = "numerator" in item, item.get("scalars", {})
        if (
            not set(item) <= known
            or pair != ("denominator" in item)
            or ("device" in item and not pair)
            or len(scalars) > MOST_SCALARS_OF_AN_ITEM
        ):
            return {"status": 422, "code": "invalid_request", "detail": f"{item}"}
        step = item["step"]
        if step in self.refuse:
            return {"status": 422, "code": self.refuse[step], "detail": "refused"}
        if self.refuse_scalars and "scalars" in item:
            return {"status": 422, "code": "too_many", "detail": "no scalars"}
        rank, attempt = item.get("rank", 0), item.get("attempt", 0)
        new = False
        if pair:
            key = (step, rank, item.get("micro_batch", 0), attempt)
            numbers = (float(item["numerator"]), float(item["denominator"]))
            there = self.recorded.pairs.setdefault(key, numbers)
            if repr(there) != repr(numbers):
                return {"status": 409, "code": "conflict", "detail": f"{there}"}
            new = there is numbers
        for name, text in scalars.items():
            value = float(text)
            place = (step, rank, attempt, name)
            if repr(self.recorded.scalars.setdefault(place, value)) != repr(value):
                return {"status": 409, "code": "conflict", "detail": name}
        return {"status": 201 if new else 200}


class _Handler(BaseHTTPRequestHandler):
    owner: BulkService
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.owner._connections.add(self.connection)

    def finish(self) -> None:
        self.owner._connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.owner.fault
        time.sleep(fault.seconds)
        if fault.status is not None:
            self._problem(fault.status, fault.retry_after)
            return
        if not self.path.endswith("/batches"):
            self._problem(404, None)
            return
        items = [json.loads(line) for line in content.splitlines()]
        scalars = sum(len(item.get("scalars", ())) for item in items)
        if (
            len(items) > min(fault.most_items, MOST_ITEMS)
            or scalars > fault.most_scalars
            or len(content) > MOST_BYTES
        ):
            self._problem(413, None)
            return
        results = self.owner.record(items)
        if fault.lost:
            self.close_connection = True
            return
        self._answer(200, "application/json", {"results": results})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.owner.recorded.puts += 1
        self._problem(self.owner.fault.status or 413, None)

    def _problem(self, status: int, retry_after: str | None) -> None:
        problem = {"code": f"code_{status}", "detail": "a fault", "status": status}
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._answer(status, "application/problem+json", problem, headers)

    def _answer(
        self,
        status: int,
        media_type: str,
        value: object,
        headers: dict[str, str] | None = None,
    ) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        fields = {"Content-Type": media_type, "Content-Length": str(len(content))}
        for name, text in {**fields, **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Logs nothing."""
