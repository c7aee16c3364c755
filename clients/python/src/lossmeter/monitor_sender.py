"""The thread of a monitor, which sends the items of its queue."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from lossmeter import monitor_lifetime as lifetime
from lossmeter.monitor_delivery import Delivery
from lossmeter.monitor_log import MonitorLog
from lossmeter.monitor_queue import Queue
from lossmeter.monitor_sink import Later
from lossmeter.retry import backoff

if TYPE_CHECKING:
    from lossmeter.monitor_items import Flagged, Item, Origin
    from lossmeter.monitor_sink import Sink

_CLOSING_SECONDS = 0.5
"""Longest pause between attempts while the end of the process waits for them."""

_BUSY_SECONDS = 0.005
"""Pause while somebody waits and nothing fails."""

Flush: TypeAlias = "tuple[int, SimpleQueue[bool], float]"
"""A number of items that are to be settled, where to say so, and until when."""


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
        queue: The waiting items.
        limits: The limits.
    """

    def __init__(
        self, sink: Sink, limits: Limits, origin: Origin, *, eager: bool
    ) -> None:
        self.limits = limits
        self._eager = eager
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
        self._closing = False
        self._thread: threading.Thread | None = None
        # State that the sending thread alone uses.
        self._flushes: list[Flush] = []
        self._delivery = Delivery(
            self.queue, self._sink, self._origin, self._log, eager=self._eager
        )

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
        except RuntimeError:  # Too many threads, or the process is ending.
            self._thread = None
            return
        lifetime.watch(self, sigterm=self.limits.sigterm)

    def flush(self, timeout: float) -> bool:
        """Waits until all items so far are settled.

        Returns:
            False after the timeout, in seconds.
        """
        if self.queue.waiting <= 0 and not self._closing:
            return True
        self.start()
        if self._thread is None or not self._thread.is_alive():
            return self.queue.waiting <= 0
        done: SimpleQueue[bool] = SimpleQueue()
        timeout = max(timeout, 0.001)
        self._wake.put((self.queue.total, done, time.monotonic() + timeout))
        try:
            return done.get(timeout=timeout)
        except Empty:
            return False

    def begin_to_close(self) -> None:
        """Accepts no more items, and sends the waiting ones."""
        if self.queue.waiting > 0:
            self.start()
        self.queue.closed = self._closing = True
        self._wake.put(None)

    def close(self, timeout: float) -> bool:
        """Sends waiting items, ends the thread, and counts items left as dropped.

        Returns:
            True when no item was left.
        """
        if self._delivery.stopped:
            return True
        self.begin_to_close()
        done = self.flush(timeout / 2)
        if not done:
            # Pairs are sent in place of logits: there may be time for these.
            self._delivery.hurried = True
            done = self.flush(timeout / 2)
        self._delivery.stopped = True
        if not done:
            self._delivery.give_up()
        self.queue.abandon()
        self._wake.put(None)
        lifetime.forget(self)
        self._log.quiet = False
        self._tell()
        self._log.end(self.queue)
        return done

    def let_go(self) -> None:
        """Ends the thread once all is sent, after the monitor was garbage-collected."""
        if not self._delivery.stopped:
            self.begin_to_close()
            if self._thread is None:
                lifetime.forget(self)

    def be_quiet(self) -> None:
        """Stops the sending thread from logging."""
        self._log.quiet = True

    # Methods that the sending thread runs.

    def _run(self) -> None:
        queue = self.queue
        pause = self.limits.interval
        while not self._delivery.stopped:
            self._wait(pause)
            try:
                later = self._delivery.send_waiting()
            except Exception as error:  # noqa: BLE001 -- the thread must go on
                later = Later(f"a fault of the client: {error!r}")
            if later is None:
                pause = self.limits.interval
            else:
                self._log.later(later.why, queue.waiting)
                pause = backoff(self._delivery.failures, later.seconds)
                self._delivery.failures += 1
            self._tell()
            if self._closing and later is None and queue.is_empty:
                break
            self._answer_flushes()
        # A file is on the disk before a flush returns.
        with suppress(Exception):
            self._sink.close()
        self._answer_flushes(ended=True)
        if not self._delivery.stopped:
            lifetime.forget(self)

    def _wait(self, seconds: float) -> None:
        """Waits for the interval; ends early for a flush, or for a full request."""
        if self._flushes or self._closing:
            # A flush is waiting.
            seconds = min(
                seconds, _CLOSING_SECONDS if self._delivery.failures else _BUSY_SECONDS
            )
        deadline = time.monotonic() + seconds
        while not self._delivery.stopped:
            try:
                flush = self._wake.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if flush is not None:
                self._flushes.append(flush)
                break
            if not self._delivery.failures or self._closing:
                break
        self._woken = False

    def _answer_flushes(self, *, ended: bool = False) -> None:
        with suppress(Empty):
            while True:
                flush = self._wake.get_nowait()
                if flush is not None:
                    self._flushes.append(flush)
        if self._closing and not ended:
            return
        settled = self.queue.total - self.queue.waiting
        for target, done, _ in self._flushes:
            if ended or settled >= target:
                done.put(True)
        now = time.monotonic()
        self._flushes = [
            flush for flush in self._flushes if flush[0] > settled and flush[2] > now
        ]

    def _tell(self) -> None:
        with suppress(IndexError):
            while True:
                self._log.explain(self.queue.untold.popleft())
        self._log.lost(self.queue)
