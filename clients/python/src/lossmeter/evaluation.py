"""The answers to a batch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lossmeter import safetensors
from lossmeter.schemas import Diagnostics, Metrics, SequenceEvaluation
from lossmeter.typed import convert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lossmeter.schemas import RowCounts


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluated batch: N rows, C classes, nats throughout.

    Two evaluations are equal when all fields except `outputs` are.

    Attributes:
        loss: The loss, as `reduction` and `semantics` form it; None with
            `reduction="none"` and with `calculate_per_token_loss`.
        numerator: Σ m·ℓ over counted rows.
        denominator: Σ m·w_y over counted rows (Σ m for class probabilities), raw.
        z_loss: λ·Σ m·lse² over counted rows.
        mean_nll: Σ m·nll / Σ m, without weights and smoothing.
        rows: Numbers of rows: total, counted, ignored, masked.
        outputs: The requested arrays, by name: one value per row, float64 or int32;
            `gradient` is shaped like the logits, in their dtype.
        metrics: `perplexity`, `bits_per_token`, and the requested metrics.
        diagnostics: Non-finite values, with places and causes.
        kernel: The kernel that computed it.
        sequences: Every sequence, in order; None unless `outputs` has `sequences`.
    """

    loss: float | None
    numerator: float
    denominator: float
    z_loss: float
    mean_nll: float
    rows: RowCounts
    outputs: dict[str, NDArray[Any]] = field(compare=False)
    metrics: Metrics
    diagnostics: Diagnostics
    kernel: str
    sequences: list[SequenceEvaluation] | None = None

    @property
    def is_finite(self) -> bool:
        """True when loss, numerator and z_loss are finite."""
        return self.diagnostics["verdict"] == "finite"

    @property
    def summary(self) -> str:
        """The findings in one line."""
        return self.diagnostics["summary"]

    def __str__(self) -> str:
        loss = "no loss" if self.loss is None else f"loss {self.loss:.6g}"
        rows = f"{self.rows['counted']} of {self.rows['total']} rows"
        return f"{loss} over {rows}: {self.summary}"


@dataclass(frozen=True, slots=True)
class RecordedPair:
    """A pair that was recorded without its batch.

    Attributes:
        loss: numerator / denominator.
        numerator: Σ m·ℓ.
        denominator: The denominator.
        verdict: `finite` or `non_finite`.
        summary: The verdict in one line.
    """

    loss: float
    numerator: float
    denominator: float
    verdict: str
    summary: str


def decode_evaluation(content: bytearray) -> Evaluation:
    """Reads an evaluation from a safetensors file."""
    outputs, metadata = safetensors.decode(content)
    evaluation = json.loads(metadata["evaluation"])
    loss = evaluation.get("loss")
    # float also reads the texts of NaN and the infinities.
    return Evaluation(
        loss=None if loss is None else float(loss),
        numerator=float(evaluation["numerator"]),
        denominator=float(evaluation["denominator"]),
        z_loss=float(evaluation["z_loss"]),
        mean_nll=float(evaluation["mean_nll"]),
        rows=evaluation["rows"],
        outputs=outputs,
        metrics=convert(evaluation["metrics"], Metrics),
        diagnostics=convert(evaluation["diagnostics"], Diagnostics),
        kernel=evaluation["kernel"],
        sequences=convert(evaluation.get("sequences"), list[SequenceEvaluation] | None),
    )


def decode_pair(content: bytearray) -> RecordedPair:
    """Reads the answer to a recorded pair."""
    answer = json.loads(content)
    return RecordedPair(
        loss=float(answer["loss"]),
        numerator=float(answer["numerator"]),
        denominator=float(answer["denominator"]),
        verdict=answer["diagnostics"]["verdict"],
        summary=answer["diagnostics"]["summary"],
    )
