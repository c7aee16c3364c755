"""Trains a small character-level language model on two ranks, its loss by Lossmeter.

    pip install torch ../clients/python
    python train_char_lm.py --run char-gru
    python train_char_lm.py --run char-gru-nan --nan-at 150
    python train_char_lm.py --local

Two processes train data-parallel. Each asks the service for the loss of its own batch
and the gradient, which records the batch as a part of the step; the loss of the step is
then the service's, Σ numerators / Σ denominators over the ranks. `--nan-at` spoils one
logit of one rank, and the run is asked what happened. `--local` trains the same without
the service, to compare with.

The text is the part of the Python language reference that every CPython carries for
`help()`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from lossmeter import Client
from lossmeter.torch import CrossEntropyLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lossmeter import Run

CONTEXT, EMBED, HIDDEN = 64, 64, 128
RATE, MOMENTUM, MAX_NORM = 0.5, 0.9, 1.0
NAN_ROW, NAN_CLASS = 37, 42  # what --nan-at spoils, on the last rank
STEPS_A_LINE = 25

TEXT = "".join(topics[key] for key in sorted(topics))
VOCABULARY = sorted(set(TEXT))


class CharacterModel(nn.Module):
    """Scores of the next character, from those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(VOCABULARY), EMBED)
        self.recurrent = nn.GRU(EMBED, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, len(VOCABULARY))

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (batch, CONTEXT, classes)."""
        states, _ = self.recurrent(self.embedding(characters))
        logits: Tensor = self.head(states)
        return logits


def batches(rank: int, args: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows of the text, of shape (batch, CONTEXT), and what comes next in them."""
    index = {character: i for i, character in enumerate(VOCABULARY)}
    text = torch.tensor([index[character] for character in TEXT])
    windows = text.unfold(0, CONTEXT + 1, 1)
    random = torch.Generator().manual_seed(args.seed * args.ranks + rank)
    for _ in range(args.steps):
        picked = torch.randint(len(windows), (args.batch,), generator=random)
        yield windows[picked, :-1], windows[picked, 1:]


def train(rank: int, args: argparse.Namespace, meeting: str) -> None:
    """What each rank does."""
    join(rank, args.ranks, meeting)
    torch.manual_seed(args.seed)
    model = DistributedDataParallel(CharacterModel())
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)
    run = run_of(args)
    criterion = CrossEntropyLoss(run=run, rank=rank)
    local_losses: list[float] = []

    for step, (characters, following) in enumerate(batches(rank, args)):
        logits, label = model(characters).flatten(0, 1), following.flatten()
        if step == args.nan_at and rank == args.ranks - 1:
            logits[NAN_ROW, NAN_CLASS] = math.nan

        if args.local:
            loss = cross_entropy(logits, label)
            local_losses.append(mean_over_ranks(loss))
        else:
            loss = criterion(logits, label, step=step)

        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        # The ranks have averaged their gradients by now: a NaN of one is a NaN of all,
        # and all of them skip the update.
        if clip_grad_norm_(model.parameters(), MAX_NORM).isfinite():
            optimizer.step()

        # Whoever has the gradients of all ranks knows that all have recorded the step.
        if rank == 0 and step % STEPS_A_LINE == 0:
            value = local_losses[-1] if args.local else run.step(step)["loss"]
            print(f"step {step:4}  loss {value:.4f}", flush=True)

    if rank == 0:
        conclude(args, local_losses if args.local else [p["loss"] for p in run.steps()])
    dist.destroy_process_group()


def join(rank: int, ranks: int, meeting: str) -> None:
    """Makes this process one of the ranks, which meet at a file."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks
    )


def mean_over_ranks(loss: Tensor) -> float:
    """The loss of the step: the ranks have as many rows each."""
    mean = loss.detach().double() / dist.get_world_size()
    dist.all_reduce(mean)
    return mean.item()


def conclude(args: argparse.Namespace, losses: list[float]) -> None:
    """Says how it went."""
    print(f"{len(losses)} steps: loss {losses[0]:.4f} first, {losses[-1]:.4f} last")
    if args.losses is not None:
        args.losses.write_text(json.dumps(losses))
    if not args.local:
        print_non_finite(run_of(args))


def print_non_finite(run: Run) -> None:
    """Which steps are not finite, where and why: all of it read from the run."""
    for point in run.steps():
        if not point["non_finite"]:
            continue
        print(point["summary"])
        for rank in run.step(point["step"])["rank_details"]:
            (batch,) = rank["micro_batches"]
            for cause in batch["diagnostics"].get("causes", []):
                row, column = cause["first"]["row"], cause["first"]["column"]
                print(
                    f"  {cause['cause']}: rank {rank['rank']}, row {row}, "
                    f"class {column} ({VOCABULARY[column]!r})"
                )


def run_of(args: argparse.Namespace) -> Run:
    """The run; each process has a client of its own."""
    return Client(args.url).run(args.run, attempt=args.attempt)


def arguments() -> argparse.Namespace:
    """What the program is called with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the service; LOSSMETER_URL without")
    parser.add_argument("--run", default="char-gru", help="the run to record")
    parser.add_argument(
        "--attempt", type=int, default=0, help="raise it to record a run again"
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--ranks", type=int, default=2, help="processes")
    parser.add_argument("--batch", type=int, default=16, help="windows a rank and step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nan-at", type=int, metavar="STEP", help="spoil a logit")
    parser.add_argument(
        "--local", action="store_true", help="train without the service"
    )
    parser.add_argument(
        "--losses", type=Path, metavar="FILE", help="write the curve as JSON"
    )
    return parser.parse_args()


def main() -> None:
    """Describes the run and starts the ranks."""
    args = arguments()
    if not args.local:
        labels = {"model": "GRU", "lr": RATE, "batch": args.batch, "seed": args.seed}
        run_of(args).describe(expected_ranks=args.ranks, labels=labels)
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder, "meeting"))
        spawn(train, (args, meeting), args.ranks)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
