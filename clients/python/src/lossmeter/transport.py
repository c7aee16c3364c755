"""The connections to the service, over urllib3."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from lossmeter.answer import answer_of
from lossmeter.body import CHUNK_BYTES
from lossmeter.errors import UnreachableError
from lossmeter.events import EVENT_SECONDS, EVENT_STREAM, EventReader, require_events
from lossmeter.progress import track_upload
from lossmeter.retry import backoff, next_delay
from lossmeter.tracing import trace_headers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lossmeter.answer import Outcome
    from lossmeter.body import Body
    from lossmeter.events import Event
    from lossmeter.request import Request
    from lossmeter.settings import Settings

_T = TypeVar("_T")

_CONNECTIONS = 64
"""Connections that are kept at most: one a thread that asks."""

_of_parents: list[urllib3.PoolManager] = []
"""Connections of the processes that this one was forked from."""


class Transport:
    """Connections to one service, which threads may share; see `Client`."""

    def __init__(self, settings: Settings, pool: urllib3.PoolManager | None) -> None:
        self._settings = settings
        self._own_pool = pool is None
        self._pool = pool or _new_pool()
        self._process = os.getpid()

    def brief(self, timeout: float) -> Transport:
        """The same connections, with another timeout in seconds and without retries."""
        settings = replace(self._settings, timeout=timeout, retries=0)
        return Transport(settings, self._pool)

    def send(self, request: Request[_T]) -> _T:
        """Sends a request, with retries.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
            UnexpectedAnswerError: The answer is not from Lossmeter.
        """
        for attempt in itertools.count():
            outcome = self.attempt(request)
            delay = next_delay(self._settings.retries, attempt, outcome)
            if delay is None:
                break
            time.sleep(delay)
        return request.settle(outcome, repeated=attempt > 0)

    def attempt(self, request: Request[Any]) -> Outcome:
        """Sends a request once.

        The whole answer is read, into writable memory.
        """
        try:
            with self._open(
                request.method,
                request.path,
                request.headers,
                request.body,
                self._settings.timeout,
            ) as response:
                content = bytearray()
                for chunk in response.stream(CHUNK_BYTES):
                    content += chunk
                return answer_of(response.status, response.headers, content)
        except UnreachableError as error:
            return error

    def send_all(self, steps: Generator[Request[Any], Any, _T]) -> _T:
        """Sends requests one after another, and returns the result of the generator.

        Args:
            steps: Yields requests, and receives their answers.
        """
        answer = None
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as end:
                result: _T = end.value
                return result
            answer = self.send(request)

    def events(self, path: str, after: int | None) -> Generator[Event]:
        """The events of a path; reconnects after a break. See `Run.watch`."""
        reader = EventReader(after)
        attempt = 0
        while True:
            came = False
            try:
                with closing(self._stream(path, reader.headers)) as chunks:
                    for chunk in chunks:
                        came, attempt = True, 0
                        yield from reader.feed(chunk)
                        if reader.ended:
                            return
            except UnreachableError as error:
                if attempt >= self._settings.retries or not (came or error.repeatable):
                    raise
                time.sleep(backoff(attempt, reader.pause))
                attempt += 1
                reader.restart()

    def close(self) -> None:
        """Closes the connections, except those of the caller's pool."""
        if self._own_pool:
            self._pool.clear()

    def _stream(self, path: str, headers: dict[str, str]) -> Generator[bytes]:
        """The bytes of events, as they come over one connection.

        Raises:
            UnreachableError: The connection broke or ended, or the service is
                overloaded.
            ProblemError: The service refused.
            UnexpectedAnswerError: The answer is not from Lossmeter.
        """
        headers = {"Accept": EVENT_STREAM, **headers}
        with self._open("GET", path, headers, None, EVENT_SECONDS) as response:
            refused = response.status >= HTTPStatus.BAD_REQUEST
            content = response.read() if refused else b""
            require_events(f"GET {path}", response.status, response.headers, content)
            while chunk := response.read1(CHUNK_BYTES):
                yield chunk
        raise UnreachableError(f"GET {path}: the events ended", repeatable=True)

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body | None,
        read_timeout: float,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Sends a request, and closes the connection of an unfinished answer.

        Raises:
            UnreachableError: There is no answer, or it broke off.
        """
        url = self._settings.address.url + path
        response: urllib3.BaseHTTPResponse | None = None
        upload = (
            track_upload(body, self._settings.progress) if body is not None else None
        )
        try:
            response = self._connections().request(
                method,
                url,
                # http.client accepts any object with the buffer interface.
                body=cast("Iterator[bytes] | None", upload),
                headers={
                    **self._settings.address.headers,
                    **trace_headers(),
                    **headers,
                },
                timeout=urllib3.Timeout(
                    connect=self._settings.timeout, read=read_timeout
                ),
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
            yield response
        except HTTPError as cause:
            raise UnreachableError(
                f"{method} {url}: {cause}", repeatable=_may_succeed(cause)
            ) from cause
        finally:
            if upload is not None:
                upload.close()
            # The connection of a complete answer is already back in the pool.
            if response is not None:
                response.close()

    def _connections(self) -> urllib3.PoolManager:
        # A forked process must not use the connections of its parent.
        if self._process != os.getpid():
            self._process = os.getpid()
            if self._own_pool:
                # Closing the old pool would wait for locks that threads of the parent
                # may have held; in this process they are never released.
                _of_parents.append(self._pool)
                self._pool = _new_pool()
            else:
                self._pool.clear()
        return self._pool


def _new_pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=_CONNECTIONS)


def _may_succeed(error: HTTPError) -> bool:
    """True when a retry of the request may succeed."""
    match error:
        case NewConnectionError():
            return True
        case ProtocolError():
            return not any(isinstance(inner, TimeoutError) for inner in error.args)
        case ConnectTimeoutError() | ReadTimeoutError():
            return False  # The timeout has passed already.
        case SSLError() | LocationParseError():
            return False  # A retry would fail in the same way.
        case _:
            return True
