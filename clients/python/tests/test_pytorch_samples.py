"""PyTorch's own samples of cross_entropy, run through `lossmeter.torch`.

PyTorch tests its operator and its module with them: every shape, reduction, weight (of
either sign), ignored index, smoothing and kind of target that it accepts, and invalid
arguments.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lossmeter import Client, ProblemError
from lossmeter.torch import CrossEntropyLoss

with warnings.catch_warnings():
    # PyTorch warns that hypothesis, which only its tests use, is not installed.
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 15

# PyTorch in double precision is the reference, as in test_torch.py.
TOLERANCES = {
    torch.float64: 1e-12,
    torch.float32: 2e-6,
    torch.bfloat16: 2**-7,
    torch.float16: 2**-9,
}

OPERATOR: Any
MODULE: Any
(OPERATOR,) = (op for op in op_db if op.name == "nn.functional.cross_entropy")
(MODULE,) = (info for info in module_db if info.module_cls is torch.nn.CrossEntropyLoss)


reference: Any = functional.cross_entropy
"""Without its types, which samples do not have."""


class Sample(NamedTuple):
    """A call of cross_entropy, with the arguments that the module takes."""

    logits: Tensor
    target: Tensor
    arguments: dict[str, Any]


def operator_samples(dtype: torch.dtype) -> Iterator[Sample]:
    for samples in (OPERATOR.sample_inputs, OPERATOR.reference_inputs):
        for sample in samples("cpu", dtype, requires_grad=True):
            (target,) = sample.args
            yield Sample(sample.input, target, sample.kwargs)


def module_samples(dtype: torch.dtype) -> Iterator[Sample]:
    for training in (False, True):
        for sample in MODULE.module_inputs_func(
            MODULE, device="cpu", dtype=dtype, requires_grad=True, training=training
        ):
            logits, target = sample.forward_input.args
            yield Sample(logits, target, sample.constructor_input.kwargs)


def loss_and_gradient(loss: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and gradient; the rows of a loss per row have different weights."""
    weights = torch.linspace(0.5, 1.5, max(loss.numel(), 1)).reshape(loss.shape)
    (gradient,) = torch.autograd.grad((loss.double() * weights).sum(), logits)
    return loss.detach(), gradient


def check(sample: Sample, client: Client) -> None:
    logits = sample.logits.detach().requires_grad_()
    # The service has no gradient by the target, which some samples request.
    target = sample.target.detach()
    module = CrossEntropyLoss(client=client, **sample.arguments)
    ours = loss_and_gradient(module(logits, target), logits)

    wide = logits.detach().double().requires_grad_()
    arguments = {
        name: value.double() if isinstance(value, Tensor) else value
        for name, value in sample.arguments.items()
    }
    wide_target = target.double() if target.is_floating_point() else target
    expected = loss_and_gradient(reference(wide, wide_target, **arguments), wide)

    assert ours[0].dtype == ours[1].dtype == logits.dtype
    tolerance = TOLERANCES[logits.dtype]
    for got, wanted in zip(ours, expected, strict=True):
        size = max(1.0, float(wanted.abs().nan_to_num().max()))
        torch.testing.assert_close(
            got.double(), wanted, rtol=tolerance, atol=tolerance * size, equal_nan=True
        )


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_agrees_on_the_samples_of_the_operator(
    client: Client, dtype: torch.dtype
) -> None:
    torch.manual_seed(SEED)
    assert set(OPERATOR.dtypes) == set(TOLERANCES)
    samples = list(operator_samples(dtype))
    assert len(samples) >= 40
    assert any(
        (sample.arguments["weight"] < 0).any()
        for sample in samples
        if "weight" in sample.arguments
    )
    for sample in samples:
        check(sample, client)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_agrees_on_the_samples_of_the_module(
    client: Client, dtype: torch.dtype
) -> None:
    torch.manual_seed(SEED)
    samples = list(module_samples(dtype))
    assert len(samples) >= 200
    for sample in samples:
        check(sample, client)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_refuses_what_pytorch_refuses(client: Client, dtype: torch.dtype) -> None:
    errors = list(
        MODULE.module_error_inputs_func(
            MODULE, device="cpu", dtype=dtype, requires_grad=True, training=True
        )
    )
    if OPERATOR.error_inputs_func is not None:
        errors += OPERATOR.error_inputs("cpu")
    assert len(errors) >= 7
    for error in errors:
        sample = error.module_error_input
        arguments = sample.constructor_input.kwargs
        logits, target = (tensor.detach() for tensor in sample.forward_input.args)
        with pytest.raises(error.error_type):
            torch.nn.CrossEntropyLoss(**arguments)(logits, target)
        with pytest.raises((ProblemError, TypeError, ValueError)):
            CrossEntropyLoss(client=client, **arguments)(logits, target)
