"""The asynchronous twin of the client, on aiohttp: `pip install 'lossmeter[async]'`."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp

from lossmeter import request as requests
from lossmeter.address import Address
from lossmeter.async_runs import AsyncRun
from lossmeter.batch import Batch
from lossmeter.body import CHUNK_BYTES
from lossmeter.errors import UnreachableError
from lossmeter.events import EVENT_SECONDS, EVENT_STREAM, EventReader, refusal
from lossmeter.files import batch_of
from lossmeter.progress import track_items, track_upload
from lossmeter.retry import Answer, backoff, next_delay, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Unpack

    from numpy.typing import ArrayLike

    from lossmeter.body import Part
    from lossmeter.evaluation import Evaluation
    from lossmeter.events import Event
    from lossmeter.files import AnyPath
    from lossmeter.request import Partial, Request
    from lossmeter.retry import Outcome
    from lossmeter.schemas import Diagnosis, Info, Options, RunSummary

__all__ = ["AsyncClient", "AsyncRun"]

_T = TypeVar("_T")


class AsyncClient:
    """A client for one event loop; its arguments and methods are those of `Client`.

    Args:
        url: See `Client`.
        api_key: See there.
        timeout: Seconds without any progress after which a request fails.
        retries: How often a request is sent again.
        progress: Bars of `tqdm` for uploads; see `Client`.
        session: A session of your own, which is not closed here.

    Raises:
        ValueError: The URL is none.

    Example:
        >>> async with AsyncClient() as client:
        ...     evaluation = await client.cross_entropy(logits, label)
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        *,
        retries: int = 5,
        progress: bool | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._address = Address.of(url, api_key)
        self._timeout = timeout
        self._retries = retries
        self._progress = progress
        self._session = session
        self._owns_session = session is None

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._address.url

    async def cross_entropy(
        self,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a batch; see `Client.cross_entropy`."""
        batch = Batch(logits, label, input_mask, weight, options)
        return await self.send(requests.cross_entropy(batch))

    async def diagnose(
        self,
        logits: ArrayLike,
        label: ArrayLike | None = None,
        input_mask: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Diagnosis:
        """Says what stands in a tensor; see `Client.diagnose`."""
        batch = Batch(logits, label, input_mask, None, options)
        return await self.send(requests.diagnose(batch))

    async def partials(
        self,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        *,
        vocab_start: int,
        vocab_size: int,
        **options: Unpack[Options],
    ) -> Partial:
        """Evaluates a shard of the vocabulary; see `Client.partials`."""
        batch = Batch(logits, label, input_mask, weight, options)
        return await self.send(requests.partials(batch, vocab_start, vocab_size))

    async def combine(
        self, partials: Iterable[Partial], **options: Unpack[Options]
    ) -> Evaluation:
        """Merges the partials of all shards; see `Client.combine`."""
        return await self.send(requests.combine(partials, options))

    async def evaluate_file(
        self, path: AnyPath, **options: Unpack[Options]
    ) -> Evaluation:
        """Evaluates a batch that lies in a file; see `Client.evaluate_file`."""
        return await self.send(requests.cross_entropy(batch_of(path, options)))

    async def evaluate_files(
        self, paths: Iterable[AnyPath], **options: Unpack[Options]
    ) -> list[Evaluation]:
        """Evaluates files one after another; see `Client.evaluate_files`."""
        tracked = track_items(list(paths), "file", self._progress)
        return [await self.evaluate_file(path, **options) for path in tracked]

    def run(self, name: str, *, attempt: int = 0) -> AsyncRun:
        """A run to record into or to read from; see `Client.run`."""
        return AsyncRun(self, name, attempt)

    async def runs(self) -> AsyncIterator[RunSummary]:
        """All runs in short, the newest first."""
        page = await self.send(requests.list_runs())
        while True:
            for run in page["runs"]:
                yield run
            if "next" not in page:
                return
            page = await self.send(requests.list_runs(page["next"]))

    async def info(self) -> Info:
        """What the service is and can do."""
        return await self.send(requests.info())

    async def close(self) -> None:
        """Closes the connections; a later request opens new ones."""
        if self._session is not None and self._owns_session:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def send(self, request: Request[_T]) -> _T:
        """Sends a request that was made as a value; see `Client.send`."""
        for attempt in itertools.count():
            outcome = await self._exchange(request)
            delay = next_delay(self._retries, attempt, outcome)
            if delay is None:
                break
            await asyncio.sleep(delay)
        return request.settle(outcome)

    async def events(self, path: str, after: int | None) -> AsyncIterator[Event]:
        """The events of a path, over breaks of the connection; see `AsyncRun.watch`."""
        reader = EventReader(after)
        attempt = 0
        while not reader.ended:
            try:
                async for event in self._stream(path, reader):
                    attempt = 0
                    yield event
            except UnreachableError:
                if attempt >= self._retries:
                    raise
                await asyncio.sleep(backoff(attempt))
                attempt += 1

    async def _stream(self, path: str, reader: EventReader) -> AsyncIterator[Event]:
        """The events of one connection; see `Client`."""
        reader.restart()
        headers = {"Accept": EVENT_STREAM, **reader.headers}
        async with self._open("GET", path, headers, None, EVENT_SECONDS) as response:
            async for chunk in response.content.iter_any():
                if response.status != HTTPStatus.OK:
                    raise refusal(response.status, chunk)
                for event in reader.feed(chunk):
                    yield event

    async def _exchange(self, request: Request[Any]) -> Outcome:
        """One attempt. The answer is read whole, into memory that can be written."""
        chunks: Iterator[Part] | None = None
        if request.body is not None:
            body = request.body
            chunks = track_upload(body.chunks(), body.length, self._progress)
        try:
            async with self._open(
                request.method, request.path, request.headers, chunks, self._timeout
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    content += chunk
                return Answer(response.status, content, retry_after(response.headers))
        except UnreachableError as error:
            return error

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        chunks: Iterator[Part] | None,
        read_timeout: float,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request.

        Raises:
            UnreachableError: There is no answer, or it broke off.
        """
        url = self.url + path
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout, sock_read=read_timeout
        )
        try:
            async with self._connections().request(
                method,
                url,
                data=None if chunks is None else _asynchronous(chunks),
                headers={**self._address.headers, **headers},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError) as cause:
            repeatable = not isinstance(
                cause, TimeoutError | aiohttp.ClientSSLError | aiohttp.InvalidURL
            )
            raise UnreachableError(
                f"{method} {url}: {cause or type(cause).__name__}",
                repeatable=repeatable,
            ) from cause

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        return self._session


async def _asynchronous(chunks: Iterator[Part]) -> AsyncIterator[Part]:
    for chunk in chunks:
        yield chunk
