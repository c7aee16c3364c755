"""Tensors of PyTorch, and the gradient that comes with a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lossmeter.arrays import BFLOAT16, tensor_fault

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE_INDEX = -100

Reduction = Literal["mean", "sum", "none"]


class Gradient(torch.autograd.Function):
    """The gradient of a scaled loss; it has no second derivative."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401, ARG004 -- PyTorch passes it
        logits: Tensor,
        gradient: Tensor,
        grad: Tensor,
    ) -> Tensor:
        """The gradient, multiplied by that of the loss."""
        # A row's loss depends on its own logits alone.
        scale = grad if grad.dim() == 0 else grad.unsqueeze(-1)
        return (gradient * scale.to(gradient.dtype)).to(logits.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:  # noqa: ANN401 -- likewise
        """Refuses a second derivative."""
        raise NotImplementedError("the loss can be differentiated once, not twice")


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor over the memory of an array, bfloat16 too."""
    if array.dtype == BFLOAT16:
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(array)


def require_tensors(**tensors: Tensor | None) -> None:
    """Refuses values that are not tensors in one block of memory.

    Raises:
        TypeError: An argument has such a value; the error names it.
    """
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} is a {type(tensor)}, expected a torch.Tensor")
        fault = tensor_fault(tensor)
        if fault is not None:
            raise TypeError(f"{name} {fault}")


def result_dtype(logits: Tensor) -> torch.dtype:
    """The dtype of a loss: that of the logits, or float32 under autocast."""
    if torch.is_autocast_enabled(logits.device.type):
        return torch.promote_types(logits.dtype, torch.float32)
    return logits.dtype
