"""`lossmeter.torch` against PyTorch itself."""

from __future__ import annotations

import copy
import pickle
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from lossmeter import Client, ProblemError
from lossmeter.torch import CrossEntropyLoss, Reduction

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = 200
SEED = 8

# Relative tolerances, as large as PyTorch's own rounding. 16-bit losses are rounded to
# their dtype. 16-bit gradients are rounded once here, and more often by PyTorch.
TOLERANCES = {
    torch.float64: 1e-12,
    torch.float32: 2e-6,
    torch.bfloat16: 2**-7,
    torch.float16: 2**-9,
}


class Case(NamedTuple):
    """A call of `torch.nn.functional.cross_entropy`."""

    logits: Tensor
    target: Tensor
    weight: Tensor | None
    reduction: Reduction
    options: dict[str, Any]


def draw(seed: int) -> Case:
    """A case of few values of each kind, so that all pairs of values occur."""
    random = np.random.default_rng([SEED, seed])
    generator = torch.Generator().manual_seed(seed)
    dtype = list(TOLERANCES)[seed % len(TOLERANCES)]
    classes = int(random.choice([1, 2, 5, 33, 257]))
    batch = [int(random.integers(1, 7))] if random.random() < 0.9 else []
    more = random.integers(1, 5, size=random.choice([0, 0, 1, 2])) if batch else []
    shape = [*batch, classes, *(int(n) for n in more)]
    scale = float(random.choice([0.1, 1.0, 10.0]))
    logits = (torch.randn(shape, generator=generator) * scale).to(dtype)
    if random.random() < 0.2:
        # Not contiguous.
        logits = logits.repeat_interleave(2, -1)[..., ::2]

    options: dict[str, Any] = {}
    index_shape = [*shape[:1], *shape[2:]] if batch else []
    if random.random() < 0.3:
        raw = torch.rand(shape, generator=generator)
        target = (raw / raw.sum(1 if batch else 0, keepdim=True)).to(dtype)
    else:
        # PyTorch takes uint8 for some shapes only, and no other narrow integer.
        kind = torch.int64 if random.random() < 0.8 else torch.uint8
        target = torch.randint(min(classes, 256), index_shape, generator=generator)
        target = target.to(kind)
        if random.random() < 0.4:
            options["ignore_index"] = int(random.choice([-100, 0, classes - 1]))
            ignored = torch.rand(index_shape, generator=generator) < 0.3
            if kind is torch.int64:
                target[ignored] = options["ignore_index"]
    if random.random() < 0.4:
        options["label_smoothing"] = float(random.choice([0.1, 0.5, 1.0]))
    weight = None
    if random.random() < 0.4:
        weight = torch.rand(classes, generator=generator).to(dtype) + 0.1
    reduction = cast("Reduction", str(random.choice(["mean", "sum", "none"])))
    return Case(logits, target, weight, reduction, options)


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


