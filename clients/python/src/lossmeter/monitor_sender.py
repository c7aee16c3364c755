"""The thread of a monitor, which sends what waits in its queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from lossmeter import monitor_lifetime as lifetime
from lossmeter.explanation import Explanation, summary_of
from lossmeter.monitor_log import MonitorLog
from lossmeter.monitor_queue import Queue
from lossmeter.monitor_sink import Later, Refused
from lossmeter.retry import backoff

if TYPE_CHECKING:
    from lossmeter.evaluation import Evaluation
    from lossmeter.monitor_items import Flagged, Item, Origin
    from lossmeter.monitor_sink import Sink

_CLOSING_SECONDS = 0.5
"""Longest pause between attempts while the end of the process waits for them."""

Flush: TypeAlias = "tuple[int, SimpleQueue[bool]]"
"""A number of items that are to be settled, and where to say so."""


@dataclass(frozen=True)
class Limits:
    """Limits of a sender; see `Monitor`."""

    interval: float
    max_items: int
    max_bytes: int
    exit_timeout: float
    sigterm: bool


class Sender:
    """Sends the items of a queue in bulk from a thread of its own.

    Attributes:
        queue: What waits.
        limits: The limits.
        eager: Whether to tell of a non-finite step before the service explained it,
            when the service cannot be reached.
    """

    def __init__(
        self, sink: Sink, limits: Limits, origin: Origin, *, eager: bool
    ) -> None:
        self.limits = limits
        self.eager = eager
        self._sink = sink
        self._origin = origin
        self.start_anew()
        lifetime.watch(self, sigterm=limits.sigterm)

    def start_anew(self) -> None:
        """Empties the queue and forgets the thread, as in a forked child."""
        self.queue = Queue(self.limits.max_items, self.limits.max_bytes)
        self._log = MonitorLog(f"{self._sink.place}, rank {self._origin.rank}")
        self._wake: SimpleQueue[Flush | None] = SimpleQueue()
        self._woken = False
        self._closing = self._hurried = self._ended = False
        self._thread: threading.Thread | None = None
        # Of the sending thread alone.
        self._flushes: list[Flush] = []
        self._batches: deque[list[Item]] = deque()
        self._late: Flagged | None = None
        self._failures = 0

    def put(self, item: Item) -> None:
        """Adds an item."""
        if self.queue.put(item) and not self._woken:
            self._woken = True
            self._wake.put(None)
        if self._thread is None:
            self.start()

    def put_flagged(self, flagged: Flagged) -> None:
        """Adds a step with its logits."""
        self.queue.put_flagged(flagged)
        self.start()

    def start(self) -> None:
        """Starts the thread, unless it runs."""
        if self._thread is not None or self._closing:
            return
        thread = threading.Thread(
            target=self._run, name="lossmeter-monitor", daemon=True
        )
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # There are too many, or the process is about to end.
            self._thread = None
            return
        lifetime.watch(self, sigterm=self.limits.sigterm)

    def flush(self, timeout: float) -> bool:
        """Waits until all that was put in is settled.

        Returns:
            False when that took longer than the time-out, in seconds.
        """
        if self.queue.waiting <= 0 and not self._closing:
            return True
        self.start()
        if self._thread is None or not self._thread.is_alive():
            return self.queue.waiting <= 0
        done: SimpleQueue[bool] = SimpleQueue()
        self._wake.put((self.queue.total, done))
        try:
            return done.get(timeout=max(timeout, 0.001))
        except Empty:
            return False

    def begin_to_close(self) -> None:
        """Takes nothing more, and sends what waits."""
        if self.queue.waiting > 0:
            self.start()
        self.queue.closed = self._closing = True
        self._wake.put(None)

    def close(self, timeout: float) -> bool:
        """Sends what waits, ends the thread, and counts what is left as dropped.

        Returns:
            Whether nothing was left.
        """
        if self._ended:
            return True
        self.begin_to_close()
        done = self.flush(timeout / 2)
        if not done:
            # Logits give way to their pairs, which may still be taken.
            self._hurried = True
            done = self.flush(timeout / 2)
        self._ended = True
        self.queue.abandon()
        self._wake.put(None)
        lifetime.forget(self)
        self._log.quiet = False
        self._tell()
        self._log.end(self.queue)
        return done

    def let_go(self) -> None:
        """Ends the thread once all is sent, when nobody has the monitor any more."""
        if not self._ended:
            self.begin_to_close()
            if self._thread is None:
                lifetime.forget(self)

    def be_quiet(self) -> None:
        """Stops the sending thread from logging."""
        self._log.quiet = True

    # What the sending thread does.

    def _run(self) -> None:
        queue = self.queue
        pause = self.limits.interval
        while not self._ended:
            self._wait(pause)
            try:
                later = self._send_waiting()
            except Exception as error:  # noqa: BLE001 -- the thread must go on
                later = Later(f"a fault of the client: {error!r}")
            if later is None:
                pause = self.limits.interval
            else:
                self._log.later(later.why, queue.waiting)
                pause = backoff(self._failures, later.seconds)
                self._failures += 1
            self._tell()
            if self._closing and queue.waiting <= 0:
                break
            self._answer_flushes()
        # A file is on the disk before anybody hears that all is written.
        with suppress(Exception):
            self._sink.close()
        self._answer_flushes()
        if not self._ended:
            lifetime.forget(self)

    def _wait(self, seconds: float) -> None:
        """Waits, but for a flush that comes, or after success for a full request."""
        if self._flushes or self._closing:
            # Somebody waits.
            seconds = min(seconds, _CLOSING_SECONDS if self._failures else 0)
        deadline = time.monotonic() + seconds
        while not self._ended:
            try:
                flush = self._wake.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if flush is not None:
                self._flushes.append(flush)
                break
            if not self._failures or self._closing:
                break
        self._woken = False

    def _answer_flushes(self) -> None:
        with suppress(Empty):
            while True:
                flush = self._wake.get_nowait()
                if flush is not None:
                    self._flushes.append(flush)
        settled = self.queue.total - self.queue.waiting
        for target, done in self._flushes:
            if settled >= target:
                done.put(True)
        self._flushes = [each for each in self._flushes if each[0] > settled]

    def _tell(self) -> None:
        with suppress(IndexError):
            while True:
                self._log.explain(self.queue.untold.popleft())
        self._log.lost(self.queue)

    def _send_waiting(self) -> Later | None:
        """Sends what waits now; stops where that is not possible at the moment."""
        later = self._send_items()
        # Between uploads of logits, which may take long, items go out.
        for _ in range(len(self.queue.flagged)):
            later = later or self._send_logits() or self._send_items()
        return later

    def _send_items(self) -> Later | None:
        left = self.queue.queued
        while (self._batches or left > 0) and not self._ended:
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
        outcome = self._sink.record(batch)
        if isinstance(outcome, Later) or self._ended:
            return outcome if isinstance(outcome, Later) else None
        self._batches.popleft()
        self._failures = 0
        self._log.recorded()
        if isinstance(outcome, Refused):
            # One item may be at fault, or all together too large.
            half = len(batch) // 2
            if half > 0:
                self._batches.extendleft([batch[half:], batch[:half]])
            else:
                self._refuse(batch[0], outcome.why)
            return None
        for item, result in zip(batch, outcome, strict=True):
            if result.refusal is None:
                self.queue.settle(item, recorded=True)
            else:
                self._refuse(item, result.refusal)
        return None

    def _refuse(self, item: Item, why: str) -> None:
        if item.numerator is not None and item.scalars:
            # The fault may be in one of both.
            self._batches.append(self.queue.divide(item))
            return
        self._log.refused(f"step {item.step} was not recorded: {why}")
        self.queue.settle(item, recorded=False)

    def _send_logits(self) -> Later | None:
        """Sends the logits that wait longest, or the pair in their place."""
        if not self.queue.flagged or self._ended:
            return None
        flagged = self.queue.flagged[0]
        outcome: Evaluation | Later | Refused
        if self._hurried:
            outcome = Refused("there was no time to send the logits")
        else:
            outcome = self._sink.explain(flagged)
        if self._ended:
            return None
        if isinstance(outcome, Later):
            if self.eager and self._late is not flagged:
                self._late = flagged
                self._explain(flagged, f"no explanation yet: {outcome.why}", None)
            return outcome
        item = self.queue.drop_logits().item
        self._failures = 0
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
