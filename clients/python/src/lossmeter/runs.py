"""A run: recording a training and reading its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lossmeter import request as requests
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Unpack

    from numpy.typing import ArrayLike

    from lossmeter.client import Client
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


class Run:
    """A run of a service; made by `Client.run`.

    Attributes:
        name: Its name.
        attempt: Attempt of the trainer that records.
        client: The client that it uses.
    """

    def __init__(self, client: Client, name: str, attempt: int) -> None:
        self.name = name
        self.attempt = attempt
        self.client = client

    def describe(self, **description: Unpack[RunDescription]) -> RunSummary:
        """Describes the run, and creates it if it does not exist.

        Fields that are absent or None keep their values.

        Args:
            **description: See `lossmeter.run_fields.RunDescription`.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        described = requests.describe_run(self.name, description)
        return self.client.transport.send(described)

    def rename(self, name: str) -> RunSummary:
        """Gives the run another name, which this object then uses.

        Raises:
            ProblemError: There is no such run (`not_found`), or another run has the
                name (`name_taken`).
            UnreachableError: The service could not be reached.
        """
        summary = self.client.transport.send(requests.rename_run(self.name, name))
        self.name = name
        return summary

    def record(
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
        """Evaluates a micro-batch, and records it as part of a step.

        Recording the same batch again changes nothing. When this returns, the recording
        is on the service's disk.

        Args:
            step: Step of the training.
            rank: Data-parallel rank.
            logits: See `Client.cross_entropy`.
            label: See there.
            input_mask: See there.
            weight: See there.
            segments: See there.
            bytes: See there.
            words: See there.
            micro_batch: Micro-batch of the rank.
            **options: See `lossmeter.schemas.Options`.

        Raises:
            TypeError: An array has a dtype that the service does not know.
            ProblemError: The service refused the batch, or already has another one at
                this place (`conflict`, `superseded`).
            UnreachableError: The service could not be reached.
        """
        batch = Batch(
            logits, label, input_mask, weight, options, segments, bytes, words
        )
        path = requests.batch_path(self.name, step, rank, micro_batch, self.attempt)
        return self.client.transport.send(requests.record(path, batch))

    def record_pair(
        self,
        step: int,
        rank: int,
        numerator: float,
        denominator: float,
        *,
        micro_batch: int = 0,
    ) -> RecordedPair:
        """Records a loss that was computed elsewhere.

        Args:
            step: Step of the training.
            rank: Data-parallel rank.
            numerator: Sum of the row losses, in nats; may be NaN or infinite.
            denominator: Denominator of the loss, such as the number of rows.
            micro_batch: Micro-batch of the rank.

        Raises:
            ProblemError: The service refused the pair, or already has another one at
                this place.
            UnreachableError: The service could not be reached.
        """
        path = requests.batch_path(self.name, step, rank, micro_batch, self.attempt)
        return self.client.transport.send(
            requests.record_pair(path, numerator, denominator)
        )

    def record_many(self, items: Iterable[BulkItem]) -> list[BulkResult]:
        """Records pairs and scalars of many steps in one request.

        Each item is recorded or refused independently. Recording the same item again
        changes nothing.

        Args:
            items: At most 1,000 items, with the fields of `lossmeter.schemas.BulkItem`.
                Each item has its own attempt; that of this object is not used.

        Returns:
            The result of each item, in their order.

        Raises:
            ProblemError: The service refused the request as a whole.
            UnreachableError: The service could not be reached.
        """
        request = requests.record_many(self.name, items)
        return (self.client.transport.send(request))["results"]

    def scalars(self) -> list[ScalarSummary]:
        """The scalars of the run, by their names.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        request = requests.list_scalars(self.name)
        return (self.client.transport.send(request))["scalars"]

    def scalar(
        self,
        name: str,
        first: int = 0,
        last: int | None = None,
        *,
        max_points: int | None = None,
        attempt: int | None = None,
    ) -> list[ScalarPoint]:
        """A scalar over the steps: the mean over the ranks, and its range.

        Args:
            name: Its name.
            first: First step.
            last: Last step, inclusive.
            max_points: Maximum number of points, at most 2,000, chosen to show the
                shape of the range.
            attempt: Attempt whose steps are read, including superseded ones; None for
                the curve.

        Raises:
            ProblemError: There is no such run, or scalar (`not_found`).
            UnreachableError: The service could not be reached.
        """
        points: list[ScalarPoint] = []
        start: int | str = first
        while True:
            request = requests.get_scalar(
                self.name, name, start, last, max_points, attempt
            )
            page = self.client.transport.send(request)
            points += page["points"]
            if "next" not in page:
                return points
            start = page["next"]

    def attempts(self) -> list[Attempt]:
        """The attempts of the trainer, in their order.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        request = requests.list_attempts(self.name)
        return (self.client.transport.send(request))["attempts"]

    def summary(self) -> RunSummary:
        """The summary of the run.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        return self.client.transport.send(requests.get_run(self.name))

    def steps(
        self,
        first: int = 0,
        last: int | None = None,
        *,
        max_points: int | None = None,
        attempt: int | None = None,
    ) -> list[StepPoint]:
        """The curve, in the order of the steps.

        Args:
            first: First step.
            last: Last step, inclusive.
            max_points: Maximum number of steps, chosen to show the range: its ends, the
                least and the greatest loss of each interval, and non-finite steps.
            attempt: Attempt whose steps are returned, including superseded ones.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        steps: list[StepPoint] = []
        request = requests.list_steps(self.name, first, last, max_points, attempt)
        while True:
            page = self.client.transport.send(request)
            steps += page["steps"]
            if "next" not in page:
                return steps
            request = requests.more_steps(self.name, last, page["next"], attempt)

    def step(self, step: int) -> StepDetail:
        """A step with its ranks, micro-batches and their diagnostics.

        Raises:
            ProblemError: There is no such run, or step (`not_found`).
            UnreachableError: The service could not be reached.
        """
        detail = self.client.transport.send(requests.get_step(self.name, step))
        while (cursor := detail.pop("next", None)) is not None:
            request = requests.get_step(self.name, step, cursor)
            page = self.client.transport.send(request)
            requests.add_page(detail, page)
        return detail

    def reruns(self, step: int, *, tolerance: float = 0.0) -> list[Rerun]:
        """Micro-batches of a step that were recorded in several attempts.

        Args:
            step: Step of the training.
            tolerance: Relative difference up to which two losses count as equal.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        reruns: list[Rerun] = []
        cursor: str | None = None
        while True:
            request = requests.list_reruns(self.name, step, tolerance, cursor)
            page = self.client.transport.send(request)
            reruns += page["reruns"]
            cursor = page.get("next")
            if cursor is None:
                return reruns

    def compare(self, other: str, *, cursor: str | None = None) -> RunComparison:
        """The first step, rank and micro-batch in which another run differs.

        Args:
            other: Name of the other run.
            cursor: `next` of the previous answer, because answers are bounded.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        request = requests.compare_runs(self.name, other, cursor)
        return self.client.transport.send(request)

    def watch(self, *, after: int | None = None) -> Generator[Event]:
        """Changes of the run as they happen; reconnects when the connection breaks.

        A step of a higher attempt supersedes all later steps of lower attempts.

        Args:
            after: 0 to begin with all recorded steps; None for future changes only.

        Yields:
            Events without end; if the run is deleted, `DeletedEvent` is the last one.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached in all retries.
        """
        return self.client.transport.events(
            requests.run_path(self.name, "events"), after
        )

    def export(
        self,
        format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 -- the service's name
        of: Literal["steps", "batches", "scalars"] = "steps",
    ) -> str:
        """The run as text, with one line per step, micro-batch or scalar.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        return self.client.transport.send(requests.export_run(self.name, format, of))

    def delete(self) -> None:
        """Deletes the run and its history.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        self.client.transport.send(requests.delete_run(self.name))

    def __repr__(self) -> str:
        return f"Run({self.name!r}, attempt={self.attempt})"
