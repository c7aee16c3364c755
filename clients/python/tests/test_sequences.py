"""The client sends the lengths of sequences, and the sizes of their texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lossmeter import ProblemError
from lossmeter.aio import AsyncClient

if TYPE_CHECKING:
    from pathlib import Path

    from service import Service

    from lossmeter import Client

LENGTHS = [5, 0, 12, 3]
BYTES = [11.0, 0.0, 40.0, 6.0]


def batch() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Logits and labels of all sequences."""
    random = np.random.default_rng(3)
    rows = sum(LENGTHS)
    return random.standard_normal((rows, 7)) * 3, random.integers(0, 7, rows)


def nll() -> np.ndarray[Any, Any]:
    """The nll of each row."""
    logits, label = batch()
    lse = np.log(np.exp(logits).sum(axis=1))
    return np.asarray(lse - logits[np.arange(label.size), label])


def test_sequences_are_those_of_the_segments(client: Client) -> None:
    logits, label = batch()
    ends = np.cumsum(LENGTHS)

    evaluation = client.cross_entropy(
        logits,
        label,
        segments=LENGTHS,
        bytes=BYTES,
        words=4,
        outputs=["sequences"],
        metrics=["sequence_perplexity", "bits_per_byte", "word_perplexity"],
    )

    assert evaluation.sequences is not None
    assert [each["tokens"] for each in evaluation.sequences] == LENGTHS
    assert evaluation.sequences[1]["mean_nll"] is None
    means = [
        nll()[end - length : end].mean()
        for length, end in zip(LENGTHS, ends, strict=True)
        if length
    ]
    found = [each["mean_nll"] for each in evaluation.sequences if each["tokens"]]
    assert found == pytest.approx(means)
    assert evaluation.metrics["sequence_perplexity"] == pytest.approx(
        np.exp(means).mean()
    )
    total = nll().sum()
    assert evaluation.metrics["bits_per_byte"] == pytest.approx(
        total / (math.log(2) * sum(BYTES))
    )
    assert evaluation.metrics["word_perplexity"] == pytest.approx(math.exp(total / 4))


def compared(**changes: object) -> dict[str, Any]:
    """Arguments with two similar sets of logits; a change of None omits one."""
    logits, label = batch()
    random = np.random.default_rng(4)
    arrays = {
        "reference": logits + 0.1 * random.standard_normal(logits.shape),
        "logits": logits,
        "label": label,
        "input_mask": random.choice([0.0, 0.5, 1.0, 2.25], label.size),
        "segments": LENGTHS,
        "outputs": ["sequences", "kl_divergence"],
    } | changes
    return {name: array for name, array in arrays.items() if array is not None}


def near(value: object) -> object:
    """Allows another last digit, because V8 rounds exp of perplexities differently."""
    match value:
        case dict():
            return {key: near(inner) for key, inner in value.items()}
        case list():
            return [near(inner) for inner in value]
        case float():
            return pytest.approx(value, rel=1e-14, abs=0, nan_ok=True)
    return value


def test_sequences_of_a_comparison_are_those_of_the_segments(client: Client) -> None:
    comparison = client.kl_divergence(**compared(input_mask=None))

    sequences = comparison.sequences
    assert sequences is not None
    assert [each["tokens"] for each in sequences] == LENGTHS
    rows = comparison.outputs["kl_divergence"]
    for each, begin in zip(sequences, np.cumsum([0, *LENGTHS]), strict=False):
        if each["mean"] is not None:
            of_sequence = rows[begin : begin + each["tokens"]]
            assert each["mean"] == pytest.approx(of_sequence.mean())
            assert each["logits"]["perplexity"] == pytest.approx(
                np.exp(nll()[begin : begin + each["tokens"]].mean())
            )
    assert sequences[1] == {
        "tokens": 0,
        "numerator": None,
        "denominator": None,
        "mean": None,
        "logits": {"mean_nll": None, "perplexity": None},
        "reference": {"mean_nll": None, "perplexity": None},
    }


