"""Ranks of a training that record their batches, and watchers of the run.

Prints a JSON object a line: each step that all ranks have recorded, and at the end what
came of all of it.
"""

import argparse
import json
import threading

import numpy as np
from lossmeter import Client
from lossmeter.events import StepEvent

ROWS, CLASSES = 16, 257


def batch(step: int, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, labels and mask of a rank at a step: the same at every call."""
    random = np.random.default_rng([step, rank])
    logits = random.normal(scale=3, size=(ROWS, CLASSES)).astype(np.float32)
    label = random.integers(CLASSES, size=ROWS, dtype=np.int32)
    mask = (random.random(ROWS) < 0.9).astype(np.float32)
    return logits, label, mask


class Training:
    """Eight ranks that wait for one another at every step."""

    def __init__(self, url: str, run: str, ranks: int, steps: int) -> None:
        self.url, self.name, self.ranks, self.steps = url, run, ranks, steps
        self.acknowledged = 0
        self.errors: list[str] = []
        self.lock = threading.Lock()
        self.step = 0
        self.barrier = threading.Barrier(ranks, self.report)
        self.ended = threading.Event()

    def report(self) -> None:
        """Tells that all ranks have recorded a step."""
        print(json.dumps({"step": self.step}), flush=True)
        self.step += 1

    def record(self, rank: int) -> None:
        """Records all steps of a rank."""
        with Client(self.url) as client:
            run = client.run(self.name)
            for step in range(self.steps):
                logits, label, mask = batch(step, rank)
                try:
                    run.record(step, rank, logits, label, mask)
                    with self.lock:
                        self.acknowledged += 1
                except Exception as error:
                    with self.lock:
                        self.errors.append(f"step {step}, rank {rank}: {error!r}")
                self.barrier.wait()

    def watch(self, seen: dict[int, int]) -> None:
        """Keeps the ranks of each step that a watcher is told of, until all are complete."""
        with Client(self.url) as client:
            for event in client.run(self.name).watch(after=0):
                if isinstance(event, StepEvent):
                    step = event.step
                    seen[step["step"]] = max(seen.get(step["step"], 0), step["ranks"])
                is_whole = len(seen) == self.steps and all(
                    ranks == self.ranks for ranks in seen.values()
                )
                if is_whole:
                    return


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--watchers", type=int, default=0)
    given = parser.parse_args()
    training = Training(given.url, given.run, given.ranks, given.steps)
    with Client(training.url) as client:
        client.run(training.name).describe(expected_ranks=training.ranks)
    seen: list[dict[int, int]] = [{} for _ in range(given.watchers)]
    watchers = [
        threading.Thread(target=training.watch, args=(one,), daemon=True) for one in seen
    ]
    ranks = [
        threading.Thread(target=training.record, args=(rank,))
        for rank in range(training.ranks)
    ]
    for thread in [*watchers, *ranks]:
        thread.start()
    for thread in ranks:
        thread.join()
    for thread in watchers:
        thread.join(timeout=60)
    watched = [
        sum(ranks == training.ranks for ranks in steps.values()) for steps in seen
    ]
    result = {
        "acknowledged": training.acknowledged,
        "errors": training.errors,
        "watched": watched,
    }
    print(json.dumps(result), flush=True)


main()
