"""Cross-entropy for JAX, computed by the service.

`cross_entropy` can be differentiated with respect to the logits (a `custom_vjp` whose
backward pass uses the service's gradient), and works under `jit`.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from lossmeter import wire_json
from lossmeter.address import Address
from lossmeter.arrays import as_named_array
from lossmeter.batch import without_none
from lossmeter.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from jax.typing import ArrayLike

    from lossmeter.schemas import Options

_Batch: TypeAlias = tuple[Any, Any, Any, Any]
"""Logits, label, mask and weight, of which the last two may be None."""

_OWN = ("outputs", "gradient_dtype", "calculate_per_token_loss", "shift")
_FIELDS = ("logits", "label", "input_mask", "weight")


def cross_entropy(
    logits: ArrayLike,
    label: ArrayLike,
    input_mask: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    *,
    client: Client | None = None,
    **options: Unpack[Options],
) -> jax.Array:
    """The loss of a batch, which can be differentiated once by the logits.

    docs/deviations.md lists where other libraries give another number.

    Under `jit` a callback calls the service. JAX deadlocks when as many callbacks run
    as XLA has threads (one on a single CPU) and the logits have more than some 100 KB.
    Then call `jax.config.update("jax_cpu_enable_async_dispatch", False)` first.

    Args:
        logits: Scores of shape (N, C) or (…, C), floating point.
        label: Class indices of shape (N,) or (…,); or class probabilities shaped like
            the logits.
        input_mask: Weights of the rows, of shape (N,) or (…,); 0 leaves a row out.
        weight: Weights of the classes, of shape (C,).
        client: Client of the service; by default one made from the environment and
            kept.
        **options: See `lossmeter.schemas.Options`; not `outputs`, `gradient_dtype`,
            `calculate_per_token_loss`, `shift` and `class_axis`.

    Returns:
        A scalar in nats, or with `reduction="none"` an array shaped like class indices;
        float32, or float64 for such logits.

    Raises:
        TypeError: An argument is not an array that can be sent.
        ValueError: An option is not allowed here, or JAX would truncate integers.
        NotImplementedError: A gradient by an argument other than the logits.
        ProblemError: The service refused the batch. Under `jit` JAX makes it a
            `JaxRuntimeError` with the same text.
        UnreachableError: The service could not be reached; under `jit` likewise.
    """
    refused = [name for name in _OWN if options.get(name)]
    # The callback's shapes are those of classes in the last axis.
    if options.get("class_axis") not in {None, -1}:
        refused.append("class_axis")
    if refused:
        raise ValueError(
            f"{', '.join(refused)} cannot be given here: call Client.cross_entropy"
        )
    loss = _differentiable(
        client or _client_at(Address.of(None, None)),
        wire_json.dumps("options", without_none(options)),
    )
    given = (logits, label, input_mask, weight)
    named = zip(_FIELDS, given, strict=True)
    value: jax.Array = loss(
        tuple(x if x is None else _as_jax(name, x) for name, x in named)
    )
    return value


def _as_jax(name: str, value: ArrayLike) -> jax.Array:
    if isinstance(value, jax.Array):
        return value
    array = as_named_array(name, value)
    # JAX truncates integers to 32 bits by default.
    kept = jax.dtypes.canonicalize_dtype(array.dtype)
    if array.dtype.kind in "iu" and not np.array_equal(array, array.astype(kept)):
        raise ValueError(
            f"{name} holds integers beyond {kept}, which is JAX's widest without "
            "jax_enable_x64"
        )
    return jnp.asarray(array)


@functools.cache
def _client_at(address: Address) -> Client:
    """The client, with its connections, of all calls without `client`."""
    return Client(address.url, address.api_key)


@functools.lru_cache
def _differentiable(client: Client, options: str) -> Callable[[tuple[Any, ...]], Any]:
    """The loss of a batch: one function per options, so that JAX compiles it once.

    Args:
        client: Client of the service.
        options: Options as JSON.
    """
    given = cast("Options", json.loads(options))
    per_row = given.get("reduction") == "none"

    def evaluate(batch: _Batch, *, with_gradient: bool) -> tuple[Any, ...]:
        wanted: Options = {**given}
        if with_gradient:
            # The gradient is rounded to 16 bits after it is scaled.
            is_16_bit = batch[0].dtype.itemsize == 2  # noqa: PLR2004 -- bytes
            wanted["gradient_dtype"] = "float32" if is_16_bit else None
            wanted["outputs"] = ["gradient"]
        evaluation = client.cross_entropy(*batch, **wanted)
        dtype = jnp.promote_types(batch[0].dtype, jnp.float32)
        loss = (
            evaluation.outputs["per_token_loss"]
            if evaluation.loss is None
            else np.asarray(evaluation.loss)
        )
        gradient = (evaluation.outputs["gradient"],) if with_gradient else ()
        return (loss.astype(dtype), *gradient)

    def ask(batch: _Batch, *, with_gradient: bool) -> tuple[Any, ...]:
        asked = functools.partial(evaluate, with_gradient=with_gradient)
        if not any(isinstance(array, jax.core.Tracer) for array in batch):
            return tuple(jnp.asarray(array) for array in asked(batch))
        logits = batch[0]
        dtype = jnp.promote_types(logits.dtype, jnp.float32)
        loss = _shape(logits.shape[:-1] if per_row else (), dtype)
        shapes = (loss, _shape(logits.shape, dtype)) if with_gradient else (loss,)
        answer: tuple[Any, ...] = jax.pure_callback(
            asked, shapes, batch, vmap_method="sequential"
        )
        return answer

    @jax.custom_vjp
    def loss(batch: _Batch) -> Any:  # noqa: ANN401 -- an array
        return ask(batch, with_gradient=False)[0]

    def forward(batch: tuple[Any, ...]) -> tuple[Any, tuple[Any, Any]]:
        followed = [
            name
            for name, array in zip(_FIELDS[1:], batch[1:], strict=True)
            if array is not None and array.perturbed
        ]
        if followed:
            raise NotImplementedError(
                f"a gradient with respect to {followed[0]} is not implemented"
            )
        arrays = (array if array is None else array.value for array in batch)
        values = cast("_Batch", tuple(arrays))
        value, gradient = ask(values, with_gradient=True)
        # An array without elements carries its dtype.
        return value, (gradient, jnp.empty(0, values[0].dtype))

    def backward(residuals: tuple[Any, Any], grad: Any) -> tuple[_Batch]:  # noqa: ANN401 -- an array
        gradient, like = residuals
        if isinstance(grad, jax.custom_derivatives.SymbolicZero):
            return ((jnp.zeros(gradient.shape, like.dtype), None, None, None),)
        # A row's loss depends on its own logits alone.
        scale = grad[..., None] if per_row else grad
        by_logits = (gradient * scale.astype(gradient.dtype)).astype(like.dtype)
        return ((by_logits, None, None, None),)

    loss.defvjp(forward, backward, symbolic_zeros=True)
    return loss


def _shape(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:  # noqa: ANN401 -- any of JAX's
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]
