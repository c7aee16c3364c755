"""Decides which requests are retried, and after which pause.

Retries are safe: evaluations change nothing, the same recording counts once, and
deleted runs stay deleted.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from lossmeter.answer import Answer
from lossmeter.errors import UnreachableError

if TYPE_CHECKING:
    from lossmeter.answer import Outcome

REPEATED_STATUSES = frozenset({429, 502, 503, 504})
"""Too much to do, not there at the moment, or lost behind a proxy."""

_FIRST_SECONDS = 0.1
_MOST_SECONDS = 10.0
_MOST_DOUBLINGS = 10
_JITTER = 0.25
"""Clients that were refused together must not come back together."""


def next_delay(retries: int, attempt: int, outcome: Outcome) -> float | None:
    """The seconds to wait before the next attempt; None when it was the last.

    Args:
        retries: Attempts after the first.
        attempt: Number of the attempt that was made, from 0.
        outcome: Outcome of that attempt.
    """
    repeatable = (
        outcome.repeatable
        if isinstance(outcome, UnreachableError)
        else outcome.status in REPEATED_STATUSES
    )
    if not repeatable or attempt >= retries:
        return None
    asked = outcome.retry_after if isinstance(outcome, Answer) else None
    return backoff(attempt, asked or 0)


def backoff(attempt: int, asked: float = 0) -> float:
    """Seconds to wait after an attempt, from 0: twice as long each time.

    Args:
        attempt: Number of the attempt that was made.
        asked: Seconds to wait at least.
    """
    doubled = _FIRST_SECONDS * 2.0 ** min(attempt, _MOST_DOUBLINGS)
    seconds = max(asked, min(doubled, _MOST_SECONDS))
    return seconds * (1 + _JITTER * random.random())  # noqa: S311 -- no secret
