"""The delivery of a monitor's queue: items in bulk, and logits of bad steps."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from lossmeter.explanation import Explanation, summary_of
from lossmeter.monitor_items import MOST_ITEMS
from lossmeter.monitor_sink import Later, Refused

if TYPE_CHECKING:
    from lossmeter.evaluation import Evaluation
    from lossmeter.monitor_items import Flagged, Item, Origin
    from lossmeter.monitor_log import MonitorLog
    from lossmeter.monitor_queue import Queue
    from lossmeter.monitor_sink import Sink


class Delivery:
    """Takes items out of a queue and settles them; used only by the sending thread.

    Args:
        queue: The waiting items.
        sink: The place that takes them.
        origin: Rank and attempt that record.
        log: The log lines.
        eager: True to report a non-finite step without the service's explanation, when
            the service cannot be reached.

    Attributes:
        failures: Failed attempts since the last success.
        hurried: True to send pairs in place of logits.
        stopped: True when no more items are settled.
    """

    def __init__(
        self, queue: Queue, sink: Sink, origin: Origin, log: MonitorLog, *, eager: bool
    ) -> None:
        self.queue = queue
        self.sink = sink
        self.failures = 0
        self.hurried = self.stopped = False
        self._origin = origin
        self._log = log
        self._eager = eager
        self._batches: deque[list[Item]] = deque()
        self._told: set[Flagged] = set()

    def send_waiting(self) -> Later | None:
        """Sends the waiting items; stops when the service does not take them now."""
        later = self._send_items()
        # Items are sent between uploads of logits, which may take long.
        for _ in range(len(self.queue.flagged)):
            later = later or self._send_logits() or self._send_items()
        if later is not None and self._eager:
            self._tell_early(later.why)
        return later

    def give_up(self) -> None:
        """Reports the waiting logits as unexplained."""
        for flagged in list(self.queue.flagged):
            if flagged not in self._told:
                self._explain(
                    flagged,
                    "no explanation: the logits were not sent before the end",
                    None,
                )

    def _tell_early(self, why: str) -> None:
        for flagged in list(self.queue.flagged):
            if flagged.reason == "non_finite" and flagged not in self._told:
                self._told.add(flagged)
                self._explain(flagged, f"no explanation yet: {why}", None)

    def _send_items(self) -> Later | None:
        left = self.queue.queued
        while (self._batches or left > 0) and not self.stopped:
            if not self._batches:
                batch = self.queue.take()
                left -= max(len(batch), 1)
                if batch:
                    self._batches.append(batch)
                continue
            later = self._send(self._batches[0])
            if later is not None:
                return later
        return None

    def _send(self, batch: list[Item]) -> Later | None:
        """Sends the first batch, and settles its items."""
        outcome = self.sink.record(batch)
        if isinstance(outcome, Later) or self.stopped:
            return outcome if isinstance(outcome, Later) else None
        self._batches.popleft()
        self.failures = 0
        self._log.recorded()
        if isinstance(outcome, Refused):
            # One item may be invalid, or the request too large.
            half = len(batch) // 2
            if half == 0 and batch[0].is_divisible:
                batch, half = self.queue.divide(batch[0]), 1
            if half > 0:
                self._batches.extendleft([batch[half:], batch[:half]])
            else:
                self._refuse(batch[0], outcome.why)
            return None
        divided: list[Item] = []
        for item, result in zip(batch, outcome, strict=True):
            if result.refusal is None:
                self.queue.settle(item, recorded=True)
            elif item.is_divisible:
                divided += self.queue.divide(item)
            else:
                self._refuse(item, result.refusal)
        for start in range(0, len(divided), MOST_ITEMS):
            self._batches.append(divided[start : start + MOST_ITEMS])
        return None

    def _refuse(self, item: Item, why: str) -> None:
        self._log.refused(f"step {item.step} was not recorded: {why}")
        self.queue.settle(item, recorded=False)

    def _send_logits(self) -> Later | None:
        """Sends the oldest waiting logits, or the pair in their place."""
        if not self.queue.flagged or self.stopped:
            return None
        flagged = self.queue.flagged[0]
        outcome: Evaluation | Later | Refused
        if self.hurried:
            outcome = Refused("there was no time to send the logits")
        else:
            outcome = self.sink.explain(flagged)
        if self.stopped:
            return None
        if isinstance(outcome, Later):
            return outcome
        item = self.queue.drop_logits().item
        self._told.discard(flagged)
        self.failures = 0
        if isinstance(outcome, Refused):
            self._explain(flagged, f"no explanation: {outcome.why}", None)
            if outcome.for_good:
                self._refuse(item, outcome.why)
            else:
                self._batches.append([item])
            return None
        self.queue.settle(item, recorded=True)
        text = summary_of(flagged.reason, flagged.loss, outcome)
        self._explain(flagged, text, outcome)
        return None

    def _explain(
        self, flagged: Flagged, text: str, evaluation: Evaluation | None
    ) -> None:
        reason = flagged.reason
        if reason == "sample" and (evaluation is None or evaluation.is_finite):
            return
        if evaluation is None:
            text = f"loss is {flagged.loss}; {text}"
        self.queue.tell(
            Explanation(
                step=flagged.item.step,
                rank=self._origin.rank,
                micro_batch=flagged.item.micro_batch,
                attempt=self._origin.attempt,
                reason=reason,
                loss=flagged.loss,
                summary=text,
                evaluation=evaluation,
            )
        )
