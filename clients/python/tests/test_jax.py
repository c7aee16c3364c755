"""`lossmeter.jax` against JAX itself."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lossmeter import ProblemError
from lossmeter.jax import _differentiable, cross_entropy

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from service import Service

    from lossmeter import Client

LABEL = np.array([0, 3, 1, 2])


def logits_of(dtype: str = "float32") -> jax.Array:
    values = np.random.default_rng(5).standard_normal((4, 6))
    return jnp.asarray(values, dtype)


def by_row(logits: jax.Array) -> jax.Array:
    return -jax.nn.log_softmax(logits)[jnp.arange(4), LABEL]


def close(got: object, expected: object, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(
        np.asarray(got, np.float64), np.asarray(expected, np.float64), atol=tolerance
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_agrees_with_jax_in_value_and_gradient(client: Client, compiled: bool) -> None:
    def ours(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, LABEL, client=client)

    def both(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.value_and_grad(ours)(logits)

    logits = logits_of()
    value, gradient = (jax.jit(both) if compiled else both)(logits)
    expected = jax.value_and_grad(lambda x: by_row(x).mean())(logits)
    close(value, expected[0])
    close(gradient, expected[1])
    close(ours(logits), expected[0])
    assert value.dtype == jnp.float32


def test_has_a_loss_a_row_without_reduction(client: Client) -> None:
    weights = jnp.arange(1.0, 5.0)

    def ours(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, LABEL, client=client, reduction="none")

    logits = logits_of()
    close(ours(logits), by_row(logits))
    close(
        jax.grad(lambda x: (ours(x) * weights).sum())(logits),
        jax.grad(lambda x: (by_row(x) * weights).sum())(logits),
    )


def test_takes_mask_weight_and_options(client: Client) -> None:
    mask = jnp.array([1.0, 0.0, 2.0, 1.0])
    weight = jnp.linspace(0.5, 1.5, 6)

    def ours(logits: jax.Array) -> jax.Array:
        return cross_entropy(
            logits, LABEL, mask, weight, client=client, semantics="torch"
        )

    def theirs(logits: jax.Array) -> jax.Array:
        by_class = weight[LABEL] * mask
        return (by_row(logits) * by_class).sum() / by_class.sum()

    logits = logits_of()
    close(jax.grad(ours)(logits), jax.grad(theirs)(logits))


def test_takes_class_probabilities(client: Client) -> None:
    probabilities = jax.nn.softmax(logits_of() * 2)

    def ours(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, probabilities, client=client)

    def theirs(logits: jax.Array) -> jax.Array:
        return -(probabilities * jax.nn.log_softmax(logits)).sum(-1).mean()

    logits = logits_of()
    close(jax.grad(ours)(logits), jax.grad(theirs)(logits))


def test_keeps_bfloat16_gradients(client: Client) -> None:
    logits = logits_of("bfloat16")
    gradient = jax.grad(lambda x: cross_entropy(x, LABEL, client=client))(logits)
    assert gradient.dtype == jnp.bfloat16
    expected = jax.grad(lambda x: by_row(x).mean())(logits.astype(jnp.float32))
    close(gradient, expected, 2**-8)


def test_maps_over_a_batch_of_batches(client: Client) -> None:
    batches = jnp.stack([logits_of(), logits_of() * 2])
    losses = jax.vmap(lambda x: cross_entropy(x, LABEL, client=client))(batches)
    close(losses, [by_row(batch).mean() for batch in batches])


def test_is_part_of_a_model_that_trains(client: Client) -> None:
    features = jnp.asarray(np.random.default_rng(6).standard_normal((4, 3)), "float32")

    @jax.jit
    def step(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss, gradient = jax.value_and_grad(
            lambda m: cross_entropy(features @ m, LABEL, client=client)
        )(matrix)
        return loss, matrix - gradient

    matrix = jnp.zeros((3, 6))
    losses = []
    for _ in range(10):
        loss, matrix = step(matrix)
        losses.append(float(loss))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.5


def test_says_what_the_service_refused(client: Client) -> None:
    def ask(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, np.array([9]), client=client)

    with pytest.raises(ProblemError, match=r"label\[0\] is 9"):
        ask(jnp.zeros((1, 3)))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"label\[0\] is 9"):
        jax.jit(ask)(jnp.zeros((1, 3))).block_until_ready()


def test_keeps_small_gradients_of_a_scaled_loss(client: Client) -> None:
    logits = jnp.tile(logits_of("float16"), (1, 100))
    for scale in (1024.0, 65536.0):
        gradient = jax.grad(
            lambda x, scale=scale: cross_entropy(x, LABEL, client=client) * scale
        )(logits)
        expected = jax.grad(lambda x, scale=scale: by_row(x).mean() * scale)(
            logits.astype(jnp.float32)
        )
        assert gradient.dtype == jnp.float16
        np.testing.assert_allclose(gradient, expected, rtol=2**-9, atol=1e-7)


@pytest.mark.parametrize("compiled", [False, True])
def test_refuses_a_gradient_that_it_has_not(client: Client, compiled: bool) -> None:
    def by_weight(weight: jax.Array) -> jax.Array:
        return cross_entropy(logits_of(), LABEL, None, weight, client=client)

    def by_label(logits: jax.Array) -> jax.Array:
        return cross_entropy(logits, jax.nn.softmax(logits), client=client)

    wrap = jax.jit if compiled else lambda f: f
    for of, value in ((by_weight, jnp.ones(6)), (by_label, logits_of())):
        with pytest.raises(NotImplementedError, match="with respect to"):
            wrap(jax.grad(of))(value)


def test_is_compiled_once_for_all_calls_that_are_alike(client: Client) -> None:
    def ask() -> None:
        jax.grad(lambda x: cross_entropy(x, LABEL, client=client))(logits_of())

    ask()
    before = _differentiable.cache_info()
    for _ in range(5):
        ask()
    after = _differentiable.cache_info()
    assert after.currsize == before.currsize
    assert after.hits == before.hits + 5


# Callbacks of JAX wait forever for the thread that they occupy. The documentation has a
# remedy.
ON_ONE_CPU = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp
from lossmeter import ProblemError
from lossmeter.jax import _differentiable, cross_entropy

jax.config.update("jax_cpu_enable_async_dispatch", False)
logits, label = jnp.zeros((1024, 1024)), jnp.zeros(1024, int)
by_logits = jax.value_and_grad(lambda x: cross_entropy(x, label))
print(by_logits(logits)[0], jax.jit(by_logits)(logits)[0])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_does_not_wait_for_ever_on_one_cpu(service: Service) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ON_ONE_CPU],
        capture_output=True,
        check=True,
        env={**os.environ, "LOSSMETER_URL": service.url},
        text=True,
        timeout=60,
    )
    assert asked.stdout.split() == ["6.931472", "6.931472"]


def test_refuses_options_that_have_no_place(client: Client) -> None:
    with pytest.raises(ValueError, match="outputs cannot be given here"):
        cross_entropy(logits_of(), LABEL, client=client, outputs=["lse"])
    for axis in (0, 1):
        with pytest.raises(ValueError, match="class_axis cannot be given here"):
            cross_entropy(logits_of(), LABEL, client=client, class_axis=axis)


@pytest.mark.parametrize(
    ("label", "error", "says"),
    [
        (
            np.ma.masked_array(LABEL, LABEL > 1),
            TypeError,
            "label is not an array .* masked",
        ),
        (
            np.array([0, None, 1, 2]),
            TypeError,
            "label is not an array .* Python objects",
        ),
        (
            np.array([0, 2**32 + 1, 1, 2]),
            ValueError,
            "label holds integers beyond int32",
        ),
    ],
)
def test_refuses_arrays_that_jax_would_change(
    client: Client, label: NDArray[Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        cross_entropy(logits_of(), label, client=client)
