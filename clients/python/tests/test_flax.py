"""The example of a loop of JAX, Flax and Optax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trained import assert_nan_is_named, points_of, run_example

if TYPE_CHECKING:
    from lossmeter import Client

RUN = "flax"
STEPS, NAN_STEP = 40, 12


def test_a_loop_is_recorded_and_its_nan_is_named(client: Client) -> None:
    printed = run_example("flax_lm.py", "--run", RUN, "--nan-at", str(NAN_STEP))

    assert_nan_is_named(client, RUN, printed, NAN_STEP)
    losses = [each["loss"] for each in client.run(RUN).steps()]
    assert len(losses) == STEPS
    assert losses[-1] < 0.3 * losses[0]
    assert printed.endswith(f"loss {losses[-1]:.4f}, dropped 0\n")
    norms = points_of(client, RUN, "grad_norm")
    assert [step for step, norm in norms.items() if math.isnan(norm)] == [NAN_STEP]
    assert len(norms) == STEPS
