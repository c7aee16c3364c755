"""The log lines of a monitor, few however much goes wrong."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossmeter.explanation import Explanation
    from lossmeter.monitor_queue import Queue

logger = logging.getLogger("lossmeter")

SECONDS_BETWEEN_LINES = 30.0
"""Least time between lines about the same kind of trouble."""


class MonitorLog:
    """Says what a monitor drops and finds.

    Attributes:
        quiet: Whether nothing is said, because a lock of the log may be held for long.
    """

    def __init__(self, what: str) -> None:
        self.quiet = False
        self._what = what
        self._last: dict[str, float] = {}
        self._said_lost: dict[str, int] = {}
        self._late = False

    def explain(self, explanation: Explanation) -> None:
        """Says what is wrong with a step."""
        if not self.quiet:
            logger.warning("%s: %s", self._what, explanation)

    def later(self, why: str, waiting: int) -> None:
        """Says that nothing is recorded at the moment."""
        if not self._is_due("later"):
            return
        self._late = True
        logger.warning("%s: %s; tried again, %d items wait", self._what, why, waiting)

    def recorded(self) -> None:
        """Says that recording goes on, after it was said that it does not."""
        if self._late and not self.quiet:
            self._late = False
            logger.info("%s: recording again", self._what)

    def refused(self, why: str) -> None:
        """Says that something was not taken."""
        if self._is_due("refused"):
            logger.warning("%s: %s", self._what, why)

    def lost(self, queue: Queue) -> None:
        """Says what was dropped since it was last said."""
        lost = queue.lost
        if lost == self._said_lost or not self._is_due("lost"):
            return
        self._said_lost = lost
        logger.warning("%s: %s", self._what, _lost_text(queue))

    def end(self, queue: Queue) -> None:
        """Says what became of all items."""
        level = logging.WARNING if queue.dropped else logging.INFO
        text = "%s: %d items recorded, %s"
        logger.log(level, text, self._what, queue.sent, _lost_text(queue))

    def _is_due(self, kind: str) -> bool:
        now = time.monotonic()
        if self.quiet or now < self._last.get(kind, -1e9) + SECONDS_BETWEEN_LINES:
            return False
        self._last[kind] = now
        return True


def _lost_text(queue: Queue) -> str:
    if not queue.dropped:
        return "none dropped"
    reasons = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in queue.lost.items()
    )
    why = f" ({queue.invalid_because})" if queue.invalid_because else ""
    return f"{queue.dropped} dropped: {reasons}{why}"
