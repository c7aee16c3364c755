"""Trains a small language model on two ranks with PyTorch's DDP, recorded as a run.

    pip install torch ../clients/python
    python ddp_lm.py --run ddp-lm
    python ddp_lm.py --run ddp-lm-nan --nan-at 12

Two processes train data-parallel over gloo, on batches of unequal size. Each has a
monitor with its own rank, so that the loss of a step is the mean over the rows of both.
The model learns to count: each token follows from the one before. `--nan-at` spoils one
logit of one rank at that step, and the run says which.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from lossmeter import Monitor

CLASSES, LENGTH, RANKS = 40, 16, 2
BATCHES = (8, 6)  # sequences of each rank
NAN_RANK, NAN_ROW, NAN_CLASS = 1, 21, 17  # what --nan-at spoils


def train(rank: int, args: argparse.Namespace, folder: str) -> None:
    """Trains as one rank."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Embedding(CLASSES, 32), nn.Tanh(), nn.Linear(32, CLASSES))
    model = DistributedDataParallel(layers)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    random = torch.Generator().manual_seed(rank)
    pairs = []

    with Monitor(args.run, rank=rank) as monitor:
        for step in range(args.steps):
            starts = torch.randint(CLASSES, (BATCHES[rank], 1), generator=random)
            tokens = (starts + torch.arange(LENGTH)) % CLASSES
            logits = model(tokens[:, :-1]).flatten(0, 1)
            label = tokens[:, 1:].flatten()
            if step == args.nan_at and rank == NAN_RANK:
                logits[NAN_ROW, NAN_CLASS] = math.nan
            loss = cross_entropy(logits, label)

            for explanation in monitor.step(
                step, loss, count=len(label), logits=logits, label=label
            ):
                print(explanation, flush=True)
            pairs.append((loss.item() * len(label), len(label)))

            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            # The ranks have averaged their gradients by now: a NaN of one is a NaN of
            # all, and all of them leave out the update.
            if all(each.grad.isfinite().all() for each in layers.parameters()):  # type: ignore[union-attr]
                optimizer.step()
        monitor.flush()
        for explanation in monitor.step(args.steps):
            print(explanation, flush=True)
    if args.pairs is not None:
        path = Path(args.pairs).with_suffix(f".{rank}.json")
        path.write_text(json.dumps(pairs))
    dist.destroy_process_group()


def main() -> None:
    """Starts the ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="ddp-lm", help="name of the run")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--nan-at", type=int, help="step to spoil")
    parser.add_argument("--pairs", help="file for numerators and denominators")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spawn(train, (args, folder), nprocs=RANKS)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
