"""A relay between a client and the service, which does harm when it is told to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from service import Service

_PIECE_BYTES = 2**16
"""What is passed on at a time. As much waits in the relay's socket: a client that is to
be stopped in the middle of a body must not have handed it all to the system."""


@dataclass(frozen=True)
class CutUpload:
    """The connection is lost when so many bytes of the body came."""

    after: int


@dataclass(frozen=True)
class CutAnswer:
    """The connection is lost when so many bytes of the answer, or these, went out.

    0 loses the answer whole; the service has done what was asked by then.
    """

    after: int | bytes


@dataclass(frozen=True)
class Answer:
    """Answered in place of the service, once the body has come."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """The beginning of an answer that has no length and does not end."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    """The body is not read on for a while once so many bytes of it came."""

    after: int
    seconds: float


@dataclass(frozen=True)
class Silence:
    """The request is taken, and never answered."""


Fault: TypeAlias = CutUpload | CutAnswer | Answer | Stream | Pause | Silence


@dataclass(frozen=True)
class Head:
    """The head of a request, its fields by their names in lower case."""

    method: str
    path: str
    fields: dict[str, str]

    @property
    def length(self) -> int:
        """The bytes of the body."""
        return int(self.fields.get("content-length", "0"))


class Relay:
    """Listens while it is entered; each request takes the next fault, if there is one.

    Attributes:
        faults: What happens to the requests to come.
        heads: Heads of the requests that came.
        connections: How many were opened to the relay.
        open: How many of them are open.
    """

    def __init__(self, service: Service, *faults: Fault) -> None:
        self.faults = deque(faults)
        self.heads: list[Head] = []
        self.connections = 0
        self.open = 0
        self._service = service
        self._socket = socket.socket()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    @property
    def url(self) -> str:
        """Where the relay listens."""
        host, port = self._socket.getsockname()
        return f"http://{host}:{port}"

    def then(self, faults: Iterable[Fault]) -> None:
        """What happens to the requests to come."""
        self.faults.extend(faults)

    def __enter__(self) -> Self:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE_BYTES)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = threading.Event()
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._left.set)
        self._thread.join()

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = asyncio.Event()
        under_way: set[asyncio.Task[None]] = set()

        def accept(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

        server = await asyncio.start_server(accept, sock=self._socket)
        self._listening.set()
        await self._left.wait()
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self.open += 1
        connection = _Connection(self._service, reader, writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head, text = await connection.head()
                    self.heads.append(head)
                    fault = self.faults.popleft() if self.faults else None
                    await connection.request(head, text, fault)
        finally:
            connection.abort()
            self.open -= 1


class _Connection:
    """A connection of a client, and that of the service which belongs to it."""

    def __init__(
        self,
        service: Service,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._upstream: asyncio.StreamWriter | None = None
        self._answers: asyncio.Task[None] | None = None
        self._fault: Fault | None = None
        self._answered = b""

    def abort(self) -> None:
        """Loses the connection, and with it what was not read."""
        if self._answers is not None:
            self._answers.cancel()
        for writer in (self._writer, self._upstream):
            if writer is not None:
                writer.transport.abort()

    async def head(self) -> tuple[Head, bytes]:
        """The head of the next request, and its text."""
        text = await self._reader.readuntil(b"\r\n\r\n")
        line, *fields = text.decode().rstrip().split("\r\n")
        method, path, _ = line.split(" ")
        pairs = (name_value.split(": ", 1) for name_value in fields)
        return Head(method, path, {name.lower(): v for name, v in pairs}), text

    async def request(self, head: Head, text: bytes, fault: Fault | None) -> None:
        """Passes a request on, or does to it what the fault says."""
        self._fault, self._answered = fault, b""
        alone = isinstance(fault, Answer | Stream | Silence)
        if not alone:
            await self._send(text)
        await self._body(head.length, fault, forward=not alone)
        match fault:
            case Answer(status, content, headers):
                fields = {"Content-Length": str(len(content)), **headers}
                self._writer.write(_head(status, fields) + content)
            case Stream(content, headers):
                self._writer.write(_head(200, headers) + content)
                await asyncio.Event().wait()
            case Silence():
                # What ends it is that the client leaves.
                await self._reader.read()
                raise ConnectionResetError

    async def _body(self, length: int, fault: Fault | None, *, forward: bool) -> None:
        came = 0
        while came < length:
            at_most = length - came
            if isinstance(fault, CutUpload | Pause) and came < fault.after:
                at_most = min(at_most, fault.after - came)
            piece = await self._reader.read(min(at_most, _PIECE_BYTES))
            if not piece:
                raise ConnectionResetError
            came += len(piece)
            if forward:
                await self._send(piece)
            if isinstance(fault, CutUpload) and came == fault.after:
                raise ConnectionResetError
            if isinstance(fault, Pause) and came == fault.after:
                await asyncio.sleep(fault.seconds)

    async def _send(self, piece: bytes) -> None:
        if self._upstream is None:
            host, port = self._service.host, self._service.port
            reader, self._upstream = await asyncio.open_connection(host, port)
            self._answers = asyncio.create_task(self._pass_answers(reader))
        self._upstream.write(piece)
        await self._upstream.drain()

    async def _pass_answers(self, answers: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while piece := await answers.read(_PIECE_BYTES):
                passed = piece[: self._left(piece)]
                self._writer.write(passed)
                if len(passed) < len(piece):
                    break
                self._answered += piece
                await self._writer.drain()
        self.abort_client()

    def _left(self, piece: bytes) -> int:
        """How many bytes may still go out."""
        if not isinstance(self._fault, CutAnswer):
            return len(piece)
        after = self._fault.after
        if isinstance(after, bytes):
            found = (self._answered + piece).find(after)
            after = len(piece) if found < 0 else found + len(after)
        return max(0, after - len(self._answered))

    def abort_client(self) -> None:
        """Loses the connection of the client, who has all that was written."""
        self._writer.close()


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Told", *(f"{n}: {v}" for n, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
