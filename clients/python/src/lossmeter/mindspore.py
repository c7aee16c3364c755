"""The service's gradient as MindSpore's, in PyNative mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mindspore
from mindspore import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.evaluation import Evaluation


def differentiable(
    logits: Tensor,
    evaluate: Callable[..., Evaluation],
    value: Callable[[Evaluation], Any],
) -> Any:  # noqa: ANN401 -- a tensor, or a pair of them
    """The result of an evaluation, as float32 tensors with a gradient.

    Args:
        logits: The tensor to differentiate by.
        evaluate: Evaluates the batch, with more options.
        value: An array, or a pair of which only the first depends on the logits.
    """
    return _Loss(evaluate, value)(logits)


class _Loss(nn.Cell):  # type: ignore[misc]
    """One batch. It is evaluated before it is known whether a gradient is needed."""

    def __init__(
        self, evaluate: Callable[..., Evaluation], value: Callable[[Evaluation], Any]
    ) -> None:
        super().__init__()
        self._evaluate = evaluate
        self._value = value

    def construct(self, logits: Tensor) -> Any:  # noqa: ANN401, ARG002 -- is of the batch
        arrays = self._value(self._evaluate())
        if isinstance(arrays, tuple):
            return tuple(Tensor(array, mindspore.float32) for array in arrays)
        return Tensor(arrays, mindspore.float32)

    def bprop(
        self,
        logits: Tensor,
        out: Any,  # noqa: ANN401, ARG002 -- MindSpore passes it
        dout: Any,  # noqa: ANN401
    ) -> tuple[Tensor]:
        # The gradient is rounded to 16 bits after it is scaled.
        evaluation = self._evaluate(outputs=["gradient"], gradient_dtype="float32")
        gradient = Tensor(evaluation.outputs["gradient"], mindspore.float32)
        scale = dout[0] if isinstance(dout, tuple) else dout
        # Shape () or (1,), or one per row: a row's loss depends only on its logits.
        by_row = scale.reshape((*scale.shape, *(1,) * (logits.ndim - scale.ndim)))
        return ((gradient * by_row).astype(logits.dtype),)
