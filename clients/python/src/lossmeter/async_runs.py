"""The asynchronous twin of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lossmeter import request as requests
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from typing import Unpack

    from numpy.typing import ArrayLike

    from lossmeter.aio import AsyncClient
    from lossmeter.evaluation import Evaluation, RecordedPair
    from lossmeter.events import Event
    from lossmeter.schemas import (
        Attempt,
        BulkItem,
        BulkResult,
        Options,
        RunSummary,
        ScalarPoint,
        ScalarSummary,
        StepDetail,
        StepPoint,
    )


class AsyncRun:
    """A run of a service; made by `AsyncClient.run`. Its methods are those of `Run`.

    Attributes:
        name: Its name.
        attempt: Which start of the trainer records.
        client: Whom it asks.
    """

    def __init__(self, client: AsyncClient, name: str, attempt: int) -> None:
        self.name = name
        self.attempt = attempt
        self.client = client

    async def describe(
        self,
        *,
        expected_ranks: int | None = None,
        labels: Mapping[str, str | float | bool] | None = None,
    ) -> RunSummary:
        """Says what the run is; see `Run.describe`."""
        described = requests.describe_run(self.name, expected_ranks, labels)
        return await self.client.transport.send(described)

    async def record(
        self,
        step: int,
        rank: int,
        logits: ArrayLike,
        label: ArrayLike,
        input_mask: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        *,
        segments: ArrayLike | None = None,
        bytes: ArrayLike | None = None,  # noqa: A002 -- the service's name
        words: ArrayLike | None = None,
        micro_batch: int = 0,
        **options: Unpack[Options],
    ) -> Evaluation:
        """Evaluates a micro-batch, and records it; see `Run.record`."""
        batch = Batch(
            logits, label, input_mask, weight, options, segments, bytes, words
        )
        path = requests.batch_path(self.name, step, rank, micro_batch, self.attempt)
        return await self.client.transport.send(requests.record(path, batch))

    async def record_pair(
        self,
        step: int,
        rank: int,
        numerator: float,
        denominator: float,
        *,
        micro_batch: int = 0,
    ) -> RecordedPair:
        """Records a loss that was computed elsewhere; see `Run.record_pair`."""
        path = requests.batch_path(self.name, step, rank, micro_batch, self.attempt)
        pair = requests.record_pair(path, numerator, denominator)
        return await self.client.transport.send(pair)

    async def record_many(self, items: Iterable[BulkItem]) -> list[BulkResult]:
        """Records many pairs and scalars; see `Run.record_many`."""
        request = requests.record_many(self.name, items)
        return (await self.client.transport.send(request))["results"]

    async def scalars(self) -> list[ScalarSummary]:
        """The scalars of the run; see `Run.scalars`."""
        request = requests.list_scalars(self.name)
        return (await self.client.transport.send(request))["scalars"]

    async def scalar(
        self,
        name: str,
        first: int = 0,
        last: int | None = None,
        *,
        max_points: int | None = None,
        attempt: int | None = None,
    ) -> list[ScalarPoint]:
        """A scalar over the steps; see `Run.scalar`."""
        points: list[ScalarPoint] = []
        start: int | str = first
        while True:
            request = requests.get_scalar(
                self.name, name, start, last, max_points, attempt
            )
            page = await self.client.transport.send(request)
            points += page["points"]
            if "next" not in page:
                return points
            start = page["next"]

    async def attempts(self) -> list[Attempt]:
        """The attempts of the trainer; see `Run.attempts`."""
        request = requests.list_attempts(self.name)
        return (await self.client.transport.send(request))["attempts"]

    async def summary(self) -> RunSummary:
        """The run in short; see `Run.summary`."""
        return await self.client.transport.send(requests.get_run(self.name))

    async def steps(
        self, first: int = 0, last: int | None = None, *, max_points: int | None = None
    ) -> list[StepPoint]:
        """The curve, in the order of the steps; see `Run.steps`."""
        steps: list[StepPoint] = []
        request = requests.list_steps(self.name, first, last, max_points)
        while True:
            page = await self.client.transport.send(request)
            steps += page["steps"]
            if "next" not in page:
                return steps
            request = requests.more_steps(self.name, last, page["next"])

    async def step(self, step: int) -> StepDetail:
        """A step with its ranks and micro-batches; see `Run.step`."""
        detail = await self.client.transport.send(requests.get_step(self.name, step))
        while (cursor := detail.pop("next", None)) is not None:
            request = requests.get_step(self.name, step, cursor)
            page = await self.client.transport.send(request)
            requests.add_page(detail, page)
        return detail

    def watch(self, *, after: int | None = None) -> AsyncGenerator[Event]:
        """What changes in the run, as it happens; see `Run.watch`."""
        return self.client.transport.events(
            requests.run_path(self.name, "events"), after
        )

    async def export(
        self,
        format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 -- the service's name
        of: Literal["steps", "batches", "scalars"] = "steps",
    ) -> str:
        """The run as text; see `Run.export`."""
        return await self.client.transport.send(
            requests.export_run(self.name, format, of)
        )

    async def delete(self) -> None:
        """Deletes the run and its history; see `Run.delete`."""
        await self.client.transport.send(requests.delete_run(self.name))

    def __repr__(self) -> str:
        return f"AsyncRun({self.name!r}, attempt={self.attempt})"
