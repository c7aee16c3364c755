"""Results of sequences, which the client computes for comparisons that it divides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmeter.compared_rows import exact_sum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lossmeter.schemas import ComparedSequence

    Column = NDArray[Any]

_SIDES = {"logits": "nll", "reference": "reference_nll"}
"""The column of each side's labels."""


def compare_sequences(
    lengths: NDArray[np.int64],
    is_counted: NDArray[np.bool_],
    masks: Column,
    columns: Mapping[str, Column],
) -> list[ComparedSequence]:
    """The result of every sequence, in order.

    Args:
        lengths: Rows of each sequence.
        is_counted: True for rows that count.
        masks: Mask of each row.
        columns: `kl_divergence`, and with labels `nll` and `reference_nll`.
    """
    ends = np.cumsum(lengths)
    return [
        _sequence(
            masks[begin:end][is_counted[begin:end]],
            {
                name: column[begin:end][is_counted[begin:end]]
                for name, column in columns.items()
            },
        )
        for begin, end in zip(ends - lengths, ends, strict=True)
    ]


def _sequence(masks: Column, columns: Mapping[str, Column]) -> ComparedSequence:
    """The result of a sequence; None without counted rows."""
    mean, numerator, denominator = _mean(masks, columns["kl_divergence"])
    found: ComparedSequence = {
        "tokens": masks.size,
        "numerator": numerator,
        "denominator": denominator,
        "mean": mean,
    }
    for side, column in _SIDES.items():
        if column in columns:
            nll, _, _ = _mean(masks, columns[column])
            found[side] = {"mean_nll": nll, "perplexity": _exp(nll)}  # type: ignore[literal-required]
    return found


def _mean(masks: Column, x: Column) -> tuple[float | None, float | None, float | None]:
    """Σ m·x / Σ m, Σ m·x and Σ m."""
    if masks.size == 0:
        return None, None, None
    numerator, denominator = exact_sum(masks * x), exact_sum(masks)
    return numerator / denominator, numerator, denominator


def _exp(x: float | None) -> float | None:
    with np.errstate(over="ignore"):
        return None if x is None else float(np.exp(x))
