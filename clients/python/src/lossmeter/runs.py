"""A run: what is recorded of a training, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lossmeter import request as requests
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from typing import Unpack

    from numpy.typing import ArrayLike

    from lossmeter.client import Client
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


class Run:
    """A run of a service; made by `Client.run`.

    Attributes:
        name: Its name.
        attempt: Which start of the trainer records.
        client: Whom it asks.
    """

    def __init__(self, client: Client, name: str, attempt: int) -> None:
        self.name = name
        self.attempt = attempt
        self.client = client

    def describe(
        self,
        *,
        expected_ranks: int | None = None,
        labels: Mapping[str, str | float | bool] | None = None,
    ) -> RunSummary:
        """Says what the run is, and makes it when it is not there.

        Args:
            expected_ranks: Ranks that report each step.
            labels: What is said of it, such as the model and the learning rate.

        Raises:
            ProblemError: The service refused.
            UnreachableError: The service could not be reached.
        """
        described = requests.describe_run(self.name, expected_ranks, labels)
        return self.client.transport.send(described)

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

        The same batch again changes nothing. What is answered is on the service's disk.

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
            ProblemError: The service refused the batch, or has another one there
                (`conflict`, `superseded`).
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
            denominator: What it is divided by, such as the number of rows.
            micro_batch: Micro-batch of the rank.

        Raises:
            ProblemError: The service refused the pair, or has another one there.
            UnreachableError: The service could not be reached.
        """
        path = requests.batch_path(self.name, step, rank, micro_batch, self.attempt)
        return self.client.transport.send(
            requests.record_pair(path, numerator, denominator)
        )

    def record_many(self, items: Iterable[BulkItem]) -> list[BulkResult]:
        """Records pairs and scalars of many steps in one request.

        Each item is recorded, or refused, by itself. The same item again changes
        nothing.

        Args:
            items: At most 1,000 items, with the fields of `lossmeter.schemas.BulkItem`.
                The attempt of this run is not added to them.

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
            last: Last step, which is included.
            max_points: Most points that show the shape of the range, at most 2,000.
            attempt: Attempt whose steps are read, superseded or not; None for the
                curve.

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
        """The run in short.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        return self.client.transport.send(requests.get_run(self.name))

    def steps(
        self, first: int = 0, last: int | None = None, *, max_points: int | None = None
    ) -> list[StepPoint]:
        """The curve, in the order of the steps.

        Args:
            first: First step.
            last: Last step, which is included.
            max_points: Most steps that show the range: its ends, the least and the
                greatest loss of each stretch, and steps that are not finite.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached.
        """
        steps: list[StepPoint] = []
        request = requests.list_steps(self.name, first, last, max_points)
        while True:
            page = self.client.transport.send(request)
            steps += page["steps"]
            if "next" not in page:
                return steps
            request = requests.more_steps(self.name, last, page["next"])

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

    def watch(self, *, after: int | None = None) -> Generator[Event]:
        """What changes in the run, as it happens, over breaks of the connection.

        A step of a higher attempt supersedes the steps of lower attempts behind it.

        Args:
            after: 0 tells all steps that there are first; None only what changes from
                now on.

        Yields:
            Events without end; `DeletedEvent` is the last when the run is deleted.

        Raises:
            ProblemError: There is no such run (`not_found`).
            UnreachableError: The service could not be reached, again and again.
        """
        return self.client.transport.events(
            requests.run_path(self.name, "events"), after
        )

    def export(
        self,
        format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 -- the service's name
        of: Literal["steps", "batches", "scalars"] = "steps",
    ) -> str:
        """The run as text, a line for each step, micro-batch or number.

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
