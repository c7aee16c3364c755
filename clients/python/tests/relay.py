"""A relay between a client and the service, which injects faults."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from service import Service

_PIECE_BYTES = 2**16
"""What is passed on at a time, and about what waits in the relay's sockets: a client
that is to be stopped amid a body must not have handed it all to the system."""


@dataclass(frozen=True)
class CutUpload:
    """Closes the connection after `after` bytes of the body."""

    after: int


@dataclass(frozen=True)
class CutAnswer:
    """Closes the connection after `after` bytes of the answer, or after this text.

    0 loses the whole answer, after the service has executed the request.
    """

    after: int | bytes


@dataclass(frozen=True)
class Answer:
    """Answers in place of the service, after the whole body is received."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """Begins an answer without a length, and does not end it."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    """Stops reading the body for some seconds after `after` bytes."""

    after: int
    seconds: float


@dataclass(frozen=True)
class Silence:
    """Reads the request, and never answers."""


Fault: TypeAlias = CutUpload | CutAnswer | Answer | Stream | Pause | Silence


@dataclass(frozen=True)
class Head:
    """The head of a request; names of fields are in lower case."""

    method: str
    path: str
    fields: dict[str, str]


class Relay:
    """Listens while it is entered. Each request takes the next fault, if there is one.

    Attributes:
        faults: Faults of the next requests.
        heads: Heads of the received requests.
        connections: Number of connections so far.
        open: Number of open connections.
    """

    def __init__(self, service: Service, *faults: Fault) -> None:
        self.faults = deque(faults)
        self.heads: list[Head] = []
        self.connections = 0
        self.open = 0
        self._service = service
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE_BYTES)
        self._socket.bind(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.url = f"http://{host}:{port}"

    def __enter__(self) -> Self:
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join()

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends = asyncio.Event()
        # Each connection is a task, so it ends with its transports and with the loop.
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, sock=self._socket)
        self._listens.set()
        await self._ends.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self.open += 1
        connection = _Connection(self._service, reader, writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    text = await reader.readuntil(b"\r\n\r\n")
                    self.heads.append(_head(text))
                    fault = self.faults.popleft() if self.faults else None
                    await connection.request(self.heads[-1], text, fault)
        finally:
            connection.abort()
            self.open -= 1


def comes_true(condition: Callable[[], bool], seconds: float = 2) -> bool:
    """Waits for a condition. Returns False when it is still false after the time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


class _Connection:
    """A connection of a client, and its connection to the service."""

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
        """Aborts both connections."""
        if self._answers is not None:
            self._answers.cancel()
        for writer in (self._writer, self._upstream):
            if writer is not None:
                writer.transport.abort()

    async def request(self, head: Head, text: bytes, fault: Fault | None) -> None:
        """Forwards a request, or applies the fault.

        Raises:
            ConnectionError: The connection was lost, or the fault closes it.
        """
        self._fault, self._answered = fault, b""
        forward = not isinstance(fault, Answer | Stream | Silence)
        if forward:
            await self._send(text)
        length = int(head.fields.get("content-length", "0"))
        await self._body(length, fault, forward=forward)
        match fault:
            case Answer(status, content, headers):
                fields = {"Content-Length": str(len(content)), **headers}
                self._writer.write(_answer(status, fields) + content)
            case Stream(content, headers):
                self._writer.write(_answer(200, headers) + content)
                await self._until_left()
            case Silence():
                await self._until_left()

    async def _until_left(self) -> None:
        await self._reader.read()
        raise ConnectionResetError

    async def _body(self, length: int, fault: Fault | None, *, forward: bool) -> None:
        stop = fault.after if isinstance(fault, CutUpload | Pause) else length
        came = 0
        while came < length:
            if came == stop and isinstance(fault, Pause):
                await asyncio.sleep(fault.seconds)
            elif came == stop:
                raise ConnectionResetError
            wanted = (stop if came < stop else length) - came
            piece = await self._reader.read(min(wanted, _PIECE_BYTES))
            if not piece:
                raise ConnectionResetError
            came += len(piece)
            if forward:
                await self._send(piece)

    async def _send(self, piece: bytes) -> None:
        if self._upstream is None:
            reader, self._upstream = await asyncio.open_connection(
                self._service.host, self._service.port
            )
            self._answers = asyncio.create_task(self._pass_answers(reader))
        self._upstream.write(piece)
        await self._upstream.drain()

    async def _pass_answers(self, answers: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while piece := await answers.read(_PIECE_BYTES):
                left = self._left(piece)
                self._writer.write(piece[: min(left, len(piece))])
                self._answered += piece
                if left <= len(piece):
                    break
                await self._writer.drain()
        # Written data is still sent.
        self._writer.close()

    def _left(self, piece: bytes) -> int:
        """Number of bytes of the answer to send at most, including this piece."""
        if not isinstance(self._fault, CutAnswer):
            return sys.maxsize
        after = self._fault.after
        if isinstance(after, bytes):
            found = (self._answered + piece).find(after)
            after = sys.maxsize if found < 0 else found + len(after)
        return after - len(self._answered)


def _head(text: bytes) -> Head:
    line, *fields = text.decode().rstrip().split("\r\n")
    method, path, _ = line.split(" ")
    pairs = (pair.split(": ", 1) for pair in fields)
    return Head(method, path, {name.lower(): value for name, value in pairs})


def _answer(status: int, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Told", *(f"{n}: {v}" for n, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
