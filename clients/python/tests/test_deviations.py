"""docs/deviations.md, section by section, against PyTorch or other libraries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lossmeter import Client, ProblemError
from lossmeter.torch import CrossEntropyLoss

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.schemas import Options

    Test = Callable[..., None]

Profile = Literal["mindformers", "megatron"]

DOCUMENT = Path(__file__).parents[3] / "docs" / "deviations.md"

TESTED: set[str] = set()
"""Sections that have a test."""

LOGITS = torch.tensor(
    [[0.5, 1.0, -1.0, 0.25], [2.0, 0.1, 0.3, -2.0], [0.2, 0.3, -2.0, 1.0]],
    dtype=torch.float64,
)
LABEL = torch.tensor([0, 1, 3])


def section(heading: str) -> Callable[[Test], Test]:
    """Registers the section that a test covers."""
    TESTED.add(heading)
    return lambda test: test


def test_every_section_has_a_test() -> None:
    headings = re.findall(r"^## (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert set(headings) == TESTED


def both(
    client: Client, weight: Tensor, label: Tensor = LABEL, **options: object
) -> list[tuple[Tensor, Tensor]]:
    """Loss and gradient, by Lossmeter and by PyTorch."""
    results = []
    criteria: list[Any] = [
        CrossEntropyLoss(weight, client=client, **options),  # type: ignore[arg-type]
        torch.nn.CrossEntropyLoss(weight, **options),  # type: ignore[arg-type]
    ]
    for criterion in criteria:
        logits = LOGITS.clone().requires_grad_()
        loss = criterion(logits, label)
        loss.sum().backward()
        assert logits.grad is not None
        results.append((loss.detach(), logits.grad))
    return results


def same(results: list[tuple[Tensor, Tensor]]) -> None:
    ours, theirs = results
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, equal_nan=True, rtol=1e-12, atol=0)


WEIGHTS = {
    "D < 0": [-1.5, 0.75, 0.25, -0.5],
    "D = 0 and N < 0": [1.0, -1.0, 2.0, 0.0],
    "D = 0 and N > 0": [-1.0, 1.0, 2.0, 0.0],
    "D = 0 by a weight of 0": [0.0, 0.0, 1.0, 0.0],
    "D > 0": [1.0, -0.5, 1.0, 2.0],
}


@section("Negative class weights")
@section("A denominator of 0")
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_either_sign_are_as_in_pytorch(
    client: Client, kind: str, reduction: str, smoothing: float
) -> None:
    weight = torch.tensor(WEIGHTS[kind], dtype=torch.float64)
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
    same(both(client, weight, **options))
    ignored = torch.tensor([0, 1, -100])
    same(both(client, weight, ignored, **options))
    probabilities = torch.softmax(LOGITS.flip(1), 1)
    same(both(client, weight, probabilities, **options))


@section("Negative class weights")
@pytest.mark.parametrize("semantics", ["mindformers", "megatron"])
def test_other_profiles_refuse_negative_weights(
    client: Client, semantics: Profile
) -> None:
    batch = (LOGITS, LABEL, None, [1.0, -1.0, 1.0, 1.0])
    with pytest.raises(ProblemError, match="negative class weights") as refused:
        client.cross_entropy(*batch, semantics=semantics)
    assert refused.value.code == "invalid_weight"
    shards = [
        client.partials(
            LOGITS[:, start : start + 2],
            LABEL,
            weight=batch[3],
            vocab_start=start,
            vocab_size=4,
            semantics="torch",
        )
        for start in (0, 2)
    ]
    whole = client.cross_entropy(*batch, semantics="torch")
    assert client.combine(shards).loss == pytest.approx(whole.loss, rel=1e-12)
    with pytest.raises(ProblemError, match="the class weight -1"):
        client.combine(shards, semantics=semantics)


@section("Negative class weights")
def test_a_run_takes_a_negative_denominator_of_a_batch_alone(client: Client) -> None:
    run = client.run("deviations")
    weight = [-1.0, -1.0, 1.0, -1.0]
    run.record(1, 0, LOGITS, LABEL, weight=weight, semantics="torch")
    assert run.steps()[0]["denominator"] == -3
    with pytest.raises(ProblemError, match="denominator is -3") as refused:
        run.record_pair(2, 0, numerator=1, denominator=-3)
    assert refused.value.code == "invalid_pair"


@section("A denominator of 0")
@pytest.mark.parametrize("semantics", ["mindformers", "megatron"])
def test_other_profiles_have_the_mean_0_where_smoothing_adds_something(
    client: Client, semantics: Profile
) -> None:
    weight = [0.0, 0.0, 1.0, 0.0]
    options: Options = {
        "semantics": semantics,
        "label_smoothing": 0.1,
        "outputs": ["gradient"],
    }
    got = client.cross_entropy(LOGITS, LABEL, None, weight, **options)
    smoothing = 0.1 if semantics == "mindformers" else 0.1 * 4 / 3
    numerator = smoothing / 4 * -torch.log_softmax(LOGITS, 1)[:, 2].sum().item()
    assert got.numerator == pytest.approx(numerator, rel=1e-12)
    assert (got.loss, got.denominator) == (0, 0)
    assert not got.outputs["gradient"].any()
    assert [cause["cause"] for cause in got.diagnostics["causes"]] == [
        "zero_denominator"
    ]
    formula = {"mindformers": numerator / 1e-8, "megatron": numerator / 1}
    assert formula[semantics] > 0


@section("0·(−∞)")
@pytest.mark.parametrize("kind", ["probability", "smoothing", "label"])
def test_a_class_that_does_not_count_may_be_at_minus_infinity(
    client: Client, kind: str
) -> None:
    logits = LOGITS[:1].clone()
    logits[0, 3] = -torch.inf
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    label: Tensor = torch.tensor([0])
    options: dict[str, Any] = {"reduction": "sum"}
    if kind == "probability":
        weight = torch.ones(4, dtype=torch.float64)
        label = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=torch.float64)
    elif kind == "smoothing":
        options["label_smoothing"] = 0.1
    else:
        label = torch.tensor([3])
    assert functional.cross_entropy(logits, label, weight, **options).isnan()

    followed = logits.clone().requires_grad_()
    loss = CrossEntropyLoss(weight, client=client, **options)(followed, label)
    loss.backward()
    # The loss of the remaining classes, with the share that smoothing gives the other.
    kept = logits[:, :3].clone().requires_grad_()
    lp = torch.log_softmax(kept, 1)
    shares = {
        "probability": [0.5, 0.25, 0.25],
        "smoothing": [0.9 + 0.1 / 4, 0.1 / 4, 0.1 / 4],
        "label": [0.0, 0.0, 0.0],
    }[kind]
    expected = -(lp * torch.tensor(shares, dtype=torch.float64)).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss.detach(), expected.detach())
    assert followed.grad is not None
    assert kept.grad is not None
    torch.testing.assert_close(followed.grad[:, :3], kept.grad)
    assert followed.grad[0, 3] == 0


@section("0·(−∞)")
def test_a_class_that_counts_at_minus_infinity_is_infinite_in_both(
    client: Client,
) -> None:
    logits = LOGITS[:1].clone()
    logits[0, 3] = -torch.inf
    label = torch.tensor([[0.5, 0.25, 0.0, 0.25]], dtype=torch.float64)
    ours = CrossEntropyLoss(client=client)(logits, label)
    assert ours.item() == functional.cross_entropy(logits, label).item() == torch.inf


@section("No prediction with a NaN")
def test_a_nan_at_the_label_is_no_hit(client: Client) -> None:
    logits = LOGITS.clone()
    logits[0, 0] = torch.nan
    assert (logits.argmax(1) == LABEL).tolist() == [True, False, True]

    found = client.cross_entropy(
        logits, LABEL, outputs=["predictions", "target_rank"], metrics=["accuracy"]
    )

    assert found.outputs["predictions"].tolist() == [-1, 0, 3]
    assert found.outputs["target_rank"].tolist() == [-1, 2, 0]
    assert found.metrics["accuracy"] == pytest.approx(1 / 3)
    assert found.diagnostics["rows_without_prediction"] == 1


@section("The class axis")
def test_the_classes_are_the_last_axis_unless_it_is_said(client: Client) -> None:
    logits = torch.stack([LOGITS, LOGITS.flip(1)], 2)
    label = torch.stack([LABEL, 3 - LABEL], 1)
    expected = functional.cross_entropy(logits, label).item()

    found = client.cross_entropy(logits, label, class_axis=1, semantics="torch")
    assert found.loss == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ProblemError, match="class_axis 1 it would fit"):
        client.cross_entropy(logits, label)

    with pytest.raises(RuntimeError):
        functional.cross_entropy(LOGITS, LABEL[:, None])
    found = client.cross_entropy(LOGITS, LABEL[:, None], semantics="torch")
    assert found.loss == pytest.approx(
        functional.cross_entropy(LOGITS, LABEL).item(), abs=1e-12
    )


@section("The gradient of an invalid label")
def test_a_row_of_loss_0_has_the_gradient_0(client: Client) -> None:
    got = client.cross_entropy(
        LOGITS,
        [0, 1, 7],
        ignore_index=[],
        invalid_label="zero_loss",
        outputs=["gradient"],
    )
    one_hot = functional.one_hot(torch.tensor([0, 1, 0]), 4).double()
    one_hot[2] = 0
    logits = LOGITS.clone().requires_grad_()
    loss = -(one_hot * torch.log_softmax(logits, 1)).sum() / (3 + 1e-8)
    loss.backward()  # type: ignore[no-untyped-call]
    assert got.loss == pytest.approx(loss.item(), rel=1e-12)
    assert logits.grad is not None
    np.testing.assert_allclose(
        got.outputs["gradient"], logits.grad.numpy(), rtol=1e-12, atol=1e-16
    )
    # mindformers' _NLLLoss and _LogSoftmax, whose backward passes are written by hand.
    of_mindformers = (torch.softmax(LOGITS, 1) - one_hot) / (3 + 1e-8)
    np.testing.assert_allclose(
        got.outputs["gradient"][:2], of_mindformers[:2].numpy(), rtol=1e-12
    )
    assert of_mindformers[2].sum() > 0.3
    assert not got.outputs["gradient"][2].any()


def megatron_loss(
    columns: Tensor, label: Tensor, lse: Tensor, smoothing: float
) -> Tensor:
    """Loss of a rank of Megatron, given its own columns and lse of all of them.

    After megatron/core/tensor_parallel/cross_entropy.py: the log-probabilities, and
    their number, are those of the rank.
    """
    nll = lse - LOGITS.gather(1, label.unsqueeze(1)).squeeze(1)
    assert 1.0 > smoothing > 0.0
    classes = columns.size(-1)
    share = smoothing * classes / (classes - 1)
    log_probs = columns - lse.unsqueeze(1)
    return (1.0 - share) * nll - share * log_probs.mean(dim=-1)


@section("Smoothing over shards")
def test_smoothing_is_that_of_one_rank_with_all_columns(client: Client) -> None:
    lse = LOGITS.logsumexp(1)
    options: Options = {"semantics": "megatron", "label_smoothing": 0.1}
    shards = [
        client.partials(
            LOGITS[:, start : start + 2],
            LABEL,
            vocab_start=start,
            vocab_size=4,
            **options,
        )
        for start in (0, 2)
    ]
    expected = megatron_loss(LOGITS, LABEL, lse, 0.1).mean().item()
    parallel: Options = {**options, "parallel_config": {"model_parallel": 2}}
    for got in (
        client.cross_entropy(LOGITS, LABEL, **options),
        client.cross_entropy(LOGITS, LABEL, **parallel),
        client.combine(shards),
    ):
        assert got.loss == pytest.approx(expected, rel=1e-12)
    of_ranks = [
        megatron_loss(LOGITS[:, start : start + 2], LABEL, lse, 0.1).mean().item()
        for start in (0, 2)
    ]
    assert len({round(loss, 3) for loss in (expected, *of_ranks)}) == 3


@section("Smoothing over shards")
def test_megatron_does_not_smooth_by_1(client: Client) -> None:
    with pytest.raises(AssertionError):
        megatron_loss(LOGITS, LABEL, LOGITS.logsumexp(1), 1.0)
    with pytest.raises(
        ProblemError, match=r"label_smoothing is 1, expected .*\[0, 1\)"
    ):
        client.cross_entropy(LOGITS, LABEL, semantics="megatron", label_smoothing=1)


@section("No second derivative")
def test_has_no_second_derivative(client: Client) -> None:
    logits = LOGITS.clone().requires_grad_()
    for criterion in (CrossEntropyLoss(client=client), torch.nn.CrossEntropyLoss()):
        loss = criterion(logits, LABEL)
        (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
        if isinstance(criterion, torch.nn.CrossEntropyLoss):
            gradient.square().sum().backward()  # type: ignore[no-untyped-call]
            continue
        with pytest.raises(NotImplementedError, match="once, not twice"):
            gradient.square().sum().backward()  # type: ignore[no-untyped-call]


@section("No torch.func and no forward mode")
def test_has_no_functional_transforms(client: Client) -> None:
    ours = CrossEntropyLoss(client=client)
    assert torch.func.grad(functional.cross_entropy)(LOGITS, LABEL).isfinite().all()
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(ours)(LOGITS, LABEL)


@section("No gradient by target and weight")
@pytest.mark.parametrize("name", ["target", "weight"])
def test_has_no_gradient_by_target_and_weight(client: Client, name: str) -> None:
    target = torch.softmax(LOGITS, 1).detach().requires_grad_(name == "target")
    weight = torch.ones(4, dtype=torch.float64).requires_grad_(name == "weight")
    assert functional.cross_entropy(LOGITS, target, weight).requires_grad
    ours = CrossEntropyLoss(weight, client=client)
    with pytest.raises(NotImplementedError, match="target or weight"):
        ours(LOGITS, target)
    with torch.no_grad():
        assert ours(LOGITS, target).isfinite()


@section("More dtypes of labels")
def test_takes_labels_that_pytorch_does_not(client: Client) -> None:
    expected = functional.cross_entropy(LOGITS, LABEL)
    ours = CrossEntropyLoss(client=client)
    for dtype in (torch.int8, torch.int16, torch.int32, torch.uint16, torch.uint64):
        with pytest.raises(RuntimeError):
            functional.cross_entropy(LOGITS, LABEL.to(dtype))
        torch.testing.assert_close(ours(LOGITS, LABEL.to(dtype)), expected)
