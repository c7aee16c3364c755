"""Other implementations of what formulas.py computes.

Both start from the same rows (scale, softcap, shift and selection), and where torch has
to do Megatron's smoothing with weights or probabilities, from the same ε'.
"""

from collections import Counter

import torch
import torch.nn.functional as F
from formulas import Case, Evaluation, Rows, rows_of
from torch import Tensor

# Relative to the larger of 1 and the value.
TOLERANCE = 1e-13


class Agreement:
    """Compares evaluations with the peer that applies, and keeps the account."""

    def __init__(self) -> None:
        self.largest_difference = 0.0
        self.cases_by_peer: Counter[str] = Counter()

    def check(self, case: Case, ours: Evaluation) -> None:
        given = case.logits.clone().requires_grad_()
        rows = rows_of(case, given)
        peer, final, per_token = answer_of_peer(case, rows)
        (gradient,) = torch.autograd.grad(final, given)
        pairs = (
            (ours.final, final),
            (ours.per_token_loss, per_token.reshape(rows.shape)),
            (ours.gradient, gradient),
        )
        for mine, theirs in pairs:
            same = (mine == theirs) | (mine.isnan() & theirs.isnan())
            if case.deviates:
                same |= theirs.isnan()
            difference = torch.where(
                same, 0.0, (mine - theirs).abs() / theirs.abs().clamp(min=1)
            )
            assert (difference <= TOLERANCE).all(), (
                f"{case.name}: {mine}, but {theirs} by {peer}"
            )
            self.largest_difference = max(
                [self.largest_difference, *difference.flatten().tolist()]
            )
        if case.deviates:
            assert any(
                (theirs.isnan() & ~mine.isnan()).any() for mine, theirs in pairs
            ), case.name
        self.cases_by_peer[peer] += 1


def answer_of_peer(case: Case, rows: Rows) -> tuple[str, Tensor, Tensor]:
    """The name of the peer, its final loss and its row losses."""
    if case.options.get("invalid_label") == "zero_loss":
        return "mindformers' class", *mindformers_class(case, rows)

    m, x, label = (tensor[rows.counted] for tensor in (rows.mask, rows.x, rows.label))
    peer = "torch by row"
    if case.semantics == "megatron" and case.has_indices and case.weight is None:
        peer = "Megatron by row"
        loss = megatron_rows(x, label, case.options.get("label_smoothing", 0.0))
    else:
        loss = torch_cross_entropy(case, x, label, reduction="none")
    z = case.options.get("lse_square_scale", 0.0) * torch.logsumexp(x, dim=-1) ** 2
    per_token = torch.zeros_like(rows.mask).masked_scatter(rows.counted, m * (loss + z))
    if case.reduction != "mean":
        return peer, (m * (loss + z)).sum(), per_token

    if case.semantics == "torch" and bool(((m == 0) | (m == 1)).all()):
        peer, mean = "torch whole", torch_mean(case, rows)
    else:
        d = m.sum()
        if case.has_indices and case.weight is not None:
            d = m @ case.weight[label]
        mean = (m * loss).sum() / divisor(d, case.semantics)
    if "lse_square_scale" in case.options:
        mean = mean + (m * z).sum() / divisor(m.sum(), case.semantics)
    return peer, mean, per_token


def divisor(denominator: Tensor, semantics: str) -> Tensor:
    """What the mean divides by."""
    if semantics == "megatron":
        return torch.maximum(denominator, torch.ones_like(denominator))
    return denominator + {"torch": 0.0, "mindformers": 1e-8}[semantics]


def torch_mean(case: Case, rows: Rows) -> Tensor:
    """torch has no mask, so masked rows are removed; one ignore_index it knows itself."""
    if case.has_indices and len(case.ignored) == 1:
        x, label = rows.x[rows.mask != 0], rows.label[rows.mask != 0]
        return torch_cross_entropy(case, x, label, ignore_index=case.ignored[0])
    return torch_cross_entropy(case, rows.x[rows.counted], rows.label[rows.counted])


def torch_cross_entropy(
    case: Case,
    x: Tensor,
    label: Tensor,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    return F.cross_entropy(
        x,
        label,
        case.weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=case.smoothing,
    )


def megatron_rows(x: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
    """As in megatron/core/tensor_parallel/cross_entropy.py."""
    lp = F.log_softmax(x, dim=-1)
    loss = F.nll_loss(lp, label, reduction="none")
    if label_smoothing == 0:
        return loss
    vocab_size = x.shape[-1]
    smoothing = label_smoothing * vocab_size / (vocab_size - 1)
    return (1.0 - smoothing) * loss - smoothing * lp.mean(dim=-1)


def mindformers_class(case: Case, rows: Rows) -> tuple[Tensor, Tensor]:
    """One-hot × log-softmax × mask ÷ (Σ mask + 1e-8): an invalid label's one-hot row is all 0."""
    one_hot = (rows.label[:, None] == torch.arange(rows.x.shape[-1])).double()
    mask = rows.mask * rows.counted
    per_token = -(one_hot * F.log_softmax(rows.x, dim=-1)).sum(-1) * mask
    total = per_token.sum()
    return total / (mask.sum() + 1e-8) if case.reduction == "mean" else total, per_token
