"""Evaluates a batch whose vocabulary is split over two processes.

    pip install numpy safetensors ../clients/python
    python vocab_parallel.py

As in a vocabulary-parallel output layer, no process has all columns of the logits. Each
posts its own, gets back what is known of every row over them, about 60 bytes, and sends
that to rank 0, where the service makes the loss over the whole vocabulary of it. The
batch is `char-lm.safetensors`, next to this file.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open

from lossmeter import Client, Partial

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RANKS = 2
TOLERANCE = 1e-6  # nats
BATCH = Path(__file__).with_name("char-lm.safetensors")


def evaluate_shard(rank: int) -> Partial:
    """What is known of the rows over the columns of a rank, which reads no others."""
    with safe_open(BATCH, "np") as batch, Client() as client:
        logits = batch.get_slice("logits")
        _, classes = logits.get_shape()
        start, end = classes * rank // RANKS, classes * (rank + 1) // RANKS
        partial = client.partials(
            logits[:, start:end],
            batch.get_tensor("label"),
            batch.get_tensor("input_mask"),
            vocab_start=start,
            vocab_size=classes,
        )
    print(f"rank {rank}: classes {start} to {end - 1} as {len(partial)} bytes")
    return partial


def send_shard(rank: int, to_rank_0: Connection) -> None:
    """What the ranks other than 0 do."""
    to_rank_0.send_bytes(evaluate_shard(rank))


def main() -> int:
    """What rank 0 does, which starts the others.

    Returns:
        1 when the shards do not make the losses of the whole.
    """
    context = multiprocessing.get_context("spawn")
    others: list[Connection] = []
    for rank in range(1, RANKS):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (rank, sender)
        context.Process(target=send_shard, args=arguments, daemon=True).start()
        sender.close()  # so that a rank that fails ends the wait for it
        others.append(receiver)
    partials = [evaluate_shard(0)]
    partials += [Partial(other.recv_bytes()) for other in others]

    with Client() as client:
        sharded = client.combine(partials, outputs=["per_token_loss"])
        whole = client.evaluate_file(BATCH, outputs=["per_token_loss"])
    difference = np.abs(
        sharded.outputs["per_token_loss"] - whole.outputs["per_token_loss"]
    ).max()
    print(f"loss of the shards  {sharded.loss:.10f}")
    print(f"loss of the whole   {whole.loss:.10f}")
    print(f"greatest difference of a row  {difference:.1e} nats")
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
