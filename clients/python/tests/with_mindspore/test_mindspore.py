"""MindSpore's tensors, and `lossmeter.mindformers` against MindSpore itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, ops

from lossmeter import Monitor
from lossmeter.arrays import BFLOAT16, as_array
from lossmeter.mindformers import CrossEntropyLoss

if TYPE_CHECKING:
    from lossmeter import Client

LABEL = Tensor(np.array([1, 4, 0, 2]), mindspore.int32)
MASK = Tensor(np.ones(4), mindspore.float32)


def logits_of(dtype: Any = mindspore.float32) -> Tensor:  # noqa: ANN401 -- MindSpore has no types
    values = np.random.default_rng(7).standard_normal((4, 5))
    return Tensor(values, mindspore.float32).astype(dtype)


def sparse_tensor() -> mindspore.COOTensor:
    places = Tensor([[0, 1], [1, 2]], mindspore.int32)
    return mindspore.COOTensor(places, Tensor([1.0, 2.0], mindspore.float32), (3, 4))


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-6) -> None:
    for tensor in (got, expected):
        assert isinstance(tensor, Tensor)
    np.testing.assert_allclose(
        got.astype(mindspore.float32).asnumpy(), expected.asnumpy(), atol=tolerance
    )


def test_tensors_are_not_copied() -> None:
    tensor = logits_of()
    assert np.shares_memory(as_array(tensor), tensor.asnumpy())


def test_bfloat16_stays_bfloat16() -> None:
    array = as_array(logits_of(mindspore.bfloat16))
    assert array.dtype == BFLOAT16
    expected = logits_of().asnumpy()
    np.testing.assert_allclose(array.astype(np.float32), expected, rtol=2**-8)


def test_takes_tensors_everywhere(client: Client) -> None:
    evaluation = client.cross_entropy(logits_of(), LABEL, MASK)
    expected = ops.cross_entropy(logits_of(), LABEL)
    assert evaluation.loss == pytest.approx(float(expected), abs=1e-6)


def test_a_monitor_takes_tensors(client: Client) -> None:
    logits = logits_of()
    logits[2, 3] = float("nan")
    loss = ops.cross_entropy(logits, LABEL).reshape(1)
    given = {"logits": logits, "label": LABEL, "input_mask": MASK}
    with Monitor("mindspore", client, interval=0.02) as monitor:
        monitor.step(0, loss, count=Tensor(4), **given)
        assert monitor.flush()
        (explanation,) = monitor.step(1, Tensor(1.5), scalars={"lr": Tensor(0.25)})

    assert (explanation.row, explanation.column) == (2, 3)
    assert (monitor.sent, monitor.dropped) == (2, 0)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (mindspore.float32, 1e-6),
        (mindspore.float16, 2**-10),
        (mindspore.bfloat16, 2**-7),
    ],
)
def test_agrees_with_mindspore_in_value_and_gradient(
    client: Client,
    dtype: Any,  # noqa: ANN401
    tolerance: float,
) -> None:
    criterion = CrossEntropyLoss(client=client)
    logits = logits_of(dtype)
    value, gradient = mindspore.value_and_grad(lambda x: criterion(x, LABEL, MASK))(
        logits
    )
    expected = mindspore.value_and_grad(lambda x: ops.cross_entropy(x, LABEL))(
        logits.astype(mindspore.float32)
    )
    assert value.shape == (1,)
    assert value.dtype == mindspore.float32
    assert gradient.dtype == dtype
    close(value, expected[0], tolerance)
    close(gradient, expected[1], tolerance)


def test_can_be_differentiated_without_a_function_around_it(client: Client) -> None:
    mean = CrossEntropyLoss(client=client)
    total = CrossEntropyLoss(client=client, reduction="sum")
    logits = logits_of()
    expected = mindspore.grad(lambda x: ops.cross_entropy(x, LABEL))(logits)
    # Two losses in turn: MindSpore distinguishes functions by name and code.
    for _ in range(2):
        close(mindspore.grad(mean, 0)(logits, LABEL, MASK), expected)
        close(mindspore.grad(total, 0)(logits, LABEL, MASK), 4 * expected)
    value, gradient = mindspore.value_and_grad(mean, 0)(logits, LABEL, MASK)
    close(value, ops.cross_entropy(logits, LABEL).reshape((1,)))
    close(gradient, expected)
    close(ops.GradOperation()(mean)(logits, LABEL, MASK), expected)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"label": np.ma.masked_array([1, 4, 0, 2])}, "label .* masked"),
        ({"input_mask": np.array([1, None, 1, 1])}, "input_mask .* Python objects"),
        ({"logits": sparse_tensor()}, "logits .* COOTensor"),
    ],
)
def test_refuses_what_holds_no_plain_numbers(
    client: Client, given: dict[str, Any], says: str
) -> None:
    batch = {"logits": logits_of(), "label": LABEL, "input_mask": MASK, **given}
    with pytest.raises(TypeError, match=f"^{says}"):
        CrossEntropyLoss(client=client)(**batch)


def test_the_pair_has_the_gradient_of_its_quotient(client: Client) -> None:
    criterion = CrossEntropyLoss(client=client, calculate_per_token_loss=True)

    def quotient(logits: Tensor) -> Tensor:
        numerator, denominator = criterion(logits, LABEL, MASK)
        return numerator / denominator

    gradient = mindspore.grad(quotient)(logits_of())
    expected = mindspore.grad(lambda x: ops.cross_entropy(x, LABEL))(logits_of())
    close(gradient, expected)


def test_rows_have_the_gradient_of_their_own_loss(client: Client) -> None:
    criterion = CrossEntropyLoss(client=client, reduction="none")
    weights = Tensor([1.0, 2.0, 3.0, 4.0], mindspore.float32)
    gradient = mindspore.grad(lambda x: (criterion(x, LABEL, MASK) * weights).sum())(
        logits_of()
    )
    expected = mindspore.grad(
        lambda x: (ops.cross_entropy(x, LABEL, reduction="none") * weights).sum()
    )(logits_of())
    close(gradient, expected)


def test_trains_a_layer(client: Client) -> None:
    mindspore.set_seed(8)
    layer = mindspore.nn.Dense(3, 5)
    optimizer = mindspore.nn.SGD(layer.trainable_params(), learning_rate=0.5)
    values = np.random.default_rng(9).standard_normal((4, 3))
    features = Tensor(values, mindspore.float32)
    criterion = CrossEntropyLoss(client=client)
    step = mindspore.value_and_grad(
        lambda: criterion(layer(features), LABEL, MASK),
        None,
        layer.trainable_params(),
    )
    losses = []
    for _ in range(10):
        loss, gradients = step()
        optimizer(gradients)
        losses.append(float(loss))
    assert losses == sorted(losses, reverse=True)
