"""The statistics of compared rows, which the client computes for divided pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lossmeter.compared_rows import CountedRows

MASKS = np.array([1, 0.5, 2, 1, 0.25, 3])
NLL = np.array([0.5, 2, 1, 4, 0.25, 3])
REFERENCE_NLL = np.array([0.4, 2.5, 1, 3, 0.5, 3])


@pytest.mark.parametrize("exponent", [532, -660, -1050, 1015])
def test_statistics_do_not_change_when_the_mask_is_scaled(exponent: int) -> None:
    plain = CountedRows(MASKS)
    scaled = CountedRows(np.ldexp(MASKS, exponent))
    assert scaled.divergence(NLL) == plain.divergence(NLL)
    compared = scaled.perplexity(NLL, REFERENCE_NLL)
    assert compared == plain.perplexity(NLL, REFERENCE_NLL)
    assert compared["correlation"] is not None


def test_an_error_beyond_float64_is_undetermined() -> None:
    found = CountedRows(np.ones(2)).divergence(np.array([1e200, 3e200]))
    assert found["mean"] == 2e200
    assert found["standard_error"] is None


def test_statistics_are_undetermined_where_the_masks_sum_to_infinity() -> None:
    found = CountedRows(np.array([1.7e308, 1.7e308])).divergence(np.array([0, 0.5]))
    assert found["mean"] is None
    assert found["max"] == 0.5
