"""Divergence of a student from a teacher, for PyTorch: see `lossmeter.torch`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lossmeter.client import Client
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

    from lossmeter.comparison import Comparison
    from lossmeter.pair import Reference
    from lossmeter.schemas import ComparisonOptions

Direction = Literal["forward", "reverse", "jensen_shannon"]
Tail = Literal["bucket", "drop"]


class KLDivergence(torch.nn.Module):
    """Divergence of Q = softmax(logits / temperature) from a teacher P.

    The classes are on the last axis. The loss has the dtype of the logits, or float32
    under autocast. It can be differentiated once, with respect to the logits. Unlike
    `torch.nn.KLDivLoss` it takes logits on both sides, and its mean is over rows. It is
    not multiplied by the square of the temperature.

    Args:
        direction: `forward` for KL(P‖Q), `reverse` for KL(Q‖P), `jensen_shannon` for
            β·KL(P‖M) + (1−β)·KL(Q‖M) with M = β·P + (1−β)·Q.
        beta: β of `jensen_shannon`, in [0, 1].
        temperature: Both sides are divided by it.
        reduction: `mean` for Σ m·divergence / Σ m over counted rows, `sum` for
            Σ m·divergence, `none` for m·divergence of each row.
        tail: The classes outside of the top K of a teacher: merged into one class with
            the remaining probability (`bucket`), or left out (`drop`).
        ignore_index: The class index whose rows are left out, if there are labels.
        client: Client of the service; by default one made from the environment.

    Attributes:
        comparison: The answer to the last batch, without its arrays.

    Example:
        >>> loss = KLDivergence()(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2))
        >>> round(loss.item(), 4)
        0.1201
    """

    def __init__(
        self,
        direction: Direction = "forward",
        beta: float = 0.5,
        temperature: float = 1.0,
        reduction: Reduction = "mean",
        tail: Tail = "bucket",
        ignore_index: int = IGNORE_INDEX,
        *,
        client: Client | None = None,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, expected more than 0")
        self.direction: Direction = direction
        self.beta = beta
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.tail: Tail = tail
        self.ignore_index = ignore_index
        self.comparison: Comparison | None = None
        self._client = client or Client()

    # The request is not part of a graph.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self,
        logits: Tensor,
        reference: Tensor | None = None,
        *,
        indices: Tensor | None = None,
        logprobs: Tensor | None = None,
        label: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The loss.

        Args:
            logits: Scores of the student, of shape (…, C).
            reference: Scores of the teacher, of the same shape.
            indices: Instead of the reference, the classes of the teacher's top K, of
                shape (…, K); only for the direction `forward`.
            logprobs: Their log-probabilities at this temperature, of the same shape.
            label: Class indices of shape (…,). Rows with `ignore_index` do not count,
                and `comparison` gets perplexities.
            mask: Weights of the rows, of shape (…,); 0 leaves a row out.

        Returns:
            A scalar, or with `reduction="none"` a tensor of shape (…,).

        Raises:
            ValueError: Neither a reference nor a top K is given, or both are.
            TypeError: Not a tensor, or one whose values are not in one block of memory.
            NotImplementedError: A tensor other than the logits requires a gradient.
            ProblemError: The service refused the batch.
            UnreachableError: The service could not be reached.
        """
        others = {
            "reference": reference,
            "indices": indices,
            "logprobs": logprobs,
            "label": label,
            "mask": mask,
        }
        require_tensors(logits=logits, **others)
        teacher = _teacher(reference, indices, logprobs)
        followed = [
            name
            for name, tensor in others.items()
            if tensor is not None and tensor.requires_grad
        ]
        if torch.is_grad_enabled() and followed:
            raise NotImplementedError(
                f"{followed[0]} requires a gradient, which is not supported: detach it"
            )
        is_top = reference is None
        options = self._options(
            is_top=is_top,
            has_label=label is not None,
            gradient=torch.is_grad_enabled() and logits.requires_grad,
            is_16_bit=logits.itemsize == 2,  # noqa: PLR2004 -- bytes
        )
        # The log-probabilities of a top K include the temperature already.
        student = logits
        if is_top and self.temperature != 1:
            student = logits / self.temperature

        def compare(rows: Tensor) -> Comparison:
            return self._client.kl_divergence(
                teacher, rows, label=label, input_mask=mask, **options
            )

        loss: Tensor = _Divergence.apply(
            student, mask, compare, self._keep, result_dtype(logits)
        )
        return loss

    def _options(
        self, is_top: bool, has_label: bool, gradient: bool, is_16_bit: bool
    ) -> ComparisonOptions:
        outputs: list[Literal["kl_divergence", "gradient"]] = []
        if self.reduction == "none":
            outputs.append("kl_divergence")
        if gradient:
            outputs.append("gradient")
        options: ComparisonOptions = {
            "direction": self.direction,
            "semantics": "torch",
            "reduction": self.reduction,
            "outputs": outputs,
            # Rounded to 16 bits after the loss is scaled, as CrossEntropyLoss does.
            "gradient_dtype": "float32" if is_16_bit else None,
        }
        if self.direction == "jensen_shannon":
            options["beta"] = self.beta
        if is_top:
            options["tail"] = self.tail
        elif self.temperature != 1:
            options["logit_scale"] = 1 / self.temperature
        if has_label:
            options["ignore_index"] = self.ignore_index
        return options

    def _keep(self, comparison: Comparison) -> None:
        self.comparison = replace(comparison, outputs={})

    def extra_repr(self) -> str:
        """The arguments of the module."""
        beta = f", beta={self.beta}" if self.direction == "jensen_shannon" else ""
        return (
            f"direction={self.direction!r}{beta}, temperature={self.temperature}, "
            f"reduction={self.reduction!r}, by={self._client}"
        )


def _teacher(
    reference: Tensor | None, indices: Tensor | None, logprobs: Tensor | None
) -> Reference:
    """The reference as the client takes it."""
    if reference is not None and indices is None and logprobs is None:
        return reference
    if reference is None and indices is not None and logprobs is not None:
        return {"indices": indices, "logprobs": logprobs}
    raise ValueError("expected a reference, or both indices and logprobs of a top K")


class _Divergence(torch.autograd.Function):
    """Loss of rows of logits; its gradient is that of the same answer."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 -- PyTorch has no type for it
        logits: Tensor,
        mask: Tensor | None,
        compare: Callable[[Tensor], Comparison],
        keep: Callable[[Comparison], None],
        dtype: torch.dtype,
    ) -> Tensor:
        comparison = compare(logits)
        keep(comparison)
        outputs = comparison.outputs
        if "gradient" in outputs:
            gradient = from_numpy(outputs["gradient"]).to(logits.device)
            ctx.save_for_backward(logits, gradient)
        if comparison.loss is not None:
            loss = torch.tensor(comparison.loss, dtype=torch.float64)
        else:
            loss = from_numpy(outputs["kl_divergence"]).reshape(logits.shape[:-1])
            if mask is not None:
                # The gradient is already 0 in rows with mask 0.
                loss = loss * mask.detach().to("cpu", torch.float64).reshape(loss.shape)
        return loss.to(device=logits.device, dtype=dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        logits, gradient = ctx.saved_tensors
        scaled: Tensor = Gradient.apply(logits, gradient, grad)
        return (scaled, None, None, None, None)
