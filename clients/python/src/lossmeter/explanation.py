"""Explanations of the steps that a monitor sent with their logits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lossmeter.errors import LossmeterError

if TYPE_CHECKING:
    from lossmeter.evaluation import Evaluation

Reason = Literal["non_finite", "spike", "sample"]

_PLACE = re.compile(r"^step \d+, rank \d+(, micro[-_ ]batch \d+)?: ")
"""The place that the service puts first in the summary of a recorded batch."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The service's explanation of a step; made by `Monitor.step`.

    Attributes:
        step: The step.
        rank: The rank that recorded it.
        micro_batch: Micro-batch of the rank.
        attempt: Attempt of the run.
        reason: `non_finite`, `spike`, or `sample`: a sampled step whose loss the
            service found to be non-finite.
        loss: The loss of the training loop.
        summary: One line that says what is wrong, and where.
        evaluation: The service's evaluation of the logits; None when there were no
            logits, or the service did not take them.
    """

    step: int
    rank: int
    micro_batch: int
    attempt: int
    reason: Reason
    loss: float
    summary: str
    evaluation: Evaluation | None = field(default=None, repr=False)

    @property
    def row(self) -> int | None:
        """The first bad row, or the row of the greatest loss; None when unknown."""
        return self._place()[0]

    @property
    def column(self) -> int | None:
        """The first bad class, or the label of that row; None when unknown."""
        return self._place()[1]

    def _place(self) -> tuple[int | None, int | None]:
        if self.evaluation is None:
            return None, None
        diagnostics = self.evaluation.diagnostics
        for cause in diagnostics.get("causes", []):
            if "first" in cause:
                return cause["first"]["row"], cause["first"]["column"]
        for worst in diagnostics.get("worst_rows", []):
            return worst["row"], worst["label"]
        return None, None

    def __str__(self) -> str:
        part = f", micro-batch {self.micro_batch}" if self.micro_batch else ""
        return f"step {self.step}, rank {self.rank}{part}: {self.summary}"


class NonFiniteStepError(LossmeterError):
    """The loss of a step is not finite; raised by `Monitor` with `"raise"`.

    Attributes:
        explanation: Cause and place.
    """

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(str(explanation))
        self.explanation = explanation

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.explanation,)


def summary_of(reason: Reason, loss: float, evaluation: Evaluation) -> str:
    """One line about a step whose logits the service evaluated."""
    found = _PLACE.sub("", evaluation.summary)
    if reason == "spike":
        worst = "; ".join(
            f"row {row['row']}, label {row['label']}, loss {row['loss']:.4g}"
            for row in evaluation.diagnostics.get("worst_rows", [])[:3]
        )
        return f"loss {loss:.6g} is a spike; {found}; greatest losses: {worst}"
    if reason == "non_finite" and evaluation.is_finite:
        evaluated = "no loss" if evaluation.loss is None else f"{evaluation.loss:.6g}"
        return (
            f"loss is {loss} in the training loop, but {evaluated} by the service: "
            "check how the loop computes the loss, and its mask and options"
        )
    return f"loss is {loss}; {found}"
