"""The signature of `mindformers.core.CrossEntropyLoss`, computed by the service."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lossmeter.arrays import as_named_array
from lossmeter.client import Client

if TYPE_CHECKING:
    from typing import Unpack

    from numpy.typing import ArrayLike, NDArray

    from lossmeter.evaluation import Evaluation
    from lossmeter.schemas import Options, ParallelConfig

EPSILON = 1e-8
"""What mindformers adds to the denominator, so that it is never 0."""


class OpParallelConfig(Protocol):
    """The fields that are read of mindformers' parallel configuration."""

    data_parallel: int
    model_parallel: int


class CrossEntropyLoss:
    """`mindformers.core.CrossEntropyLoss` by the service.

    Called with MindSpore tensors, it returns float32 MindSpore tensors, which can be
    differentiated with respect to the logits in PyNative mode: the backward pass gets
    the gradient from the service. The gradients of label and mask are 0. Called with
    any other arrays, it returns float64 NumPy arrays.

    mindformers gives a label outside of [0, C), also -100, the loss 0, and counts its
    row. Here such a label is refused, and rows of -100 are left out. `ignore_index=[]`
    with `invalid_label="zero_loss"` gives the loss of mindformers. The gradient of such
    a row is 0; in mindformers it is softmax(x). See docs/deviations.md.

    Args:
        parallel_config: How the batch is sharded: `data_parallel` and `model_parallel`,
            as attributes or keys. The default is 1 for both.
        check_for_nan_in_loss_and_grad: True to add the norm of the gradient and the
            local losses to the diagnostics and to the service's log.
        calculate_per_token_loss: True to return the pair, which the caller sums over
            ranks and divides.
        seq_split_num: More than 1 returns the pair too.
        client: Client of the service; by default one made from the environment.
        **options: More of `lossmeter.schemas.Options`; not `outputs`,
            `shift` and `class_axis`.

    Attributes:
        evaluation: Evaluation of the last batch.

    Example:
        >>> loss = CrossEntropyLoss()
        >>> logits = np.array([[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]], np.float32)
        >>> loss(logits, np.array([1]), np.ones(1)).round(4)
        array([67.])
    """

    def __init__(
        self,
        parallel_config: OpParallelConfig | Mapping[str, int] | None = None,
        check_for_nan_in_loss_and_grad: bool = False,
        calculate_per_token_loss: bool = False,
        seq_split_num: int = 1,
        *,
        client: Client | None = None,
        **options: Any,  # noqa: ANN401 -- those of Options that are not above
    ) -> None:
        refused = [n for n in ("outputs", "shift") if options.get(n)]
        if options.get("class_axis") not in {None, -1}:
            refused.append("class_axis")
        if refused:
            raise ValueError(
                f"{', '.join(refused)} cannot be given here: call Client.cross_entropy"
            )
        self.evaluation: Evaluation | None = None
        self._client = client or Client()
        self._pair = calculate_per_token_loss or seq_split_num > 1
        self._options: dict[str, Any] = {
            **options,
            "parallel_config": _sizes(parallel_config),
            "check_for_nan_in_loss_and_grad": check_for_nan_in_loss_and_grad,
            "calculate_per_token_loss": self._pair,
        }

    def __call__(
        self, logits: ArrayLike, label: ArrayLike, input_mask: ArrayLike
    ) -> Any:  # noqa: ANN401 -- arrays of the caller's library
        """The loss.

        Args:
            logits: Scores of shape (N, C), floating point.
            label: Class indices of shape (N,).
            input_mask: Weights of the rows, N of them in any shape; 0 leaves a row out.

        Returns:
            The loss in nats, of shape (1,), or with `reduction="none"` of shape (N,);
            or the pair: the numerator, of shape (), and the denominator + 1e-8, of
            shape (1,).

        Raises:
            TypeError: An argument is not an array that can be sent.
            ProblemError: The service refused the batch.
            UnreachableError: The service could not be reached.
        """

        def evaluate(**more: Unpack[Options]) -> Evaluation:
            labels = as_named_array("label", label)
            mask = as_named_array("input_mask", input_mask)
            if mask.size == labels.size:
                mask = mask.reshape(labels.shape)
            options: Options = {**self._options, **more}  # type: ignore[typeddict-item]
            got = self._client.cross_entropy(logits, labels, mask, **options)
            self.evaluation = replace(got, outputs={})
            return got

        mindspore = sys.modules.get("mindspore")
        if mindspore is not None and isinstance(logits, mindspore.Tensor):
            from lossmeter.mindspore import differentiable  # noqa: PLC0415 -- it is there

            return differentiable(logits, evaluate, self._value)
        return self._value(evaluate())

    # MindSpore requires these of the object that it differentiates, cell or not.
    __name__ = "CrossEntropyLoss"
    __code__ = __call__.__code__

    def _value(
        self, evaluation: Evaluation
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._pair:
            denominator = np.array([evaluation.denominator + EPSILON], np.float64)
            return np.array(evaluation.numerator, np.float64), denominator
        if evaluation.loss is None:
            rows: NDArray[np.float64] = evaluation.outputs["per_token_loss"]
            return rows
        return np.array([evaluation.loss], np.float64)


def _sizes(config: OpParallelConfig | Mapping[str, int] | None) -> ParallelConfig:
    if config is None:
        return {"data_parallel": 1, "model_parallel": 1}
    names = ("data_parallel", "model_parallel")
    if isinstance(config, Mapping):
        data, model = (config.get(name, 1) for name in names)
    else:
        data, model = (getattr(config, name, 1) for name in names)
    return {"data_parallel": data, "model_parallel": model}
