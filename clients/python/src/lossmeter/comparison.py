"""The answer to a comparison of two sets of logits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lossmeter import safetensors
from lossmeter.schemas import (
    Agreement,
    ComparedPerplexity,
    ComparedSequence,
    ComparisonDiagnostics,
    DivergenceStatistics,
    DivergentRow,
    ProbabilityDifference,
)
from lossmeter.typed import convert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lossmeter.schemas import RowCounts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of logits compared, P of the reference and Q of the logits, in nats.

    Two comparisons are equal when all fields except `outputs` are.

    Attributes:
        loss: The loss, as `reduction` and `semantics` form it; None with
            `reduction="none"`.
        numerator: Σ m·divergence over counted rows.
        denominator: Σ m over counted rows, raw.
        kl_divergence: Mean, standard error, extremes and percentiles of the divergence.
        top1_agreement: Share of rows with the same most probable class.
        probability_difference: Statistics of q_y − p_y; None without labels.
        perplexity: Perplexities of both sides, their ratio and difference; None without
            labels.
        rows: Numbers of rows: total, counted, ignored, masked.
        outputs: The requested arrays, by name; `gradient` is shaped like the logits, in
            their dtype.
        worst_rows: The counted rows of greatest divergence, the worst first.
        diagnostics: Values that are not finite, by side, with cause and place.
        kernel: The kernel that computed it.
        sequences: Every sequence, in order; None unless `outputs` has `sequences`.
    """

    loss: float | None
    numerator: float
    denominator: float
    kl_divergence: DivergenceStatistics
    top1_agreement: Agreement
    probability_difference: ProbabilityDifference | None
    perplexity: ComparedPerplexity | None
    rows: RowCounts
    outputs: dict[str, NDArray[Any]] = field(compare=False)
    worst_rows: list[DivergentRow]
    diagnostics: ComparisonDiagnostics
    kernel: str
    sequences: list[ComparedSequence] | None = None

    @property
    def is_finite(self) -> bool:
        """True when the numerator is finite."""
        return self.diagnostics["verdict"] == "finite"

    @property
    def summary(self) -> str:
        """The findings in one line."""
        return self.diagnostics["summary"]

    @property
    def scalars(self) -> dict[str, float]:
        """Numbers to record for a step of a run, as `Monitor.step` takes them.

        `kl_divergence` is the mean, `top1_agreement` the share, and `perplexity_ratio`
        needs labels. A number without counted rows is left out.
        """
        ratio = None if self.perplexity is None else self.perplexity["ratio"]["value"]
        values = {
            "kl_divergence": self.kl_divergence["mean"],
            "top1_agreement": self.top1_agreement["fraction"],
            "perplexity_ratio": ratio,
        }
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        rows = f"{self.rows['counted']} of {self.rows['total']} rows"
        mean = self.kl_divergence["mean"]
        error = self.kl_divergence["standard_error"]
        if mean is None:
            return f"no divergence over {rows}: {self.summary}"
        spread = "" if error is None else f" ± {error:.2g}"
        return f"divergence {mean:.6g}{spread} over {rows}: {self.summary}"


def decode_comparison(content: bytearray) -> Comparison:
    """Reads a comparison from a safetensors file."""
    outputs, metadata = safetensors.decode(content)
    answer = json.loads(metadata["evaluation"])
    loss = answer.get("loss")
    # float also reads the texts of NaN and the infinities.
    return Comparison(
        loss=None if loss is None else float(loss),
        numerator=float(answer["numerator"]),
        denominator=float(answer["denominator"]),
        kl_divergence=convert(answer["kl_divergence"], DivergenceStatistics),
        top1_agreement=convert(answer["top1_agreement"], Agreement),
        probability_difference=convert(
            answer.get("probability_difference"), ProbabilityDifference
        ),
        perplexity=convert(answer.get("perplexity"), ComparedPerplexity),
        rows=answer["rows"],
        outputs=outputs,
        worst_rows=convert(answer["worst_rows"], list[DivergentRow]),
        diagnostics=convert(answer["diagnostics"], ComparisonDiagnostics),
        kernel=answer["kernel"],
        sequences=convert(answer.get("sequences"), list[ComparedSequence] | None),
    )
