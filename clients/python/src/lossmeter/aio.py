"""The asynchronous client, on aiohttp: `pip install 'lossmeter[async]'`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from lossmeter import request as requests
from lossmeter.address import Address
from lossmeter.async_runs import AsyncRun
from lossmeter.batch import Batch
from lossmeter.files import batch_of, naming, paths_of
from lossmeter.logprobs import Logprobs
from lossmeter.pair import Pair
from lossmeter.progress import track_items
from lossmeter.settings import Configured, Settings
from lossmeter.split import comparison_requests

try:
    from lossmeter.async_transport import AsyncTransport
except ModuleNotFoundError as cause:
    raise ModuleNotFoundError(
        f"{cause}: pip install 'lossmeter[async]'", name=cause.name
    ) from cause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from types import TracebackType
    from typing import Unpack

    import aiohttp
    from numpy.typing import ArrayLike

    from lossmeter.comparison import Comparison
    from lossmeter.evaluation import Evaluation
    from lossmeter.files import AnyPath
    from lossmeter.pair import Reference
    from lossmeter.request import Partial
    from lossmeter.run_fields import RunFilters
    from lossmeter.schemas import (
        ComparisonOptions,
        Diagnosis,
        Info,
        LogprobComparison,
        Options,
        RunSummary,
    )

__all__ = ["AsyncClient", "AsyncRun"]


class AsyncClient(Configured):
    """A client for one event loop; its arguments and methods are those of `Client`.

    Args:
        url: See `Client`.
        api_key: See there.
        timeout: Maximum number of seconds to connect, to send 256 KiB, and to wait for
            data of the answer.
        retries: Maximum number of retries of a request.
        progress: Bars of `tqdm` for uploads; see `Client`.
        session: Your own session, which the client does not close.

    Attributes:
        url: Address of the service.
        transport: The connections.

    Raises:
        ValueError: The URL or the key is invalid.

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
        super().__init__(Settings(Address.of(url, api_key), timeout, retries, progress))
        self.transport = AsyncTransport(self.settings, session)

    async def cross_entropy(
        self,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        *,
        segments: ArrayLike | None = None,
        bytes: ArrayLike | None = None,  # noqa: A002 -- the service's name
        words: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a batch; see `Client.cross_entropy`."""
        batch = Batch(
            logits, label, input_mask, weight, options, segments, bytes, words
        )
        return await self.transport.send(requests.cross_entropy(batch))

    async def diagnose(
        self,
        logits: ArrayLike,
        label: ArrayLike | None = None,
        input_mask: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Diagnosis:
        """Surveys a tensor; see `Client.diagnose`."""
        batch = Batch(logits, label, input_mask, None, options)
        return await self.transport.send(requests.diagnose(batch))

    async def kl_divergence(
        self,
        reference: Reference,
        logits: Reference,
        *,
        label: ArrayLike | None = None,
        input_mask: ArrayLike | None = None,
        segments: ArrayLike | None = None,
        rows_per_request: int | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> Comparison:
        """Compares two sets of logits; see `Client.kl_divergence`."""
        small = {"label": label, "input_mask": input_mask, "segments": segments}
        pair = Pair.of(reference, logits, small, options)
        steps = comparison_requests(pair, rows_per_request)
        return await self.transport.send_all(steps)

    async def compare_logprobs(
        self,
        old: ArrayLike,
        new: ArrayLike,
        mask: ArrayLike | None = None,
        segments: ArrayLike | None = None,
    ) -> LogprobComparison:
        """Compares log-probabilities of tokens; see `Client.compare_logprobs`."""
        logprobs = Logprobs(old, new, mask, segments)
        return await self.transport.send(requests.compare_logprobs(logprobs))

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
        return await self.transport.send(
            requests.partials(batch, vocab_start, vocab_size)
        )

    async def combine(
        self, partials: Iterable[Partial], **options: Unpack[Options]
    ) -> Evaluation:
        """Merges the partials of all shards; see `Client.combine`."""
        return await self.transport.send(requests.combine(partials, options))

    async def evaluate_file(
        self,
        path: AnyPath,
        *,
        tensors: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a batch in a file; see `Client.evaluate_file`."""
        with naming(path):
            batch = batch_of(path, options, tensors)
            return await self.transport.send(requests.cross_entropy(batch))

    async def evaluate_files(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        tensors: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> list[Evaluation]:
        """Evaluates files one after another; see `Client.evaluate_files`."""
        tracked = track_items(paths_of(paths), "file", self.settings.progress)
        return [
            await self.evaluate_file(path, tensors=tensors, **options)
            for path in tracked
        ]

    def run(self, name: str, *, attempt: int = 0) -> AsyncRun:
        """A run to record into or to read from; see `Client.run`."""
        return AsyncRun(self, name, attempt)

    async def runs(self, **filters: Unpack[RunFilters]) -> AsyncIterator[RunSummary]:
        """Summaries of all runs or of those that match; see `Client.runs`."""
        page = await self.transport.send(requests.list_runs(filters))
        while True:
            for run in page["runs"]:
                yield run
            if "next" not in page:
                return
            page = await self.transport.send(requests.list_runs(filters, page["next"]))

    async def info(self) -> Info:
        """Version, kernel, options and limits of the service."""
        return await self.transport.send(requests.info())

    async def close(self) -> None:
        """Closes the connections, except those of your own session.

        A later request opens new ones.
        """
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
