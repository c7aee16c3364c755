"""Losses for PyTorch, computed by the service.

`CrossEntropyLoss` replaces `torch.nn.CrossEntropyLoss`, and `KLDivergence` trains a
student on the outputs of a teacher. Their backward pass uses the gradient that the
service returns, so `loss.backward()` trains.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lossmeter.client import Client
from lossmeter.torch_divergence import KLDivergence
from lossmeter.torch_tensors import (
    IGNORE_INDEX,
    Gradient,
    Reduction,
    from_numpy,
    require_tensors,
    result_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.evaluation import Evaluation
    from lossmeter.runs import Run
    from lossmeter.schemas import Options

__all__ = ["CrossEntropyLoss", "KLDivergence", "Reduction", "from_numpy"]


class CrossEntropyLoss(torch.nn.Module):
    """`torch.nn.CrossEntropyLoss` by the service, with the same arguments.

    The loss has the dtype of the input, or float32 under autocast, as PyTorch's has.

    Deviations from PyTorch, which docs/deviations.md explains: the loss can be
    differentiated once, with respect to the input, and not by `torch.func` or in
    forward mode; a class of probability or weight 0 whose logit is −∞ adds nothing,
    where PyTorch has NaN. Class weights may be negative, as in PyTorch.

    Args:
        weight: Weights of the classes, of shape (C,).
        ignore_index: The class index whose rows are left out.
        reduction: `mean`, `sum` or `none`.
        label_smoothing: In [0, 1].
        client: Client of the service; by default one made from the environment.
        run: The run to record each batch into, if any; its client is used. For batches
            that are not recorded, such as validation, make a second module without it.
        rank: The data-parallel rank that records.

    Attributes:
        evaluation: Evaluation of the last batch, without its arrays.

    Example:
        >>> loss = CrossEntropyLoss()(torch.zeros(2, 4), torch.tensor([0, 3]))
        >>> round(loss.item(), 4)
        1.3863
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = IGNORE_INDEX,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
        *,
        client: Client | None = None,
        run: Run | None = None,
        rank: int = 0,
    ) -> None:
        super().__init__()
        if client is not None and run is not None:
            raise ValueError(
                "client and run are given, expected one: a run has its own"
            )
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction: Reduction = reduction
        self.label_smoothing = label_smoothing
        self.evaluation: Evaluation | None = None
        self._client = client or (Client() if run is None else run.client)
        self._run = run
        self._rank = rank

    # The request is not part of a graph.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self,
        input: Tensor,  # noqa: A002 -- PyTorch's name
        target: Tensor,
        *,
        step: int | None = None,
        micro_batch: int = 0,
    ) -> Tensor:
        """The loss.

        Args:
            input: Logits of shape (C,), (N, C) or (N, C, d1, …).
            target: Class indices of shape (), (N,) or (N, d1, …); or class
                probabilities shaped like the input.
            step: The step to record, where there is a run.
            micro_batch: The micro-batch to record, where there is a run.

        Returns:
            A scalar, or with `reduction="none"` a tensor shaped like class indices.

        Raises:
            ValueError: `step` without a run, a run without `step`, or incompatible
                shapes.
            TypeError: Not a tensor, or one whose values are not in one block of memory,
                such as a sparse, nested, quantised or meta tensor.
            NotImplementedError: The target or the weight requires a gradient.
            ProblemError: The service refused the batch.
            UnreachableError: The service could not be reached.
        """
        if self._run is None and (step is not None or micro_batch != 0):
            given = f"step={step}, micro_batch={micro_batch}"
            raise ValueError(f"{given}, but there is no run to record it into")
        if step is None and self._run is not None:
            raise ValueError(f"step is None, expected one to record into {self._run}")
        require_tensors(input=input, target=target, weight=self.weight)
        _require_shapes(input, target)
        others = [target] if self.weight is None else [target, self.weight]
        if torch.is_grad_enabled() and any(other.requires_grad for other in others):
            raise NotImplementedError(
                "a gradient with respect to target or weight is not implemented"
            )

        def evaluate(logits: Tensor, label: Tensor, options: Options) -> Evaluation:
            batch = (logits, label, None, self.weight)
            if self._run is None or step is None:
                return self._client.cross_entropy(*batch, **options)
            return self._run.record(
                step, self._rank, *batch, micro_batch=micro_batch, **options
            )

        rows, labels = _rows_last(input, target)
        options = self._options(
            probabilities=target.is_floating_point(),
            gradient=torch.is_grad_enabled() and input.requires_grad,
            is_16_bit=input.itemsize == 2,  # noqa: PLR2004 -- bytes
        )
        loss: Tensor = _CrossEntropy.apply(
            rows, labels, options, evaluate, self._keep, result_dtype(input)
        )
        return loss.reshape(()) if input.dim() == 1 else loss

    def _options(self, probabilities: bool, gradient: bool, is_16_bit: bool) -> Options:
        options: Options = {
            "semantics": "torch",
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
            "outputs": ["gradient"] if gradient else [],
            # A loss is often scaled so that small 16-bit gradients do not vanish: they
            # are rounded after the scaling.
            "gradient_dtype": "float32" if is_16_bit else None,
        }
        # With probabilities, PyTorch accepts any negative ignore_index, without effect.
        if not probabilities or self.ignore_index >= 0:
            options["ignore_index"] = self.ignore_index
        return options

    def _keep(self, evaluation: Evaluation) -> None:
        self.evaluation = replace(evaluation, outputs={})

    def extra_repr(self) -> str:
        """The arguments of the module."""
        return (
            f"ignore_index={self.ignore_index}, reduction={self.reduction!r}, "
            f"label_smoothing={self.label_smoothing}, by={self._run or self._client}"
        )


