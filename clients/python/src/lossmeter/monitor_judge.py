"""Decides which steps of a training loop send their logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossmeter.spike import TrailingLosses

if TYPE_CHECKING:
    from lossmeter.explanation import Reason


class Judge:
    """Judges the losses of a training loop, in the order in which they come.

    Args:
        sample_every: n, to sample every nth step; None for never.
        max_in_a_row: Consecutive bad steps that send their logits.
    """

    __slots__ = ("_in_a_row", "_losses", "_max_in_a_row", "_sample_every")

    def __init__(self, sample_every: int | None, max_in_a_row: int) -> None:
        self._sample_every = sample_every
        self._max_in_a_row = max_in_a_row
        self._losses = TrailingLosses()
        self._in_a_row = 0

    def reason(self, step: int, numerator: float, denominator: float) -> Reason | None:
        """Reason for sending the logits of a step; None to send no logits."""
        loss = loss_of(numerator, denominator)
        found: Reason | None = None
        if not math.isfinite(loss):
            # A step with a count of 0 has no loss, which is no fault.
            if numerator != 0 or denominator != 0:
                found = "non_finite"
        else:
            if self._losses.is_spike(loss):
                found = "spike"
            self._losses.push(loss)
        if found is not None:
            self._in_a_row += 1
            return found if self._in_a_row <= self._max_in_a_row else None
        self._in_a_row = 0
        every = self._sample_every
        return "sample" if every is not None and step % every == 0 else None


def pair_of(loss: float, count: float) -> tuple[float, float]:
    """The numerator and the denominator of a mean loss.

    With a count of 0 the numerator is 0, whatever the loss is.
    """
    return (0.0 if count == 0 else loss * count), count


def loss_of(numerator: float, denominator: float) -> float:
    """The loss that the service computes from a pair."""
    if denominator == 0:
        return math.nan if numerator == 0 else math.copysign(math.inf, numerator)
    return numerator / denominator
