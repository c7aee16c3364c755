"""`lossmeter.torch.KLDivergence` against float64 autograd of PyTorch."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from torch import Tensor

from lossmeter import Client, ProblemError
from lossmeter.torch import KLDivergence

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.torch_divergence import Direction, Tail
    from lossmeter.torch_tensors import Reduction

ROWS, CLASSES, K = 23, 41, 6

# Largest errors of values and of gradients, against values of about 1 and gradients of
# at most 1 / D. PyTorch's own float64 rounds at 1e-15.
TOLERANCES = {torch.float64: 1e-13, torch.float32: 1e-6}


class Batch(NamedTuple):
    """A student, its teacher, and weighted rows; some rows do not count."""

    logits: Tensor
    reference: Tensor
    label: Tensor
    mask: Tensor


def draw(seed: int, dtype: torch.dtype, shape: tuple[int, ...] = (ROWS,)) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    reference = 2 * torch.randn(*shape, CLASSES, generator=generator)
    noise = torch.randn(*shape, CLASSES, generator=generator)
    label = torch.randint(CLASSES, shape, generator=generator)
    label[..., 2] = -100
    weights = torch.tensor([0, 0.25, 1, 3])
    chosen = torch.randint(4, shape, generator=generator)
    logits, reference = (reference + noise).to(dtype), reference.to(dtype)
    return Batch(logits, reference, label, weights[chosen].to(dtype))


def kl(p: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    return (p * (log_p - log_q)).sum(-1)


def divergence(
    logits: Tensor, reference: Tensor, direction: str, beta: float, temperature: float
) -> Tensor:
    """The divergence of each row, by its definition."""
    lq, lp = (torch.log_softmax(x / temperature, -1) for x in (logits, reference))
    p, q = lp.exp(), lq.exp()
    if direction == "jensen_shannon" and 0 < beta < 1:
        lm = (beta * p + (1 - beta) * q).log()
        return beta * kl(p, lp, lm) + (1 - beta) * kl(q, lq, lm)
    is_reverse = direction == "reverse" or (direction, beta) == ("jensen_shannon", 1)
    return kl(q, lq, lp) if is_reverse else kl(p, lp, lq)


def divergence_of_top(
    logits: Tensor, indices: Tensor, logprobs: Tensor, tail: str
) -> Tensor:
    """The divergence of each row from a top K."""
    lq, p = torch.log_softmax(logits, -1).gather(-1, indices), logprobs.exp()
    dropped = kl(p, logprobs, lq)
    if tail == "drop":
        return dropped
    rest, q_rest = 1 - p.sum(-1), 1 - lq.exp().sum(-1)
    return dropped + rest * (rest / q_rest).log()


def reduced(rows: Tensor, mask: Tensor, label: Tensor, reduction: str) -> Tensor:
    m = mask * (label != -100)
    weighted = m * rows
    if reduction == "none":
        return weighted
    total = weighted.sum()
    return total / m.sum() if reduction == "mean" else total


def loss_and_gradient(
    logits: Tensor, loss_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Loss and gradient; the rows of a loss per row have different weights."""
    followed = logits.detach().clone().requires_grad_()
    loss = loss_of(followed)
    weights = torch.linspace(0.5, 1.5, max(loss.numel(), 1)).reshape(loss.shape)
    (loss.double() * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert followed.grad is not None
    return loss.detach(), followed.grad


def assert_close(
    got: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float
) -> None:
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one.double(), other, rtol=tolerance, atol=tolerance)


