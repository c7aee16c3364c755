"""The formulas of cross-entropy as Lossmeter defines it, in float64 torch operations that autograd differentiates."""

import math
from dataclasses import dataclass, field
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor


class Options(TypedDict, total=False):
    """Options under their names on the wire; one that is absent has its default."""

    reduction: str
    ignore_index: int | list[int]
    label_smoothing: float
    lse_square_scale: float
    softcap: float
    logit_scale: float
    shift: int
    calculate_per_token_loss: bool
    invalid_label: str
    semantics: str


@dataclass(frozen=True)
class Case:
    name: str
    logits: Tensor  # (…, C), float64, holding values of `dtype`
    label: Tensor  # (…,) class indices, or (…, C) probabilities
    options: Options = field(default_factory=Options)
    mask: Tensor | None = None  # (…,)
    weight: Tensor | None = None  # (C,)
    dtype: str = "float64"
    # Lossmeter is finite where torch is NaN, by intention.
    deviates: bool = False

    @property
    def has_indices(self) -> bool:
        return not self.label.is_floating_point()

    @property
    def ignored(self) -> list[int]:
        ignored = self.options.get("ignore_index", -100)
        return ignored if isinstance(ignored, list) else [ignored]

    @property
    def semantics(self) -> str:
        return self.options.get("semantics", "mindformers")

    @property
    def reduction(self) -> str:
        """`none` also for the pair, which leaves the division to the caller."""
        pair = self.options.get("calculate_per_token_loss", False)
        return "none" if pair else self.options.get("reduction", "mean")

    @property
    def smoothing(self) -> float:
        """ε, or Megatron's ε' = ε·C/(C−1)."""
        epsilon, classes = (
            self.options.get("label_smoothing", 0.0),
            self.logits.shape[-1],
        )
        return (
            epsilon * classes / (classes - 1)
            if self.semantics == "megatron"
            else epsilon
        )


@dataclass(frozen=True)
class Rows:
    """What is scored: logits after scale, softcap and shift, as rows."""

    x: Tensor  # (N, C)
    label: Tensor  # (N,) or (N, C)
    mask: Tensor  # (N,)
    counted: Tensor  # (N,) bool
    shape: torch.Size  # of row outputs


@dataclass(frozen=True)
class Evaluation:
    """The expected values of a case."""

    final: Tensor  # what is differentiated: the loss, or the sum where there is none
    numerator: Tensor
    denominator: Tensor
    z_loss: Tensor
    gradient: Tensor
    # Shaped like the scored rows.
    per_token_loss: Tensor
    lse: Tensor
    entropy: Tensor
    predictions: Tensor  # -1 where the row holds NaN
    target_rank: Tensor | None  # -1 where there is no target to rank


def rows_of(case: Case, given: Tensor) -> Rows:
    x, label, options = given, case.label, case.options
    mask = (
        torch.ones(x.shape[:-1], dtype=torch.float64)
        if case.mask is None
        else case.mask
    )
    if "logit_scale" in options:
        x = options["logit_scale"] * x
    if "softcap" in options:
        x = options["softcap"] * torch.tanh(x / options["softcap"])
    if (k := options.get("shift", 0)) > 0:
        x, mask = x[..., :-k, :], mask[..., k:]
        label = label[..., k:] if case.has_indices else label[..., k:, :]
    shape = mask.shape
    x, mask = x.flatten(0, -2), mask.flatten()
    label = label.flatten() if case.has_indices else label.flatten(0, -2)
    counted = mask != 0
    if case.has_indices:
        counted &= ~torch.isin(label, torch.tensor(case.ignored, dtype=torch.int64))
    return Rows(x, label, mask, counted, shape)


def over(total: Tensor, denominator: Tensor, semantics: str) -> Tensor:
    """The quotient of a mean, by profile."""
    match semantics:
        case "torch":
            # NaN at D = 0 whatever the numerator: torch adds quotients of which one is 0/0.
            return torch.where(denominator == 0, math.nan, total / denominator)
        case "megatron":
            return total / denominator.clamp(min=1)
        case _:
            return total / (denominator + 1e-8)


def row_losses(case: Case, rows: Rows) -> tuple[Tensor, Tensor]:
    """ℓ of the counted rows, and what each adds to D per unit of its mask."""
    lp = F.log_softmax(rows.x[rows.counted], dim=-1)
    label = rows.label[rows.counted]
    classes, epsilon = lp.shape[-1], case.smoothing
    w = torch.ones(classes, dtype=torch.float64) if case.weight is None else case.weight
    if not case.has_indices:
        p = (1 - epsilon) * label + epsilon / classes
        loss = -torch.where(w * p == 0, 0.0, w * p * lp).sum(-1)
        return loss, torch.ones_like(loss)
    valid = (label >= 0) & (label < classes)
    assert valid.all() or case.options.get("invalid_label") == "zero_loss", case.name
    y = torch.where(valid, label, 0)
    loss = (1 - epsilon) * w[y] * -lp.gather(-1, y[:, None])[:, 0]
    # Without smoothing the term would be 0·∞ beside a logit of −∞.
    if epsilon > 0:
        loss = loss + epsilon / classes * -(w * lp).sum(-1)
    return torch.where(valid, loss, 0.0), w[y]


def target_ranks(x: Tensor, rows: Rows) -> Tensor:
    """How many classes come before the target, by value and then by index."""
    classes = torch.arange(x.shape[-1])
    ranked = (
        rows.counted
        & (rows.label >= 0)
        & (rows.label < len(classes))
        & ~x.isnan().any(-1)
    )
    y = torch.where(ranked, rows.label, 0)[:, None]
    target = x.gather(-1, y)
    before = (x > target) | ((x == target) & (classes < y))
    return torch.where(ranked, before.sum(-1), -1)


def evaluate(case: Case) -> Evaluation:
    given = case.logits.clone().requires_grad_()
    rows = rows_of(case, given)
    # Rows are selected, not multiplied by 0, so that NaN in a row left out stays there.
    m = rows.mask[rows.counted]
    loss, unit = row_losses(case, rows)
    lse = torch.logsumexp(rows.x, dim=-1)
    z = case.options.get("lse_square_scale", 0.0) * lse[rows.counted] ** 2
    numerator, denominator, z_loss = (m * loss).sum(), (m * unit).sum(), (m * z).sum()

    final = numerator + z_loss
    if case.reduction == "mean":
        final = over(numerator, denominator, case.semantics)
        if "lse_square_scale" in case.options:
            final = final + over(z_loss, m.sum(), case.semantics)
    (gradient,) = torch.autograd.grad(final, given)

    x = rows.x.detach()
    s, lp = torch.softmax(x, dim=-1), torch.log_softmax(x, dim=-1)

    def shaped(values: Tensor) -> Tensor:
        return values.detach().reshape(rows.shape)

    return Evaluation(
        final=final.detach(),
        numerator=numerator.detach(),
        denominator=denominator,
        z_loss=z_loss.detach(),
        gradient=gradient,
        per_token_loss=shaped(
            torch.zeros_like(rows.mask).masked_scatter(rows.counted, m * (loss + z))
        ),
        lse=shaped(lse),
        entropy=shaped(-torch.where(s == 0, 0.0, s * lp).sum(-1)),
        predictions=shaped(torch.where(x.isnan().any(-1), -1, x.argmax(-1))),
        target_rank=shaped(target_ranks(x, rows)) if case.has_indices else None,
    )
