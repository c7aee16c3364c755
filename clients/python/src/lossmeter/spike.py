"""The service's rule for spikes, applied to one loss at a time.

See docs/diagnostics.md. The rule of the service is in `src/loss/spike.ts`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

WINDOW = 64
"""Most preceding finite losses that a loss is compared with."""

MINIMUM = 16
"""Fewest preceding finite losses: with fewer nothing is a spike."""

DEVIATIONS = 6
"""Robust deviations above the median beyond which a loss is a spike."""

FLOOR = 0.01
"""Least deviation, as a share of the median."""

_MAD_TO_DEVIATION = 1.4826
"""From the median absolute deviation to the standard deviation of a normal
distribution: 1 / Φ⁻¹(3/4)."""


class TrailingLosses:
    """The last finite losses of a curve, in the order of steps and sorted by size."""

    __slots__ = ("_in_time", "_sorted")

    def __init__(self) -> None:
        self._in_time: deque[float] = deque()
        self._sorted: list[float] = []

    def push(self, loss: float) -> None:
        """Adds a loss; non-finite ones do not count."""
        if not math.isfinite(loss):
            return
        self._in_time.append(loss)
        insort(self._sorted, loss)
        if len(self._in_time) > WINDOW:
            del self._sorted[bisect_left(self._sorted, self._in_time.popleft())]

    def threshold(self) -> float | None:
        """The loss above which the next one is a spike; None with too few losses.

        It is median + 6 · max(1.4826 · MAD, 0.01 · |median|), where MAD is the median
        of |loss − median|.
        """
        if len(self._sorted) < MINIMUM:
            return None
        middle = _median(self._sorted)
        distances = sorted(abs(loss - middle) for loss in self._sorted)
        deviation = _MAD_TO_DEVIATION * _median(distances)
        return max(_least(middle), middle + DEVIATIONS * deviation)

    def is_spike(self, loss: float) -> bool:
        """True when the next loss is a spike; a non-finite one never is."""
        if len(self._sorted) < MINIMUM or not math.isfinite(loss):
            return False
        # Most losses are below the threshold that a flat curve would have.
        if not loss > _least(_median(self._sorted)):
            return False
        threshold = self.threshold()
        return threshold is not None and loss > threshold


def _least(middle: float) -> float:
    """The threshold of losses without deviation."""
    return middle + DEVIATIONS * FLOOR * abs(middle)


def _median(ascending: list[float]) -> float:
    half = len(ascending) >> 1
    if len(ascending) % 2 == 1:
        return ascending[half]
    return (ascending[half - 1] + ascending[half]) / 2