@pytest.mark.parametrize("seed", range(CASES))
def test_agrees_with_pytorch_in_value_and_gradient(client: Client, seed: int) -> None:
    case = draw(seed)
    logits, target, weight, reduction, options = case
    module = CrossEntropyLoss(weight, reduction=reduction, client=client, **options)
    loss, gradient = loss_and_gradient(logits, lambda x: module(x, target))

    # The reference is PyTorch with the same values in double precision: its 16-bit
    # arithmetic is much coarser than the tolerances.
    wide = target.double() if target.is_floating_point() else target.long()
    expected_loss, expected_gradient = loss_and_gradient(
        logits.double(),
        lambda x: functional.cross_entropy(
            x,
            wide,
            None if weight is None else weight.double(),
            reduction=reduction,
            **options,
        ),
    )

    assert loss.dtype == gradient.dtype == logits.dtype
    assert loss.shape == expected_loss.shape
    for got, expected in ((loss, expected_loss), (gradient, expected_gradient)):
        tolerance = TOLERANCES[logits.dtype]
        size = max(1.0, float(expected.abs().nan_to_num().max()))
        torch.testing.assert_close(
            got.double(),
            expected,
            rtol=tolerance,
            atol=tolerance * size,
            equal_nan=True,
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_pytorch_in_the_same_dtype(
    client: Client, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(64, 100, generator=generator, dtype=dtype)
    target = torch.randint(100, (64,), generator=generator)
    ours = loss_and_gradient(
        logits, lambda x: CrossEntropyLoss(client=client)(x, target)
    )
    theirs = loss_and_gradient(logits, lambda x: functional.cross_entropy(x, target))
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("probabilities", [False, True])
def test_passes_gradcheck_in_float64(
    client: Client, reduction: Reduction, probabilities: bool
) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4, 5, 2, generator=generator, dtype=torch.float64)
    target = torch.randint(5, (4, 2), generator=generator)
    if probabilities:
        target = torch.rand(4, 5, 2, generator=generator, dtype=torch.float64)
    weight = torch.rand(5, generator=generator, dtype=torch.float64)
    module = CrossEntropyLoss(
        weight, reduction=reduction, label_smoothing=0.1, client=client
    )
    assert torch.autograd.gradcheck(
        lambda x: module(x, target), logits.requires_grad_()
    )


def test_has_the_mean_of_nothing_as_pytorch_has_it(client: Client) -> None:
    logits = torch.randn(3, 4)
    target = torch.full((3,), -100)
    module = CrossEntropyLoss(client=client)
    loss, gradient = loss_and_gradient(logits, lambda x: module(x, target))
    expected = loss_and_gradient(logits, lambda x: functional.cross_entropy(x, target))
    assert loss.isnan()
    assert expected[0].isnan()
    torch.testing.assert_close(gradient, expected[1])


def test_takes_an_empty_batch(client: Client) -> None:
    module = CrossEntropyLoss(client=client, reduction="sum")
    loss = module(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert loss.item() == 0


def test_trains_a_layer_as_pytorch_does(client: Client) -> None:
    features = torch.randn(32, 10, generator=torch.Generator().manual_seed(3))
    target = torch.arange(32) % 4

    def train(criterion: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
        torch.manual_seed(4)
        layer = torch.nn.Linear(10, 4)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = criterion(layer(features), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        return losses

    ours = train(CrossEntropyLoss(client=client))
    assert ours[-1] < ours[0]
    assert ours == pytest.approx(train(torch.nn.CrossEntropyLoss()), abs=1e-6)


def test_asks_for_no_gradient_where_none_is_followed(client: Client) -> None:
    module = CrossEntropyLoss(client=client)
    target = torch.tensor([0, 1])
    with torch.no_grad():
        loss = module(torch.zeros(2, 3, requires_grad=True), target)
    assert not loss.requires_grad
    assert not module(torch.zeros(2, 3), target).requires_grad


def test_is_float32_under_autocast(client: Client) -> None:
    module = CrossEntropyLoss(client=client)
    logits = torch.randn(2, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = module(logits, torch.tensor([0, 1]))
        theirs = functional.cross_entropy(logits, torch.tensor([0, 1]))
    assert ours.dtype == theirs.dtype == torch.float32
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_keeps_small_gradients_of_a_scaled_loss(
    client: Client, dtype: torch.dtype
) -> None:
    # Scales the loss as torch.amp.GradScaler does, with its initial scale.
    generator = torch.Generator().manual_seed(10)
    logits = torch.randn(512, 1000, generator=generator).to(dtype)
    target = torch.randint(1000, (512,), generator=generator)
    module = CrossEntropyLoss(client=client)

    def gradient_of(loss_of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        followed = logits.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(followed, target)
        (loss * 65536).backward()  # type: ignore[no-untyped-call]
        assert followed.grad is not None
        return followed.grad

    ours, theirs = gradient_of(module), gradient_of(functional.cross_entropy)
    assert ours.isfinite().all()
    assert ours.count_nonzero() == theirs.count_nonzero()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("scaled", [False, True])
def test_can_be_differentiated_once_only(client: Client, scaled: bool) -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = CrossEntropyLoss(client=client)(logits, torch.tensor([0, 1]))
    loss = loss * loss if scaled else loss
    (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
    penalized = loss + gradient.square().sum()
    with pytest.raises(NotImplementedError, match="once, not twice"):
        penalized.backward()


@pytest.mark.parametrize(
    "transform",
    [torch.func.grad, torch.func.jacrev, torch.func.vmap],
    ids=lambda transform: transform.__name__,
)
def test_has_no_transforms_of_torch_func(
    client: Client, transform: Callable[..., Callable[[Tensor], Tensor]]
) -> None:
    module = CrossEntropyLoss(client=client)
    transformed = transform(lambda x: module(x, torch.tensor([0, 1])))
    with pytest.raises(RuntimeError, match="functorch transforms"):
        transformed(
            torch.randn(1, 2, 3)[0 if transform is not torch.func.vmap else ...]
        )


@pytest.mark.filterwarnings("ignore")  # of PyTorch, about what it imports for it
def test_has_no_forward_mode(client: Client) -> None:
    logits = torch.randn(2, 3)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(logits, logits)  # type: ignore[no-untyped-call]
        with pytest.raises(NotImplementedError, match="forward mode"):
            CrossEntropyLoss(client=client)(dual, torch.tensor([0, 1]))


def test_refuses_a_gradient_that_it_has_not(client: Client) -> None:
    module = CrossEntropyLoss(client=client)
    target = torch.full((2, 3), 1 / 3, requires_grad=True)
    with pytest.raises(NotImplementedError, match="target"):
        module(torch.zeros(2, 3), target)
    with torch.no_grad():
        assert module(torch.zeros(2, 3), target).isfinite()


def test_says_what_the_service_found(client: Client) -> None:
    module = CrossEntropyLoss(client=client)
    logits = torch.zeros(4, 3)
    logits[2, 1] = torch.nan
    assert module(logits, torch.zeros(4, dtype=torch.int64)).isnan()
    assert module.evaluation is not None
    (cause,) = module.evaluation.diagnostics["causes"]
    assert cause["cause"] == "nan_logit"
    assert (cause["first"]["row"], cause["first"]["column"]) == (2, 1)


def test_refuses_what_the_service_refuses(client: Client) -> None:
    with pytest.raises(ProblemError, match=r"label\[0\] is 7") as refused:
        CrossEntropyLoss(client=client)(torch.zeros(1, 3), torch.tensor([7]))
    assert refused.value.code == "invalid_label"


SHAPES = {
    "floats of the shape of indices": ((2, 3), torch.rand(2)),
    "integers of the shape of probabilities": ((2, 3), torch.zeros(2, 3).long()),
    "another batch": ((2, 3), torch.zeros(3).long()),
    "another axis": ((2, 3, 5), torch.zeros(2, 4).long()),
    "flat indices": ((2, 3, 5), torch.zeros(10).long()),
    "flat probabilities": ((2, 3, 5), torch.rand(10, 3)),
    "two indices for no batch": ((3,), torch.zeros(2).long()),
    "an index of the shape of one class": ((1,), torch.zeros(1).long()),
    "an index without the axis of the batch": ((1, 3), torch.zeros(()).long()),
    "indices of an axis more": ((2, 3), torch.zeros(2, 1).long()),
    "floats for no batch": ((3,), torch.rand(())),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_refuses_shapes_that_pytorch_refuses(client: Client, kind: str) -> None:
    shape, target = SHAPES[kind]
    logits = torch.randn(shape)
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        functional.cross_entropy(logits, target)
    indices = shape[:1] + shape[2:] if len(shape) > 1 else ()
    message = (
        f"target is {target.dtype} of shape {tuple(target.shape)}, but input of shape "
        f"{shape} expects class indices, integers of shape {indices}, or class "
        f"probabilities, floating point of shape {shape}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        CrossEntropyLoss(client=client)(logits, target)


def test_takes_an_index_of_one_axis_without_a_batch(client: Client) -> None:
    logits, target = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2])
    loss = CrossEntropyLoss(client=client)(logits, target)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, target))


def test_refuses_an_input_without_classes(client: Client) -> None:
    with pytest.raises(ValueError, match=r"input has shape \(\), expected \(C,\)"):
        CrossEntropyLoss(client=client)(torch.tensor(1.0), torch.tensor(0))


@pytest.mark.parametrize(
    ("convert", "says"),
    [
        (lambda x: x.to("meta"), "is a meta tensor"),
        (lambda x: x.to_sparse(), "has the layout torch.sparse_coo"),
        (lambda x: torch.nested.nested_tensor([x], layout=torch.jagged), "is a nested"),
        (lambda x: x.numpy(), "is a <class 'numpy.ndarray'>, expected a torch.Tensor"),
    ],
)
@pytest.mark.parametrize("name", ["input", "target", "weight"])
def test_refuses_tensors_without_values_by_name(
    client: Client, name: str, convert: Callable[[Tensor], Any], says: str
) -> None:
    given = {"input": torch.randn(3, 3), "target": torch.arange(3)}
    module = CrossEntropyLoss(torch.ones(3), client=client)
    if name in given:
        given[name] = convert(given[name])
    else:
        module._buffers["weight"] = convert(torch.ones(3))
    with pytest.raises(TypeError, match=re.escape(f"{name} {says}")):
        module(**given)


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (torch.zeros(1, 3, dtype=torch.complex64), "complex64"),
        (torch.zeros(1, 3, dtype=torch.int64), "int64"),
        (torch.zeros(1, 3).to(torch.float8_e4m3fnuz), "Float8_e4m3fnuz"),
    ],
)
def test_refuses_dtypes_that_are_no_logits(
    client: Client, logits: Tensor, says: str
) -> None:
    with pytest.raises((TypeError, ProblemError), match=f"logits.*{says}"):
        CrossEntropyLoss(client=client)(logits, torch.tensor([0]))


def test_records_into_a_run(client: Client) -> None:
    run = client.run("torch")
    module = CrossEntropyLoss(run=run, rank=1, reduction="sum")
    logits = torch.randn(5, 4, requires_grad=True)
    loss = module(logits, torch.arange(5) % 4, step=3, micro_batch=2)
    loss.backward()
    (rank,) = run.step(3)["rank_details"]
    assert rank["rank"] == 1
    (micro_batch,) = rank["micro_batches"]
    assert micro_batch["micro_batch"] == 2
    assert micro_batch["numerator"] == pytest.approx(loss.item())
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_wants_a_step_with_a_run_and_none_without(client: Client) -> None:
    logits, target = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    for given in ({"step": 0}, {"micro_batch": 1}):
        with pytest.raises(ValueError, match="no run"):
            CrossEntropyLoss(client=client)(logits, target, **given)
    with pytest.raises(ValueError, match="step is None"):
        CrossEntropyLoss(run=client.run("torch"))(logits, target)
    with pytest.raises(ValueError, match="expected one"):
        CrossEntropyLoss(client=client, run=client.run("torch"))


def test_is_copied_saved_and_moved_as_modules_are(client: Client) -> None:
    module = CrossEntropyLoss(torch.ones(3), label_smoothing=0.1, client=client)
    logits, target = torch.randn(2, 3), torch.tensor([0, 1])
    expected = module(logits, target)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):  # noqa: S301
        torch.testing.assert_close(other(logits, target), expected)
    assert list(module.state_dict()) == ["weight"]
    assert module.double().weight is not None
    assert module.weight is not None
    assert module.weight.dtype == torch.float64


def test_is_left_out_of_a_compiled_graph(client: Client) -> None:
    module = CrossEntropyLoss(client=client)
    compiled = torch.compile(lambda x, y: module(x * 2, y), backend="eager")
    logits, target = torch.randn(2, 3), torch.tensor([0, 1])
    torch.testing.assert_close(
        compiled(logits, target), functional.cross_entropy(logits * 2, target)
    )
