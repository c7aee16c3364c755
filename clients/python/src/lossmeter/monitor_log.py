"""The log lines of a monitor, limited in rate."""

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
    """Logs the drops and the findings of a monitor.

    Attributes:
        quiet: True to log nothing, because a lock of the log may be held for long.
    """

    def __init__(self, what: str) -> None:
        self.quiet = False
        self._what = what
        self._last: dict[str, float] = {}
        self._said_lost: dict[str, int] = {}
        self._late = False

    def explain(self, explanation: Explanation) -> None:
        """Logs an explanation of a step."""
        if not self.quiet:
            logger.warning("%s: %s", self._what, explanation)

    def later(self, why: str, waiting: int) -> None:
        """Logs that recording is interrupted."""
        if not self._is_due("later"):
            return
        self._late = True
        logger.warning("%s: %s; will retry, %d items wait", self._what, why, waiting)

    def recorded(self) -> None:
        """Logs that recording continues, if the interruption was logged."""
        if self._late and not self.quiet:
            self._late = False
            logger.info("%s: recording again", self._what)

    def refused(self, why: str) -> None:
        """Logs a refusal."""
        if self._is_due("refused"):
            logger.warning("%s: %s", self._what, why)

    def lost(self, queue: Queue) -> None:
        """Logs the drops since the last such line."""
        lost = queue.lost
        if lost == self._said_lost or not self._is_due("lost"):
            return
        self._said_lost = lost
        logger.warning("%s: %s", self._what, _lost_text(queue))

    def end(self, queue: Queue) -> None:
        """Logs the final counts of all items."""
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