class _CrossEntropy(torch.autograd.Function):
    """Loss of rows of logits; its gradient is that of the same answer."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 -- PyTorch has no type for it
        logits: Tensor,
        label: Tensor,
        options: Options,
        evaluate: Callable[[Tensor, Tensor, Options], Evaluation],
        keep: Callable[[Evaluation], None],
        dtype: torch.dtype,
    ) -> Tensor:
        evaluation = evaluate(logits, label, options)
        keep(evaluation)
        outputs = evaluation.outputs
        if "gradient" in outputs:
            gradient = from_numpy(outputs["gradient"]).to(logits.device)
            ctx.save_for_backward(logits, gradient)
        if evaluation.loss is None:
            loss = from_numpy(outputs["per_token_loss"])
        else:
            loss = torch.tensor(evaluation.loss, dtype=torch.float64)
        return loss.to(device=logits.device, dtype=dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        logits, gradient = ctx.saved_tensors
        scaled: Tensor = Gradient.apply(logits, gradient, grad)
        return (scaled, None, None, None, None, None)


def _require_shapes(logits: Tensor, target: Tensor) -> None:
    """Checks shapes in PyTorch's order of axes: the service has the classes last."""
    shape, given = tuple(logits.shape), tuple(target.shape)
    if not shape:
        raise ValueError("input has shape (), expected (C,), (N, C) or (N, C, d1, …)")
    indices = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if target.is_floating_point() or given == shape:
        fits = target.is_floating_point() and given == shape
    else:
        # Without a batch PyTorch takes an index of one axis too.
        fits = given == indices or (len(shape) == 1 and given == (1,))
    if not fits:
        raise ValueError(
            f"target is {target.dtype} of shape {given}, but input of shape {shape} "
            f"expects class indices, integers of shape {indices}, or class "
            f"probabilities, floating point of shape {shape}"
        )


def _rows_last(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and probabilities, with their classes on the last of two axes or more."""
    probabilities = target.is_floating_point()
    if logits.dim() == 1:
        rows = target.unsqueeze(0) if probabilities else target.reshape(1)
        return logits.unsqueeze(0), rows
    return logits.movedim(1, -1), target.movedim(1, -1) if probabilities else target