@pytest.mark.parametrize("rows", [1, 4, 13])
@pytest.mark.parametrize("shift", [0, 2, 4])
@pytest.mark.parametrize(
    "changes",
    [{}, {"label": None}, {"input_mask": None}, {"segments": None}],
    ids=str,
)
def test_sequences_over_several_requests_are_those_of_one(
    client: Client, changes: dict[str, None], shift: int, rows: int
) -> None:
    arrays = compared(shift=shift, **changes)
    whole = client.kl_divergence(**arrays)
    split = client.kl_divergence(**arrays, rows_per_request=rows)

    assert whole.sequences
    assert split.sequences == near(whole.sequences)
    assert split.rows == whole.rows
    assert split.kl_divergence == whole.kl_divergence
    assert list(split.outputs) == ["kl_divergence"]
    column = whole.outputs["kl_divergence"]
    np.testing.assert_array_equal(split.outputs["kl_divergence"], column)


def test_sequences_along_an_axis_are_divided_too(client: Client) -> None:
    arrays = compared(segments=None)
    arrays |= {
        name: np.reshape(arrays[name], (4, 5, -1)) for name in ("reference", "logits")
    }
    arrays |= {
        name: np.reshape(arrays[name], (4, 5)) for name in ("label", "input_mask")
    }
    whole = client.kl_divergence(**arrays, shift=1)
    split = client.kl_divergence(**arrays, shift=1, rows_per_request=3)

    assert whole.sequences is not None
    assert len(whole.sequences) == 4
    assert split.sequences == near(whole.sequences)
    assert split.outputs["kl_divergence"].shape == (4, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_of_sequences_may_be_non_finite(client: Client, value: float) -> None:
    arrays = compared(input_mask=None, label=None)
    arrays["logits"][7, 2] = value
    whole = client.kl_divergence(**arrays)
    split = client.kl_divergence(**arrays, rows_per_request=6)

    assert whole.sequences is not None
    mean = whole.sequences[2]["mean"]
    assert isinstance(mean, float)
    assert not math.isfinite(mean)
    assert split.sequences == near(whole.sequences)


@pytest.mark.parametrize(
    ("segments", "says"),
    [
        ([5, 3], "segments sum to 8, expected 20"),
        ([21, -1], r"segments\[1\] is -1"),
        ([20.0], "segments.dtype is float64, expected integers"),
        ([[5, 15]], r"expected \(S,\)"),
    ],
)
@pytest.mark.parametrize("rows", [None, 6])
def test_segments_that_do_not_fit_are_refused(
    client: Client, segments: object, says: str, rows: int | None
) -> None:
    with pytest.raises(ProblemError, match=says):
        client.kl_divergence(**compared(segments=segments), rows_per_request=rows)


@pytest.mark.parametrize("shift", [-1, 1.5])
def test_a_shift_that_is_none_is_refused(client: Client, shift: Any) -> None:  # noqa: ANN401
    with pytest.raises(ProblemError, match=r"options\.shift is"):
        client.kl_divergence(**compared(), shift=shift, rows_per_request=6)


async def test_the_asynchronous_twin_sends_segments(
    service: Service, client: Client
) -> None:
    async with AsyncClient(service.url) as twin:
        split = await twin.kl_divergence(**compared(), rows_per_request=6)
    assert split.sequences == near(client.kl_divergence(**compared()).sequences)


def test_without_the_output_there_are_none(client: Client) -> None:
    assert client.cross_entropy(*batch(), segments=LENGTHS).sequences is None


def test_a_file_may_have_them(client: Client, tmp_path: Path) -> None:
    logits, label = batch()
    path = tmp_path / "batch.npz"
    np.savez(path, logits=logits, label=label, segments=LENGTHS, bytes=BYTES)

    (evaluation,) = client.evaluate_files(path, metrics=["bits_per_byte"], shift=1)

    expected = client.cross_entropy(
        logits,
        label,
        segments=LENGTHS,
        bytes=BYTES,
        metrics=["bits_per_byte"],
        shift=1,
    )
    assert evaluation == expected
    assert evaluation.rows["total"] == 4 + 11 + 2


def test_a_metric_without_its_field_is_refused(client: Client) -> None:
    with pytest.raises(ProblemError, match="needs the field bytes"):
        client.cross_entropy(*batch(), metrics=["bits_per_byte"])
