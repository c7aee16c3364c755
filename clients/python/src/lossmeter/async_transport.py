"""The connections to the service, over aiohttp."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp

from lossmeter.answer import answer_of
from lossmeter.async_upload import Upload
from lossmeter.body import CHUNK_BYTES
from lossmeter.errors import UnreachableError
from lossmeter.events import EVENT_SECONDS, EVENT_STREAM, EventReader, require_events
from lossmeter.retry import backoff, next_delay
from lossmeter.tracing import trace_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping

    from lossmeter.answer import Outcome
    from lossmeter.body import Body
    from lossmeter.events import Event
    from lossmeter.request import Request
    from lossmeter.settings import Settings

_T = TypeVar("_T")


class AsyncTransport:
    """Connections to one service, for one event loop; see `AsyncClient`."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession | None
    ) -> None:
        self._settings = settings
        self._session = session
        self._own_session = session is None

    async def send(self, request: Request[_T]) -> _T:
        """Sends a request, with retries; see `Transport.send`."""
        for attempt in itertools.count():
            outcome = await self._exchange(request)
            delay = next_delay(self._settings.retries, attempt, outcome)
            if delay is None:
                break
            await asyncio.sleep(delay)
        return request.settle(outcome, repeated=attempt > 0)

    async def send_all(self, steps: Generator[Request[Any], Any, _T]) -> _T:
        """Sends requests one after another; see `Transport.send_all`."""
        answer = None
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as end:
                result: _T = end.value
                return result
            answer = await self.send(request)

    async def events(self, path: str, after: int | None) -> AsyncGenerator[Event]:
        """The events of a path; reconnects after a break. See `AsyncRun.watch`."""
        reader = EventReader(after)
        attempt = 0
        while True:
            came = False
            try:
                async with aclosing(self._stream(path, reader.headers)) as chunks:
                    async for chunk in chunks:
                        came, attempt = True, 0
                        for event in reader.feed(chunk):
                            yield event
                        if reader.ended:
                            return
            except UnreachableError as error:
                if attempt >= self._settings.retries or not (came or error.repeatable):
                    raise
                await asyncio.sleep(backoff(attempt, reader.pause))
                attempt += 1
                reader.restart()

    async def close(self) -> None:
        """Closes the connections, except those of the caller's session."""
        if self._session is not None and self._own_session:
            await self._session.close()
            self._session = None

    async def _stream(
        self, path: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[bytes]:
        """The bytes of events, as they come over one connection; see `Transport`."""
        headers = {"Accept": EVENT_STREAM, **headers}
        async with self._open("GET", path, headers, None, EVENT_SECONDS) as response:
            refused = response.status >= HTTPStatus.BAD_REQUEST
            content = await response.read() if refused else b""
            require_events(f"GET {path}", response.status, response.headers, content)
            async for chunk in response.content.iter_any():
                yield chunk
        raise UnreachableError(f"GET {path}: the events ended", repeatable=True)

    async def _exchange(self, request: Request[Any]) -> Outcome:
        """One attempt. The answer is read whole, into memory that can be written."""
        try:
            async with self._open(
                request.method,
                request.path,
                request.headers,
                request.body,
                self._settings.timeout,
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    content += chunk
                return answer_of(response.status, response.headers, content)
        except UnreachableError as error:
            return error

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Body | None,
        read_timeout: float,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request.

        Raises:
            UnreachableError: There is no answer, or it broke off.
        """
        url = self._settings.address.url + path
        own = {**self._settings.address.headers, "Accept-Encoding": "identity"}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.timeout, sock_read=read_timeout
        )
        try:
            async with (
                asyncio.timeout(None) as sending,
                self._connections().request(
                    method,
                    url,
                    data=body
                    and Upload(
                        body, self._settings.progress, self._settings.timeout, sending
                    ),
                    headers={**own, **trace_headers(), **headers},
                    timeout=timeout,
                    allow_redirects=False,
                ) as response,
            ):
                yield response
        except _LostError as lost:
            cause = lost.__cause__
            raise UnreachableError(
                f"{method} {url}: {cause}", repeatable=True
            ) from cause
        except (aiohttp.ClientError, OSError) as cause:
            repeatable = not isinstance(
                cause, TimeoutError | aiohttp.ClientSSLError | aiohttp.InvalidURL
            )
            # The message of asyncio's time-out is empty.
            said = str(cause) or "Timed out, nothing was sent"
            raise UnreachableError(
                f"{method} {url}: {said}", repeatable=repeatable
            ) from cause

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False, middlewares=(_once,)
            )
        return self._session


class _LostError(Exception):
    """A lost connection, reported by none of aiohttp's own errors."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp itself would retry idempotent requests at once.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as cause:
        raise _LostError from cause
