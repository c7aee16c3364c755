"""Trains a small character-level language model on two ranks, its loss by Lossmeter.

    pip install torch ../clients/python
    python train_char_lm.py --run char-lm
    python train_char_lm.py --run char-lm-nan --nan-at 150
    python train_char_lm.py --local

Two processes train data-parallel: each has a batch of its own, and asks the service for
the loss and its gradient, which also records them into the run. The loss of a step is
the service's: Σ numerators / Σ denominators over the ranks. `--nan-at` spoils a logit
of one rank; where and why is then read back from the run. `--local` trains the same
without the service, to compare with. The text is the part of the Python language
reference that every CPython carries for `help()`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import lossmeter
from lossmeter.torch import CrossEntropyLoss

if TYPE_CHECKING:
    from lossmeter import Run

CONTEXT, WIDTH, HEADS = 64, 64, 4
RATE, MAX_NORM = 2e-3, 1.0
PRINT_EVERY = 25

NAN_ROW, NAN_CLASS = 300, 42
"""What `--nan-at` spoils, on the last rank: the row is a position of the batch."""

TEXT = "".join(topics[key] for key in sorted(topics))
VOCABULARY = sorted(set(TEXT))


class CharLM(nn.Module):
    """Scores of the next character at every position: one block of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.character = nn.Embedding(len(VOCABULARY), WIDTH)
        self.position = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.1)
        self.block = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(WIDTH, len(VOCABULARY))
        mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)
        self.register_buffer("mask", mask)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (batch, CONTEXT, classes)."""
        x = self.character(characters) + self.position
        logits: Tensor = self.head(self.block(x, src_mask=self.mask, is_causal=True))
        return logits


def train(rank: int, args: argparse.Namespace, store: str) -> None:
    """What each rank does."""
    torch.set_num_threads(1)
    # The ranks are on one machine: nothing listens outside of it.
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo", store=dist.FileStore(store, args.ranks), rank=rank, world_size=args.ranks
    )
    torch.manual_seed(args.seed)
    model = DistributedDataParallel(CharLM())
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    pick = torch.Generator().manual_seed(args.seed * args.ranks + rank)
    run = open_run(args)
    by_service = None if args.local else CrossEntropyLoss(run=run, rank=rank)
    local_losses: list[float] = []

    index = {character: i for i, character in enumerate(VOCABULARY)}
    text = torch.tensor([index[character] for character in TEXT])
    windows = text.unfold(0, CONTEXT + 1, 1)

    for step in range(args.steps):
        batch = windows[torch.randint(len(windows), (args.batch,), generator=pick)]
        logits = model(batch[:, :-1]).flatten(0, 1)
        label = batch[:, 1:].flatten()
        if step == args.nan_at and rank == args.ranks - 1:
            logits[NAN_ROW, NAN_CLASS] = math.nan

        if by_service is not None:
            loss = by_service(logits, label, step=step)
        else:
            loss = cross_entropy(logits, label)
            mean = loss.detach().double() / args.ranks
            dist.all_reduce(mean)
            local_losses.append(mean.item())

        optimizer.zero_grad()
        loss.backward()
        # The gradients were averaged on the way: a NaN of one rank is on all of them, and
        # all skip the step.
        norm = nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        if norm.isfinite():
            optimizer.step()
        # So were they sent: every rank has recorded the step by now.
        if rank == 0 and step % PRINT_EVERY == 0:
            value = local_losses[-1] if args.local else run.steps(step, step)[0]["loss"]
            print(f"step {step:4}  loss {value:.4f}", flush=True)

    if rank == 0 and args.losses:
        losses = local_losses if args.local else [p["loss"] for p in run.steps()]
        args.losses.write_text(json.dumps(losses))
    dist.destroy_process_group()


def open_run(args: argparse.Namespace) -> Run:
    return lossmeter.Client(args.url).run(args.run, attempt=args.attempt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url")
    parser.add_argument("--run", default="char-lm")
    parser.add_argument("--attempt", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--nan-at", type=int)
    parser.add_argument("--losses", type=Path)
    args = parser.parse_args()
    if not args.local:
        open_run(args).describe(expected_ranks=args.ranks)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(train, (args, f"{folder}/store"), args.ranks)


if __name__ == "__main__":
    main()
