"""The client compares log-probabilities of the same tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
import torch

from lossmeter import ProblemError

if TYPE_CHECKING:
    from lossmeter import Client

LENGTHS = [40, 1, 90, 0, 7]


def sampled(noise: float, seed: int = 0) -> tuple[np.ndarray[Any, Any], ...]:
    """Log-probabilities of the same tokens by two sides, which differ by noise."""
    random = np.random.default_rng(seed)
    old = -10 * random.random(sum(LENGTHS)) - 20 * noise
    return old, np.minimum(0, old + noise * random.standard_normal(old.size))


@pytest.mark.parametrize("noise", [0.01, 0.3, 2.0])
def test_estimators_are_those_of_the_literature(client: Client, noise: float) -> None:
    old, new = sampled(noise)
    r = new - old
    rho = np.exp(r)
    ends = np.cumsum(LENGTHS)
    of = [
        slice(end - length, end)
        for length, end in zip(LENGTHS, ends, strict=True)
        if length
    ]

    answer = client.compare_logprobs(old, new, segments=LENGTHS)

    expected = {
        "k1": -r.mean(),
        "k3": (np.expm1(r) - r).mean(),
        "chi2_token": (rho**2).mean() - 1,
        "chi2_sequence": np.mean([np.prod(rho[s]) ** 2 for s in of]) - 1,
        "effective_sample_size": rho.sum() ** 2 / (r.size * (rho**2).sum()),
        "mean_absolute_difference": np.abs(r).mean(),
        "fraction_outside": np.mean((rho < 0.9) | (rho > 1.1)),
    }
    for name, value in expected.items():
        # The tolerance is for NumPy; the service is tested against 60 digits.
        assert answer[name] == pytest.approx(value, rel=1e-9), name  # type: ignore[literal-required]
    assert answer["perplexity"]["old"] == pytest.approx(
        np.mean([np.exp(-old[s].mean()) for s in of])
    )
    assert [each["tokens"] for each in answer["sequences"]] == LENGTHS
    assert answer["sequences"][3]["k1"] is None
    worst = [token["token"] for token in answer["worst_tokens"]]
    assert worst == np.argsort(-np.abs(r), kind="stable")[:16].tolist()


def test_rows_are_sequences_and_a_mask_leaves_tokens_out(client: Client) -> None:
    old, new = (side[:40].reshape(4, 10) for side in sampled(0.1))
    mask = np.arange(40).reshape(4, 10) % 3 > 0
    new[~mask] = np.nan

    answer = client.compare_logprobs(old, new, mask)

    assert answer["tokens"] == {"total": 40, "counted": 26, "masked": 14}
    assert answer["k1"] == pytest.approx((old - new)[mask].mean())
    assert len(answer["sequences"]) == 4


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_arrays_of_any_library_and_dtype_are_compared(
    client: Client, dtype: str
) -> None:
    old, new = sampled(0.1)
    of_numpy = [side.astype(getattr(ml_dtypes, dtype, dtype)) for side in (old, new)]
    of_torch = [torch.tensor(side, dtype=getattr(torch, dtype)) for side in (old, new)]

    assert client.compare_logprobs(*of_numpy) == client.compare_logprobs(*of_torch)


def test_whole_numbers_of_a_list_are_floats(client: Client) -> None:
    answer = client.compare_logprobs([-1, -2], [-1, -3], segments=2)

    assert answer["k1"] == 0.5
    assert isinstance(answer["k3"], float)


def test_nothing_counted_is_none_and_overflow_is_infinite(client: Client) -> None:
    empty = client.compare_logprobs([-1.0], [-1.0], mask=[0])
    overflow = client.compare_logprobs([-800.0], [0.0])

    assert (empty["k1"], empty["perplexity"]["old"], empty["worst_tokens"]) == (
        None,
        None,
        [],
    )
    assert (overflow["chi2_token"], overflow["k3"]) == (math.inf, math.inf)


def test_a_sampler_that_was_renormalised_is_recognised(client: Client) -> None:
    old = -1 - np.random.default_rng(0).random(100)

    assert client.compare_logprobs(old, old + np.log(0.9)).get("hint") == (
        "renormalised_support"
    )
    assert "hint" not in client.compare_logprobs(old, old)


def test_values_that_are_no_log_probabilities_are_refused(client: Client) -> None:
    with pytest.raises(ProblemError, match=r"new\[1\] is -Infinity"):
        client.compare_logprobs([-1.0, -1.0], [-1.0, -math.inf])
    with pytest.raises(TypeError, match="old has the dtype <U1"):
        client.compare_logprobs(["a"], [-1.0])
