"""`lossmeter.mindformers` with NumPy arrays; MindSpore has its own tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lossmeter import ProblemError
from lossmeter.mindformers import CrossEntropyLoss

if TYPE_CHECKING:
    from lossmeter import Client

LOGITS = np.array(
    [
        [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
        [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
        [0.269876, 0.195891, 0.748780, -0.056748, 0.263205],
    ],
    np.float32,
)
LABEL = np.array([1, 4, 0], np.int32)
MASK = np.ones(3, np.float32)
LOSS = 1.4249968528747559
"""What the test of mindformers expects of them."""


def test_returns_the_loss_that_mindformers_returns(client: Client) -> None:
    loss = CrossEntropyLoss(client=client)(LOGITS, LABEL, MASK)
    assert loss.shape == (1,)
    assert loss == pytest.approx(LOSS, abs=1e-6)


def test_returns_the_example_of_its_documentation(client: Client) -> None:
    logits = np.array([[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]], np.float32)
    loss = CrossEntropyLoss(client=client)(logits, np.array([1]), np.ones(1))
    assert loss == pytest.approx(67, abs=1e-6)


def test_returns_the_pair_that_is_summed_over_ranks(client: Client) -> None:
    criterion = CrossEntropyLoss(calculate_per_token_loss=True, client=client)
    numerator, denominator = criterion(LOGITS, LABEL, MASK)
    assert numerator.shape == ()
    assert denominator.shape == (1,)
    assert denominator == pytest.approx(3)
    assert numerator / denominator == pytest.approx(LOSS, abs=1e-6)


def test_returns_the_pair_of_a_split_sequence_too(client: Client) -> None:
    pair = CrossEntropyLoss(seq_split_num=2, client=client)(LOGITS, LABEL, MASK)
    assert isinstance(pair, tuple)


def test_has_a_denominator_where_nothing_is_counted(client: Client) -> None:
    criterion = CrossEntropyLoss(calculate_per_token_loss=True, client=client)
    numerator, denominator = criterion(LOGITS, LABEL, MASK * 0)
    assert numerator / denominator == 0


def test_leaves_out_masked_rows_and_takes_a_mask_of_any_shape(client: Client) -> None:
    mask = np.array([[1], [0], [1]])
    loss = CrossEntropyLoss(client=client)(LOGITS, LABEL, mask)
    others = CrossEntropyLoss(client=client)(LOGITS[::2], LABEL[::2], MASK[::2])
    assert loss == pytest.approx(others)


@pytest.mark.parametrize(
    "config",
    [
        {"data_parallel": 3, "model_parallel": 5},
        SimpleNamespace(data_parallel=3, model_parallel=5, pipeline_stage=2),
    ],
)
def test_takes_a_parallel_configuration(client: Client, config: object) -> None:
    criterion = CrossEntropyLoss(
        config,  # type: ignore[arg-type]
        check_for_nan_in_loss_and_grad=True,
        client=client,
    )
    assert criterion(LOGITS, LABEL, MASK) == pytest.approx(LOSS, abs=1e-6)
    assert criterion.evaluation is not None
    diagnostics = criterion.evaluation.diagnostics
    assert len(diagnostics["local_losses"]) == 3
    assert diagnostics["gradient"]["finite"]


def test_does_as_mindformers_does_with_invalid_labels_when_told(client: Client) -> None:
    label = np.array([1, -100, 7], np.int32)
    with pytest.raises(ProblemError, match=r"label\[2\] is 7"):
        CrossEntropyLoss(client=client)(LOGITS, label, MASK)
    as_shipped = CrossEntropyLoss(
        client=client, ignore_index=[], invalid_label="zero_loss"
    )
    first = CrossEntropyLoss(client=client)(LOGITS[:1], LABEL[:1], MASK[:1])
    assert as_shipped(LOGITS, label, MASK) == pytest.approx(first / 3)


def test_returns_a_loss_a_row_without_reduction(client: Client) -> None:
    rows = CrossEntropyLoss(client=client, reduction="none")(LOGITS, LABEL, MASK)
    assert rows.shape == (3,)
    assert rows.mean() == pytest.approx(LOSS, abs=1e-6)


def test_refuses_options_that_have_no_place(client: Client) -> None:
    with pytest.raises(ValueError, match="outputs cannot be given here"):
        CrossEntropyLoss(client=client, outputs=["lse"])
    with pytest.raises(ValueError, match="class_axis cannot be given here"):
        CrossEntropyLoss(client=client, class_axis=0)
