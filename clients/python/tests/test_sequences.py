"""The client sends the lengths of sequences, and the sizes of their texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lossmeter import ProblemError

if TYPE_CHECKING:
    from pathlib import Path

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