DIRECTIONS: list[tuple[Direction, float]] = [
    ("forward", 0.5),
    ("reverse", 0.5),
    *(("jensen_shannon", beta) for beta in (0.0, 0.1, 0.5, 0.9, 1.0)),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("temperature", [1.0, 2.5, 0.7])
@pytest.mark.parametrize(("direction", "beta"), DIRECTIONS)
def test_agrees_with_autograd(
    client: Client,
    direction: Direction,
    beta: float,
    temperature: float,
    dtype: torch.dtype,
    reduction: Reduction,
) -> None:
    logits, reference, label, mask = draw(len(reduction), dtype)
    module = KLDivergence(direction, beta, temperature, reduction, client=client)
    got = loss_and_gradient(
        logits, lambda x: module(x, reference, label=label, mask=mask)
    )
    expected = loss_and_gradient(
        logits.double(),
        lambda x: reduced(
            divergence(x, reference.double(), direction, beta, temperature),
            mask.double(),
            label,
            reduction,
        ),
    )
    assert got[0].dtype == got[1].dtype == dtype
    # A sum over rows has an error of rows.
    size = max(1.0, float(expected[0].abs().max()))
    assert_close(got, expected, size * TOLERANCES[dtype])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("tail", ["bucket", "drop"])
def test_agrees_with_autograd_for_a_top_k(
    client: Client,
    tail: Tail,
    temperature: float,
    dtype: torch.dtype,
    reduction: Reduction,
) -> None:
    logits, reference, label, mask = draw(len(reduction), dtype)
    top = torch.log_softmax(reference / temperature, -1).topk(K)
    module = KLDivergence(
        temperature=temperature, reduction=reduction, tail=tail, client=client
    )
    of_top = {"indices": top.indices, "logprobs": top.values}
    got = loss_and_gradient(
        logits, lambda x: module(x, **of_top, label=label, mask=mask)
    )
    expected = loss_and_gradient(
        logits.double(),
        lambda x: reduced(
            divergence_of_top(x / temperature, top.indices, top.values.double(), tail),
            mask.double(),
            label,
            reduction,
        ),
    )
    size = max(1.0, float(expected[0].abs().max()))
    assert_close(got, expected, size * TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits_are_rounded_once(client: Client, dtype: torch.dtype) -> None:
    logits, reference, label, mask = draw(0, dtype)
    module = KLDivergence(client=client)
    got = loss_and_gradient(
        logits, lambda x: module(x, reference, label=label, mask=mask)
    )
    expected = loss_and_gradient(
        logits.double(),
        lambda x: reduced(
            divergence(x, reference.double(), "forward", 0.5, 1),
            mask.double(),
            label,
            "mean",
        ),
    )
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other.to(dtype), rtol=2**-7, atol=1e-7)


def test_sequences_keep_their_shape(client: Client) -> None:
    logits, reference, label, mask = draw(0, torch.float64, (3, 5))
    rows = KLDivergence(reduction="none", client=client)(
        logits, reference, label=label, mask=mask
    )
    expected = divergence(logits, reference, "forward", 0.5, 1)

    assert rows.shape == (3, 5)
    torch.testing.assert_close(rows, reduced(expected, mask, label, "none"))
    one = KLDivergence(client=client)(logits[0, 0], reference[0, 0])
    torch.testing.assert_close(one, expected[0, 0])


def test_the_gradient_is_asked_for_only_when_it_is_needed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    compare = client.kl_divergence

    def spy(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- passed on
        asked.append(options["outputs"])
        return compare(*arguments, **options)

    monkeypatch.setattr(client, "kl_divergence", spy)
    logits, reference, *_ = draw(0, torch.float32)
    module = KLDivergence(client=client)
    assert not module(logits, reference).requires_grad
    followed = logits.requires_grad_()
    with torch.no_grad():
        module(followed, reference)
    assert module(followed, reference).requires_grad

    assert asked == [[], [], ["gradient"]]
    assert module.comparison is not None
    assert module.comparison.outputs == {}
    assert module.comparison.rows["counted"] == ROWS


def test_autocast_has_a_loss_of_32_bits(client: Client) -> None:
    logits, reference, *_ = draw(0, torch.bfloat16)
    followed = logits.requires_grad_()
    with torch.autocast("cpu"):
        loss = KLDivergence(client=client)(followed, reference)
    loss.backward()

    assert loss.dtype == torch.float32
    assert followed.grad is not None
    assert followed.grad.dtype == torch.bfloat16


def test_arguments_that_do_not_fit_are_refused(client: Client) -> None:
    logits, reference, label, _ = draw(0, torch.float32)
    module = KLDivergence(client=client)
    top = torch.log_softmax(reference, -1).topk(K)
    for reference_too, indices_too, logprobs_too in itertools.product(
        (False, True), repeat=3
    ):
        if reference_too != indices_too == logprobs_too:
            continue
        with pytest.raises(ValueError, match="expected a reference, or both indices"):
            module(
                logits,
                reference if reference_too else None,
                indices=top.indices if indices_too else None,
                logprobs=top.values if logprobs_too else None,
            )
    with pytest.raises(
        NotImplementedError, match=r"reference requires a gradient.*: detach it"
    ):
        module(logits, reference.clone().requires_grad_())
    with pytest.raises(TypeError, match="reference is a <class 'list'>"):
        module(logits, reference.tolist())
    with pytest.raises(ProblemError, match="reference has shape"):
        module(logits, reference[:-1])
    with pytest.raises(ProblemError, match="direction is reverse, expected forward"):
        KLDivergence("reverse", client=client)(
            logits, indices=top.indices, logprobs=top.values
        )
    with pytest.raises(ValueError, match="temperature is 0, expected more than 0"):
        KLDivergence(temperature=0, client=client)
    loss = module(logits.requires_grad_(), reference, label=label)
    (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
    with pytest.raises(NotImplementedError, match="once, not twice"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def test_a_module_is_copied_and_says_what_it_is(client: Client) -> None:
    module = copy.deepcopy(KLDivergence("jensen_shannon", 0.25, 2, client=client))

    assert repr(module).startswith(
        "KLDivergence(direction='jensen_shannon', beta=0.25, temperature=2, "
        "reduction='mean', by="
    )
    logits, reference, *_ = draw(0, torch.float64)
    torch.testing.assert_close(
        module(logits, reference),
        divergence(logits, reference, "jensen_shannon", 0.25, 2).mean(),
    )
