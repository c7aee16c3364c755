"""The example of two ranks with PyTorch's DDP."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from trained import assert_nan_is_named, run_example

if TYPE_CHECKING:
    from pathlib import Path

    from lossmeter import Client

RUN = "ddp"
STEPS, NAN_STEP, NAN_RANK = 30, 12, 1


def test_the_curve_is_that_of_both_ranks_and_the_wrong_one_is_named(
    client: Client, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs"
    given = ("--steps", str(STEPS), "--nan-at", str(NAN_STEP), "--pairs", str(pairs))
    printed = run_example("ddp_lm.py", "--run", RUN, *given)

    assert_nan_is_named(client, RUN, printed, NAN_STEP, NAN_RANK)
    first, second = (
        json.loads(pairs.with_suffix(f".{rank}.json").read_text()) for rank in (0, 1)
    )
    expected = [
        (above + more) / (below + rows)
        for (above, below), (more, rows) in zip(first, second, strict=True)
    ]
    losses = [each["loss"] for each in client.run(RUN).steps()]
    assert len(losses) == STEPS
    assert math.isnan(losses.pop(NAN_STEP))
    assert math.isnan(expected.pop(NAN_STEP))
    # Bit for bit; the ranks have batches of unequal size.
    assert losses == expected
    assert losses[-1] < 0.2 * losses[0]
    assert client.run(RUN).step(NAN_STEP)["missing_ranks"] == []
