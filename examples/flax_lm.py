"""Trains a small language model with JAX, Flax and Optax, recorded as a run.

    pip install flax optax ../clients/python
    python flax_lm.py --run flax-lm
    python flax_lm.py --run flax-lm-nan --nan-at 12

The model learns to count: each token follows from the one before. `--nan-at` spoils one
logit at that step, and the run says which.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

from lossmeter import Monitor

CLASSES, LENGTH, BATCH = 40, 16, 8
NAN_ROW, NAN_CLASS = 21, 17  # what --nan-at spoils


class CountingModel(nn.Module):
    """Scores of the next token, from the token before it."""

    hidden: int = 32

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Logits of shape (batch, length, classes)."""
        embedded = nn.Embed(CLASSES, self.hidden)(tokens)
        logits: jax.Array = nn.Dense(CLASSES)(nn.tanh(embedded))
        return logits


@partial(jax.jit, donate_argnames="state")
def train_step(
    state: TrainState, tokens: jax.Array, spoils: jax.Array
) -> tuple[TrainState, dict[str, jax.Array]]:
    """A step of the training, and its numbers and logits."""
    label = tokens[:, 1:].reshape(-1)

    def loss_of(params: Any) -> tuple[jax.Array, jax.Array]:  # noqa: ANN401 -- a tree
        logits = state.apply_fn(params, tokens[:, :-1]).reshape(-1, CLASSES)
        spoilt = logits.at[NAN_ROW, NAN_CLASS].set(jnp.nan)
        logits = jnp.where(spoils, spoilt, logits)
        rows = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return rows.mean(), logits

    (loss, logits), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    numbers = {"loss": loss, "grad_norm": optax.global_norm(gradients)}
    updated = state.apply_gradients(grads=gradients)  # type: ignore[no-untyped-call]
    return updated, {
        **numbers,
        "logits": logits,
        "label": label,
    }


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="flax-lm", help="name of the run")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--nan-at", type=int, default=-1, help="step to spoil")
    args = parser.parse_args()

    model = CountingModel()
    key = jax.random.key(0)
    state = TrainState.create(  # type: ignore[no-untyped-call]
        apply_fn=model.apply,
        params=model.init(key, jnp.zeros((1, LENGTH), int)),
        # Updates that are not finite are left out.
        tx=optax.apply_if_finite(optax.adamw(1e-2), max_consecutive_errors=8),
    )
    explanations = []
    with Monitor(args.run) as monitor:
        for step in range(args.steps):
            starts = jax.random.randint(
                jax.random.fold_in(key, step), (BATCH, 1), 0, CLASSES
            )
            tokens = (starts + jnp.arange(LENGTH)) % CLASSES
            state, made = train_step(state, tokens, jnp.asarray(step == args.nan_at))
            explanations += monitor.step(
                step,
                made["loss"],
                count=made["label"].size,
                logits=made["logits"],
                label=made["label"],
                scalars={"grad_norm": made["grad_norm"]},
            )
        monitor.flush()
        explanations += monitor.step(args.steps)
    for explanation in explanations:
        print(explanation)
    print(f"loss {float(made['loss']):.4f}, dropped {monitor.dropped}")


if __name__ == "__main__":
    main()
