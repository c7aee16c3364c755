"""Statistics of compared rows, by the formulas and exact sums of the service.

docs/compare.md has the formulas. Sums are rounded once, so the division into requests
has no effect on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lossmeter.schemas import (
        Agreement,
        ComparedPerplexity,
        DivergenceStatistics,
        ProbabilityDifference,
    )

    Column = NDArray[Any]

PERCENTILES = ("0.1", "1", "5", "10", "50", "90", "95", "99", "99.9")
DIFFERENCE_PERCENTILES = (
    *("0.1", "1", "5", "10", "25", "50", "75", "90", "95", "99", "99.9"),
)


def exact_sum(terms: Column) -> float:
    """An exact sum, rounded once; non-finite terms make it non-finite."""
    if not np.isfinite(terms).all():
        return float(terms[~np.isfinite(terms)].sum())
    try:
        return math.fsum(terms.tolist())
    except OverflowError:
        with np.errstate(over="ignore"):
            return float(np.sum(terms))


# Largest exponent of the factor of masks: it and its inverse are in float64's range.
MOST_EXPONENT = 1000


class Moments(NamedTuple):
    """A mean, weighted by the mask, and its standard error; NaN where undetermined."""

    mean: float
    standard_error: float

    def shown(self) -> tuple[float | None, float | None]:
        """Mean and standard error, None where undetermined."""
        return determined(self.mean), determined(self.standard_error)


def determined(value: float) -> float | None:
    """Replaces NaN by None."""
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class CountedRows:
    """Weights m of the counted rows, all of them positive."""

    masks: Column

    @property
    def n(self) -> int:
        """Number of the rows."""
        return self.masks.size

    @property
    def weight(self) -> float:
        """Σ m."""
        return exact_sum(self.masks)

    @property
    def scaled(self) -> tuple[Column, float]:
        """Masks and Σ m, times a power of two that brings Σ m near 1.

        Squares of masks then stay in the range of float64, and no digit changes.
        """
        masks, weight = self.masks, self.weight
        if not 0 < weight < math.inf:
            return masks, weight
        exponent = math.floor(math.log2(weight))
        factor = 2.0 ** -max(-MOST_EXPONENT, min(MOST_EXPONENT, exponent))
        return factor * masks, factor * weight

    def moments(self, x: Column) -> Moments:
        """Mean Σ m·x / Σ m, and its error √(n/(n−1)·Σ m²(x−μ)²) / Σ m."""
        n = self.n
        m, weight = self.scaled
        is_known = 0 < weight < math.inf
        mean = exact_sum(m * x) / weight if is_known else math.nan
        if n < 2 or not math.isfinite(mean):  # noqa: PLR2004 -- a spread takes two
            return Moments(mean, math.nan)
        with np.errstate(over="ignore"):
            squares = exact_sum((m * (x - mean)) ** 2)
        error = math.sqrt(n / (n - 1) * squares) / weight
        return Moments(mean, error if math.isfinite(error) else math.nan)

    def covariance(self, x: tuple[Column, float], y: tuple[Column, float]) -> float:
        """Covariance of two means, in the form of the square of a standard error."""
        n = self.n
        masks, weight = self.scaled
        products = masks**2 * ((x[0] - x[1]) * (y[0] - y[1]))
        return n / (n - 1) * (exact_sum(products) / weight**2)

    def divergence(self, x: Column) -> DivergenceStatistics:
        """Statistics of the divergences."""
        mean, error = self.moments(x).shown()
        spread = _spread(x, PERCENTILES)
        return {"mean": mean, "standard_error": error, **spread}  # type: ignore[typeddict-item]

    def agreement(self, agrees: Column) -> Agreement:
        """Share of the rows with the same most probable class."""
        fraction, error = self.moments(agrees.astype(np.float64)).shown()
        return {"fraction": fraction, "standard_error": error}

    def difference(self, x: Column) -> ProbabilityDifference:
        """Statistics of q_y − p_y."""
        mean, error = self.moments(x).shown()
        squares = self.moments(x**2)
        rms = math.sqrt(squares.mean)
        rms_error = 0.0 if rms == 0 else squares.standard_error / (2 * rms)
        return {
            "mean": mean,
            "standard_error": error,
            "rms": determined(rms),
            "rms_standard_error": None if self.n < 2 else determined(rms_error),  # noqa: PLR2004 -- likewise
            **_spread(x, DIFFERENCE_PERCENTILES),  # type: ignore[typeddict-item]
        }

    def perplexity(self, nll: Column, reference_nll: Column) -> ComparedPerplexity:
        """Perplexities of both sides, their ratio and their difference."""
        q, p = self.moments(nll), self.moments(reference_nll)
        # The difference of two equal infinities is 0.
        with np.errstate(invalid="ignore"):
            log_ratios = np.where(nll == reference_nll, 0.0, nll - reference_nll)
        w = self.moments(log_ratios)
        of_q, of_p, ratio = (_exp(mean) for mean in (q.mean, p.mean, w.mean))
        difference = 0.0 if of_q == of_p else of_p * _expm1(w.mean)
        variance = (of_q - of_p) * (
            of_q * q.standard_error**2 - of_p * p.standard_error**2
        ) + of_q * of_p * w.standard_error**2
        deviations = q.standard_error * p.standard_error
        correlation = math.nan
        if deviations > 0:
            covariance = self.covariance((nll, q.mean), (reference_nll, p.mean))
            correlation = min(1.0, max(-1.0, covariance / deviations))
        error = math.nan if math.isnan(variance) else math.sqrt(max(0.0, variance))
        return {
            "logits": _value(of_q, of_q * q.standard_error),  # type: ignore[typeddict-item]
            "reference": _value(of_p, of_p * p.standard_error),  # type: ignore[typeddict-item]
            "log_ratio": _value(w.mean, w.standard_error),  # type: ignore[typeddict-item]
            "ratio": _value(ratio, ratio * w.standard_error),  # type: ignore[typeddict-item]
            "difference": _value(difference, error),  # type: ignore[typeddict-item]
            "correlation": determined(correlation),
        }


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _expm1(x: float) -> float:
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def _value(value: float, error: float) -> dict[str, float | None]:
    known = math.isfinite(value) and math.isfinite(error)
    return {"value": determined(value), "standard_error": error if known else None}


def _spread(x: Column, names: Sequence[str]) -> dict[str, object]:
    """Unweighted extremes and percentiles over rows, without NaN."""
    # Adding 0 turns −0 into 0: the two are equal, and their order is arbitrary.
    ascending = np.sort(x[~np.isnan(x)] + 0.0)
    if ascending.size == 0:
        return {"min": None, "max": None, "percentiles": dict.fromkeys(names)}
    return {
        "min": float(ascending[0]),
        "max": float(ascending[-1]),
        "percentiles": {
            name: percentile(ascending, float(name) / 100) for name in names
        },
    }


def percentile(ascending: Column, f: float) -> float:
    """Linear interpolation at f·(n − 1), the lower value where the fraction is 0."""
    at = f * (ascending.size - 1)
    below = math.floor(at)
    low = float(ascending[below])
    fraction = at - below
    if fraction == 0:
        return low
    high = float(ascending[below + 1])
    # Two infinities have no difference.
    return low if high == low else low + fraction * (high - low)
