"""Cost of `Monitor` to a training loop: of a call, and of a loop as a whole.

    python clients/python/bench/monitor_cost.py [--steps 500] [--pairs 12]

The service is a stand-in in a process of its own, which takes recordings in bulk and
fails when it is to. Runs with and without a monitor take turns, so that what else the
machine does harms both.
"""

from __future__ import annotations

import argparse
import logging
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# A product on several threads of its own varies more than what is measured.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from bulk_service import BulkService, Fault, Recorded

from lossmeter import Client, Monitor

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SIZE = 512
CALLS = 20_000


@dataclass
class State:
    """A state of the service.

    Attributes:
        name: What it is.
        fault: What happens to requests; None for no service at all.
        restarts: Whether it is stopped and started again and again.
    """

    name: str
    fault: Fault | None
    restarts: bool = False


STATES = [
    State("there", Fault()),
    State("stopped", None),
    State("slow, 2 s a request", Fault(seconds=2)),
    State("refusing, 503", Fault(status=503)),
    State("refusing, 429", Fault(status=429, retry_after="1")),
    State("restarted each second", Fault(), restarts=True),
]


def serve(pipe: Connection) -> None:
    """Runs the service, in the states that come through the pipe."""
    with BulkService() as service:
        pipe.send(service.url)
        state = STATES[0]
        while True:
            came = pipe.poll(1 if state.restarts else None)
            if came:
                state = pipe.recv()
            service.stop()
            if came:
                # Steps of another run have other losses, which it would refuse.
                service.recorded = Recorded()
            service.fault = state.fault or Fault()
            if state.fault is not None:
                service.start()
            if came:
                pipe.send(None)


def train(monitor: Monitor | None, steps: int) -> float:
    """A loop of some 4 ms a step; returns its result.

    2 % of a step is 80 µs; the goal for a call, 50 µs, is more than half of that.
    """
    generator = np.random.default_rng(5)
    weights = generator.standard_normal((SIZE, SIZE)).astype(np.float32) / SIZE
    batch = generator.standard_normal((SIZE, SIZE)).astype(np.float32)
    for step in range(steps):
        hidden = np.tanh(batch @ weights)
        weights -= 1e-5 * (batch.T @ hidden)
        loss = 2 + float(np.square(hidden).mean())
        if monitor is not None:
            scalars = {"lr": 1e-3, "grad_norm": loss / 3}
            monitor.step(step, loss, count=SIZE, scalars=scalars)
    return float(weights.sum())


def timed(monitor: Monitor | None, steps: int) -> tuple[float, float, float]:
    """Seconds on the clock and of the processor, and the result of a loop."""
    clock, processor = time.perf_counter(), time.process_time()
    result = train(monitor, steps)
    seconds = time.perf_counter() - clock
    return seconds, time.process_time() - processor, result


def measure_loop(name: str, monitors: list[Monitor], steps: int) -> None:
    """Compares loops with monitors to loops without, in turn."""
    with_monitor: list[tuple[float, float, float]] = []
    without: list[tuple[float, float, float]] = []
    for turn, monitor in enumerate(monitors):
        order = [monitor, None] if turn % 2 else [None, monitor]
        for each in order:
            (without if each is None else with_monitor).append(timed(each, steps))
    for monitor in monitors:
        monitor.close(0.1)
    same = len({result for _, _, result in with_monitor + without}) == 1
    clock, processor = (
        statistics.median(
            a[kind] / b[kind] for a, b in zip(with_monitor, without, strict=True)
        )
        for kind in (0, 1)
    )
    step = statistics.median(seconds for seconds, _, _ in without) / steps
    print(
        f"{name:<24} {step * 1e3:5.2f} ms a step, time {100 * (clock - 1):+5.2f} %, "
        f"processor {100 * (processor - 1):+5.2f} %, "
        f"result {'the same' if same else 'ANOTHER'}",
        flush=True,
    )


def measure_calls(name: str, url: str, scalars: dict[str, float]) -> None:
    """Times calls of `step` on the training thread, each after some other work."""
    clock, processor = [], []
    losses = (2 + np.random.default_rng(1).normal(0, 0.05, CALLS)).tolist()
    with Monitor("cost", Client(url)) as monitor:
        for step, loss in enumerate(losses):
            work = time.perf_counter_ns() + 100_000
            while time.perf_counter_ns() < work:
                math.sqrt(step)
            started, spent = time.perf_counter_ns(), time.thread_time_ns()
            monitor.step(step, loss, count=SIZE, scalars=scalars)
            processor.append(time.thread_time_ns() - spent)
            clock.append(time.perf_counter_ns() - started)
    print(
        f"step() with {name:<12} {shares(clock)}; of the processor {shares(processor)}"
    )


def shares(nanoseconds: list[int]) -> str:
    """The median and the 99th percentile of times, as text."""
    ordered = sorted(nanoseconds)
    median, p99 = (ordered[int(len(ordered) * share)] / 1e3 for share in (0.5, 0.99))
    return f"median {median:.1f} µs, p99 {p99:.1f} µs"


def main() -> None:
    """Prints all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500, help="steps of a loop")
    parser.add_argument("--pairs", type=int, default=12, help="loops of each kind")
    arguments = parser.parse_args()
    logging.getLogger("lossmeter").setLevel(logging.ERROR)

    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=serve, args=(other,), daemon=True)
    process.start()
    url = pipe.recv()
    for count in (0, 2, 10, 200):
        scalars = {f"grad_norm/layers.{k}": k / 7 for k in range(count)}
        measure_calls(f"{count} scalars", url, scalars)
    turns = range(arguments.pairs)
    for state in STATES:
        pipe.send(state)
        pipe.recv()
        monitors = [Monitor(f"{state.name} {turn}", Client(url)) for turn in turns]
        measure_loop(state.name, monitors, arguments.steps)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{turn}.ndjson" for turn in turns]
        measure_loop("a file", [Monitor(path=path) for path in paths], arguments.steps)
    if Path("/dev/full").exists():
        monitors = [Monitor(path="/dev/full") for _ in turns]
        measure_loop("a file, full disk", monitors, arguments.steps)
    process.terminate()


if __name__ == "__main__":
    main()
