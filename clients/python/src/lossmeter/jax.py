"""Cross-entropy for JAX, computed by the service.

`cross_entropy` can be differentiated with respect to the logits (a `custom_vjp` whose
backward pass uses the service's gradient), and works under `jit`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lossmeter.address import Address
from lossmeter.client import Client

if TYPE_CHECKING:
    from typing import Unpack

    from jax.typing import ArrayLike
    from numpy.typing import NDArray

    from lossmeter.schemas import Options

_OWN = ("outputs", "gradient_dtype", "calculate_per_token_loss", "shift")


@functools.cache
def _client_at(address: Address) -> Client:
    """One client, and its connections, for all calls that name none."""
    return Client(address.url, address.api_key)


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

    Args:
        logits: Scores of shape (N, C) or (…, C), floating point.
        label: Class indices of shape (N,) or (…,); or class probabilities shaped like
            the logits.
        input_mask: Weights of the rows, of shape (N,) or (…,); 0 leaves a row out.
        weight: Weights of the classes, of shape (C,).
        client: Whom to ask; without, one made of the environment and kept.
        **options: See `lossmeter.schemas.Options`; not `outputs`, `gradient_dtype`,
            `calculate_per_token_loss` and `shift`.

    Returns:
        A scalar in nats, or with `reduction="none"` an array shaped like class indices;
        float32, or float64 for such logits.

    Raises:
        ValueError: An option that has no place here.
        jax.errors.JaxRuntimeError: The service refused the batch, or could not be
            reached: JAX hands on what its message says, not the error itself.
    """
    refused = [name for name in _OWN if options.get(name)]
    if refused:
        raise ValueError(f"{', '.join(refused)} given: ask Client.cross_entropy for it")
    asked = client or _client_at(Address.of(None, None))
    logits = jnp.asarray(logits)
    per_row = options.get("reduction") == "none"
    shape = logits.shape[:-1] if per_row else ()
    loss = jnp.promote_types(logits.dtype, jnp.float32)
    shapes: tuple[Any, ...] = (
        jax.ShapeDtypeStruct(shape, loss),  # type: ignore[no-untyped-call]
        jax.ShapeDtypeStruct(logits.shape, logits.dtype),  # type: ignore[no-untyped-call]
    )

    def evaluate(
        batch: tuple[Any, ...], *, with_gradient: bool
    ) -> tuple[NDArray[Any], ...]:
        wanted: Options = {**options, "outputs": ["gradient"] if with_gradient else []}
        evaluation = asked.cross_entropy(*batch, **wanted)
        value = evaluation.loss
        if value is None:
            rows = evaluation.outputs["per_token_loss"].astype(loss)
        else:
            rows = np.asarray(value, loss)
        return (rows, evaluation.outputs["gradient"]) if with_gradient else (rows,)

    def call(batch: tuple[Any, ...], *, with_gradient: bool) -> Any:  # noqa: ANN401
        return jax.pure_callback(
            lambda arrays: evaluate(arrays, with_gradient=with_gradient),
            shapes if with_gradient else shapes[:1],
            batch,
            vmap_method="sequential",
        )

    @jax.custom_vjp
    def of_batch(batch: tuple[Any, ...]) -> jax.Array:
        value: jax.Array = call(batch, with_gradient=False)[0]
        return value

    def forward(batch: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
        value, by_logits = call(batch, with_gradient=True)
        return value, by_logits

    def backward(by_logits: jax.Array, by_loss: jax.Array) -> tuple[tuple[Any, ...]]:
        # A row's loss depends on its own logits alone.
        scale = by_loss[..., None] if per_row else by_loss
        return ((by_logits * scale.astype(by_logits.dtype), None, None, None),)

    of_batch.defvjp(forward, backward)
    return of_batch((logits, label, input_mask, weight))
