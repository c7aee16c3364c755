"""A monitor of a training loop: two numbers per step, and logits of bad steps."""

from __future__ import annotations

import math
import operator
import weakref
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex

from lossmeter.explanation import Explanation, NonFiniteStepError
from lossmeter.monitor_arrays import copied
from lossmeter.monitor_file import FileSink
from lossmeter.monitor_items import (
    Flagged,
    Item,
    Origin,
    number,
    parts_of,
    scalars_of,
)
from lossmeter.monitor_judge import Judge, loss_of, pair_of
from lossmeter.monitor_scalars import Scalars
from lossmeter.monitor_sender import Limits, Sender
from lossmeter.monitor_service import ServiceSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from lossmeter.client import Client
    from lossmeter.explanation import Reason
    from lossmeter.files import AnyPath
    from lossmeter.monitor_arrays import Lazy
    from lossmeter.schemas import Options


class Monitor:
    """Records a training loop, and gets explanations of steps that go wrong.

    `step` takes some microseconds: a thread sends loss and scalars in bulk. The logits
    of a step are sent only when its loss is not finite, is a spike by the service's
    rule, or the step is sampled. Faults of the service do not reach the loop: `step`
    does not wait, and raises nothing except an optional NonFiniteStepError. Items that
    cannot be sent wait in a bounded queue until the service is back. Dropped items are
    counted and logged.

    Waiting items are sent at the end of a `with` block, at `close`, at exit, and at
    SIGTERM if that would end the process at once. A forked process and a pickled or
    copied monitor start with an empty queue.

    Args:
        run: Name of the run; not needed with `path`.
        client: Client of the service; by default one made from the environment.
        rank: Data-parallel rank of this process.
        attempt: Attempt of the trainer; one that resumes from a checkpoint raises it.
        path: A file to append to, in place of a service: one line of JSON per item of
            `POST /v1/runs/{run}/batches`.
        device: Device that computes the losses, such as a host and its GPU.
        sample_every: n, to send the logits of every nth step in any case; None for
            never.
        on_non_finite: `"log"`, or `"raise"` to have a later `step` raise
            NonFiniteStepError.
        max_in_a_row: Consecutive steps that send their logits; after a loss has become
            NaN for good, further logits say nothing new.
        interval: Seconds for which items are collected into one request.
        max_items: Maximum number of items that wait, without those of the current
            request. New items displace the oldest ones.
        max_bytes: Maximum number of bytes of waiting logits, and of waiting items. When
            there is no room for the logits of a step, only its loss is sent.
        exit_timeout: Maximum number of seconds that `close` and the end of the process
            wait.
        handle_sigterm: False leaves SIGTERM alone. A handler of your own is never
            replaced.
        options: Options for the evaluation of logits, which say how the loss is
            computed; see `lossmeter.schemas.Options`.

    Attributes:
        run: Name of the run.
        rank: The rank.
        attempt: The attempt.

    Raises:
        ValueError: Neither run nor path is given, or a number is out of range.

    Example:
        >>> with Monitor("docs.monitor") as monitor:
        ...     for step in range(3):
        ...         found = monitor.step(step, loss=1 / (step + 1), scalars={"lr": 0.1})
        >>> monitor.sent, monitor.dropped
        (3, 0)
    """

    def __init__(
        self,
        run: str | None = None,
        client: Client | None = None,
        rank: int = 0,
        attempt: int = 0,
        *,
        path: AnyPath | None = None,
        device: str | None = None,
        sample_every: int | None = None,
        on_non_finite: Literal["log", "raise"] = "log",
        max_in_a_row: int = 8,
        interval: float = 1.0,
        max_items: int = 100_000,
        max_bytes: int = 2**28,
        exit_timeout: float = 10.0,
        handle_sigterm: bool = True,
        options: Options | None = None,
    ) -> None:
        if run is None and path is None:
            raise ValueError("neither run nor path is given")
        if on_non_finite not in {"log", "raise"}:
            raise ValueError(
                f"on_non_finite is {on_non_finite!r}, expected 'log' or 'raise'"
            )
        if min(rank, attempt) < 0 or min(sample_every or 1, max_items) < 1:
            raise ValueError(
                f"rank is {rank} and attempt is {attempt}, expected 0 or more; "
                f"sample_every is {sample_every}, expected None, or 0 or more; "
                f"max_items is {max_items}, expected 1 or more"
            )
        self.run, self.rank, self.attempt = run, rank, attempt
        self._arguments: dict[str, Any] = {
            "path": path,
            "device": device,
            "sample_every": sample_every,
            "on_non_finite": on_non_finite,
            "max_in_a_row": max_in_a_row,
            "interval": interval,
            "max_items": max_items,
            "max_bytes": max_bytes,
            "exit_timeout": exit_timeout,
            "handle_sigterm": handle_sigterm,
            "options": options,
        }
        self._options: Options = {**(options or {}), "on_non_finite": None}
        self._client = client
        self._raises = on_non_finite == "raise"
        self._exit_timeout = exit_timeout
        self._judge = Judge(sample_every, max_in_a_row)
        self._takes_logits = path is None
        origin = Origin(rank, attempt, device)
        self._sender = Sender(
            ServiceSink(client, str(run), origin)
            if path is None
            else FileSink(path, origin),
            Limits(interval, max_items, max_bytes, exit_timeout, handle_sigterm),
            origin,
            eager=self._raises,
        )
        self._scalars = Scalars(self._sender)
        forgotten = weakref.finalize(self, self._sender.let_go)
        forgotten.atexit = False

    def step(
        self,
        step: SupportsIndex,
        loss: Any = None,  # noqa: ANN401 -- a number of any library
        *,
        count: Any = 1,  # noqa: ANN401 -- likewise
        logits: Lazy | None = None,
        label: Lazy | None = None,
        input_mask: Lazy | None = None,
        weight: Lazy | None = None,
        scalars: Mapping[str, Any] | None = None,
        declared_loss: Any = None,  # noqa: ANN401 -- likewise
        micro_batch: SupportsIndex = 0,
    ) -> list[Explanation]:
        """Records a step, without waiting for the service.

        Arrays are read and copied only in steps that send their logits. Functions that
        return arrays are called only in those steps.

        Args:
            step: Step of the training.
            loss: Mean loss of the batch: a number, or an array of one element, which is
                read from its device. None to record scalars alone.
            count: Number of rows that the loss is the mean of: the weight of this loss
                among those of other ranks and micro-batches. The recorded numerator is
                loss · count, and the denominator is count.
            logits: Scores of the batch, as `Client.cross_entropy` takes them, or a
                function that returns them.
            label: Their class indices or class probabilities, or a function.
            input_mask: Weights of the rows, or a function.
            weight: Weights of the classes, or a function.
            scalars: Further numbers of the step by name, such as the learning rate.
            declared_loss: Loss of the step that the trainer reports, if it differs from
                `loss`; it is compared with the recorded loss.
            micro_batch: Micro-batch of the rank.

        Returns:
            Explanations of earlier steps that have come since the last call.

        Raises:
            NonFiniteStepError: An earlier loss was not finite, and `on_non_finite` is
                `"raise"`. Nothing else is raised.
        """
        sender = self._sender
        try:
            at, part = _index("step", step), _index("micro_batch", micro_batch)
            numbers = self._scalars.floats(scalars) if scalars else None
            declared = None if declared_loss is None else number(declared_loss)
            if loss is None:
                if numbers:
                    self._put(Item(at, part, None, None, declared, numbers))
            else:
                rows = float(count) if type(count) is int else number(count)
                above, below = pair_of(number(loss), rows)
                item = Item(at, part, above, below, declared, numbers)
                reason = self._judge.reason(at, above, below)
                if reason is None:
                    self._put(item)
                else:
                    arrays = {
                        "logits": logits,
                        "label": label,
                        "input_mask": input_mask,
                        "weight": weight,
                    }
                    self._flag(item, loss_of(above, below), reason, arrays)
        except Exception as error:  # noqa: BLE001 -- the loop goes on
            sender.queue.drop_invalid(f"step {step!r}: {error}"[:500])
            sender.start()
        return self._explanations() if sender.queue.explanations else []

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all items are recorded or dropped.

        Args:
            timeout: Maximum number of seconds to wait; by default `exit_timeout`.

        Returns:
            True when they are; False after the timeout.
        """
        return self._sender.flush(self._exit_timeout if timeout is None else timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Sends waiting items, and ends; drops the items that are left.

        Args:
            timeout: Maximum number of seconds to wait; by default `exit_timeout`.

        Returns:
            True when no item was left.
        """
        timeout = self._exit_timeout if timeout is None else timeout
        return self._sender.close(timeout)

    @property
    def sent(self) -> int:
        """Number of recorded items: one per step, or more with many scalars."""
        return self._sender.queue.sent

    @property
    def waiting(self) -> int:
        """Number of items that are neither recorded nor dropped."""
        return max(0, self._sender.queue.waiting)

    @property
    def dropped(self) -> int:
        """Number of dropped items; `lost` has the reasons."""
        return self._sender.queue.dropped

    @property
    def lost(self) -> dict[str, int]:
        """Numbers of dropped items, by reason.

        `queue_full`: the service was unavailable for too long. `refused`: the service
        refused them. `invalid`: not a valid step or number. `closed`: given after the
        end, or not sent before it.
        """
        return self._sender.queue.lost

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            self._explanations()

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self.run, self._client, self.rank, self.attempt)
        return _again, (given, self._arguments, self._judge)

    def __repr__(self) -> str:
        return f"Monitor({self.run!r}, rank={self.rank}, attempt={self.attempt})"

    def _put(self, item: Item) -> None:
        if item.scalars is None:
            self._sender.put(item)
            return
        first, *more = parts_of(item.scalars)
        self._sender.put(item._replace(scalars=first) if more else item)
        for part in more:
            self._sender.put(Item(item.step, item.micro_batch, None, None, None, part))

    def _flag(
        self, item: Item, loss: float, reason: Reason, arrays: dict[str, Lazy | None]
    ) -> None:
        why = "no logits were given"
        if self._takes_logits and arrays["logits"] is not None:
            try:
                room = self._sender.queue.room
                batch, nbytes = copied(arrays, self._options, room)
            except Exception as error:  # noqa: BLE001 -- of any library
                why = f"the logits cannot be sent: {error}"
            else:
                if item.scalars:
                    self._put(scalars_of(item))
                pair = item._replace(scalars=None)
                self._sender.put_flagged(Flagged(pair, batch, loss, reason, nbytes))
                return
        self._put(item)
        if reason == "sample":
            return
        what = "a spike" if reason == "spike" else "not finite"
        self._sender.queue.tell(
            Explanation(
                step=item.step,
                rank=self.rank,
                micro_batch=item.micro_batch,
                attempt=self.attempt,
                reason=reason,
                loss=loss,
                summary=f"loss is {loss}, {what}; {why}",
            )
        )

    def _explanations(self) -> list[Explanation]:
        waiting = self._sender.queue.explanations
        found: list[Explanation] = []
        while waiting:
            found.append(waiting.popleft())
        if self._raises:
            for explanation in found:
                if not math.isfinite(explanation.loss):
                    raise NonFiniteStepError(explanation)
        return found


def _again(given: tuple[Any, ...], arguments: dict[str, Any], judge: Judge) -> Monitor:
    monitor = Monitor(*given, **arguments)
    monitor._judge = judge  # noqa: SLF001 -- its own module
    return monitor


def _index(name: str, value: SupportsIndex) -> int:
    index = operator.index(value)
    if index < 0:
        raise ValueError(f"{name} is {index}, expected 0 or more")
    return index
