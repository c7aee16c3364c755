"""An asynchronous run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lossmeter import request as requests
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from typing import Unpack

    from numpy.typing import ArrayLike

    from lossmeter.aio import AsyncClient
    from lossmeter.evaluation import Evaluation, RecordedPair
    from lossmeter.events import Event
    from lossmeter.run_fields import RunDescription
    from lossmeter.schemas import (
        Attempt,
        BulkItem,
        BulkResult,
        Options,
        Rerun,
        RunComparison,
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
        attempt: Attempt of the trainer that records.
        client: The client that it uses.
    """

    def __init__(self, client: AsyncClient, name: str, attempt: int) -> None:
        self.name = name
        self.attempt = attempt
        self.client = client

    async def describe(self, **description: Unpack[RunDescription]) -> RunSummary:
        """Describes the run; see `Run.describe`."""
        described = requests.describe_run(self.name, description)
        return await self.client.transport.send(described)

    async def rename(self, name: str) -> RunSummary:
        """Gives the run another name; see `Run.rename`."""
        renamed = requests.rename_run(self.name, name)
        summary = await self.client.transport.send(renamed)
        self.name = name
        return summary

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
        """The summary of the run; see `Run.summary`."""
        return await self.client.transport.send(requests.get_run(self.name))

    async def steps(
        self,
        first: int = 0,
        last: int | None = None,
        *,
        max_points: int | None = None,
        attempt: int | None = None,
    ) -> list[StepPoint]:
        """The curve, in the order of the steps; see `Run.steps`."""
        steps: list[StepPoint] = []
        request = requests.list_steps(self.name, first, last, max_points, attempt)
        while True:
            page = await self.client.transport.send(request)
            steps += page["steps"]
            if "next" not in page:
                return steps
            request = requests.more_steps(self.name, last, page["next"], attempt)

    async def step(self, step: int) -> StepDetail:
        """A step with its ranks and micro-batches; see `Run.step`."""
        detail = await self.client.transport.send(requests.get_step(self.name, step))
        while (cursor := detail.pop("next", None)) is not None:
            request = requests.get_step(self.name, step, cursor)
            page = await self.client.transport.send(request)
            requests.add_page(detail, page)
        return detail

    async def reruns(self, step: int, *, tolerance: float = 0.0) -> list[Rerun]:
        """Micro-batches of a step that were computed again; see `Run.reruns`."""
        reruns: list[Rerun] = []
        cursor: str | None = None
        while True:
            request = requests.list_reruns(self.name, step, tolerance, cursor)
            page = await self.client.transport.send(request)
            reruns += page["reruns"]
            cursor = page.get("next")
            if cursor is None:
                return reruns

    async def compare(self, other: str, *, cursor: str | None = None) -> RunComparison:
        """The first difference from another run; see `Run.compare`."""
        request = requests.compare_runs(self.name, other, cursor)
        return await self.client.transport.send(request)

    def watch(self, *, after: int | None = None) -> AsyncGenerator[Event]:
        """Changes of the run as they happen; see `Run.watch`."""
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
