"""Checks the bfloat16 cast of a model against float32, on the same text.

    pip install torch ../clients/python
    python check_bfloat16.py
    python check_bfloat16.py --limit 0.001

A small model is trained in float32 and cast. Both give logits for text that it was not
trained on, and the service compares them: divergence, perplexity, agreement, and where
the two differ most. The exit code is 1 when the mean divergence is above `--limit`
nats, for continuous integration.
"""

from __future__ import annotations

import argparse
import copy
import sys

import torch
from small_lm import CONTEXT, VOCABULARY, trained, windows

from lossmeter import Client, Comparison

HIDDEN = 256
HELD_OUT = 16384
WORST_ROWS = 3


def report(comparison: Comparison, text: torch.Tensor) -> None:
    """Prints the statistics and the worst rows."""
    kl, difference = comparison.kl_divergence, comparison.probability_difference
    agreement, perplexity = comparison.top1_agreement, comparison.perplexity
    if difference is None or perplexity is None:
        raise ValueError("the comparison has no labels")
    print(f"rows            {comparison.rows['counted']}")
    for side, name in (("reference", "float32"), ("logits", "bfloat16")):
        value, error = perplexity[side].values()  # type: ignore[literal-required]
        print(f"PPL {name:11} {value:.5f} ± {error:.5f}")
    value, error = perplexity["log_ratio"].values()
    print(f"ln ratio        {value:.6f} ± {error:.6f}")
    print(f"mean KL         {kl['mean']:.3e} ± {kl['standard_error']:.1e} nats")
    for name in ("50", "99", "99.9"):
        print(f"KL {name + '%':12} {kl['percentiles'][name]:.3e}")
    print(f"maximum KL      {kl['max']:.3e}")
    print(f"rms Δp          {difference['rms']:.3%}")
    print(f"same top        {agreement['fraction']:.3%}")
    for row in comparison.worst_rows:
        before = "".join(VOCABULARY[c] for c in text[row["row"], :CONTEXT])
        one = VOCABULARY[row["reference_prediction"]]
        other = VOCABULARY[row["prediction"]]
        print(
            f"  {row['kl_divergence']:.3e} nats at row {row['row']}, after {before!r}: "
            f"{one!r} and {other!r}"
        )


def main() -> None:
    """Trains, casts and compares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the service; LOSSMETER_URL without")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--limit", type=float, default=0.01, help="mean KL in nats")
    args = parser.parse_args()

    torch.manual_seed(0)
    text, held_out = windows()
    model = trained(HIDDEN, text, args.steps)
    cast = copy.deepcopy(model).to(torch.bfloat16)
    held_out = held_out[:HELD_OUT]
    characters, following = held_out[:, :-1], held_out[:, -1]
    comparison = Client(args.url).kl_divergence(
        model(characters), cast(characters), label=following, worst_rows=WORST_ROWS
    )
    report(comparison, held_out)
    mean = comparison.kl_divergence["mean"]
    sys.exit(mean is None or mean > args.limit)


if __name__ == "__main__":
    main()
