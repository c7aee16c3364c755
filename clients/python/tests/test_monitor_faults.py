"""Faults of the service do not affect the training loop."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bulk_service import MOST_ITEMS, BulkService, Fault

from lossmeter import Client, Monitor, NonFiniteStepError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = 10_000
BAD_STEP = 7_777


def train(monitor: Monitor | None) -> str:
    """A loop whose result depends on every step; one of its losses is NaN."""
    generator = np.random.default_rng(5)
    weights = generator.standard_normal((16, 16))
    digest = hashlib.sha256()
    for step in range(STEPS):
        batch = generator.standard_normal(16)
        residual = weights @ batch - batch
        weights -= 1e-3 * np.outer(residual, batch)
        # Flat enough that no step is a spike.
        loss = 100 + float(residual @ residual) / 100
        loss = math.nan if step == BAD_STEP else loss
        if monitor is not None:
            monitor.step(
                step,
                loss,
                count=16,
                scalars={"norm": np.abs(weights).max()},
                logits=lambda: np.zeros((4, 8)),
                label=np.zeros(4, np.int64),
            )
        digest.update(weights.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def expected() -> str:
    return train(None)


@pytest.fixture
def bulk() -> Iterator[BulkService]:
    with BulkService() as service:
        yield service


@dataclass
class Meanwhile:
    """Repeats an action on a service while a loop runs."""

    action: Callable[[int], None]
    seconds: float

    def __enter__(self) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._repeat)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _repeat(self) -> None:
        turn = 0
        while not self._ends.wait(self.seconds):
            self.action(turn)
            turn += 1


def monitor_of(
    bulk: BulkService, exit_timeout: float = 20, max_items: int = 100_000
) -> Monitor:
    client = Client(bulk.url, timeout=5)
    return Monitor(
        "run",
        client,
        interval=0.02,
        exit_timeout=exit_timeout,
        max_items=max_items,
    )


def settled(monitor: Monitor, bulk: BulkService) -> None:
    """Asserts that everything is recorded, including the non-finite loss."""
    assert (monitor.waiting, monitor.dropped) == (0, 0)
    assert len(bulk.recorded.pairs) == STEPS
    assert math.isnan(bulk.recorded.pairs[BAD_STEP, 0, 0, 0][0])
    assert len(bulk.recorded.scalars) == STEPS


def test_a_service_that_is_there(bulk: BulkService, expected: str) -> None:
    with monitor_of(bulk) as monitor:
        assert train(monitor) == expected

    settled(monitor, bulk)


def test_a_service_that_is_stopped(bulk: BulkService, expected: str) -> None:
    bulk.stop()

    with monitor_of(bulk, exit_timeout=0.5) as monitor:
        assert train(monitor) == expected
        assert monitor.waiting > 0

    assert monitor.sent == 0
    assert sum(monitor.lost.values()) == monitor.dropped
    assert monitor.lost == {"closed": STEPS + 1}


def test_a_service_that_is_stopped_and_comes_back(
    bulk: BulkService, expected: str
) -> None:
    bulk.stop()
    with monitor_of(bulk) as monitor:
        assert train(monitor) == expected
        bulk.start()

    settled(monitor, bulk)


def test_a_service_that_is_stopped_while_little_may_wait(
    bulk: BulkService, expected: str
) -> None:
    bulk.stop()
    most = 500
    with monitor_of(bulk, max_items=most) as monitor:
        assert train(monitor) == expected
        waiting = monitor.waiting
        bulk.start()

    # Items of the current request are not in the queue.
    assert waiting <= most + MOST_ITEMS
    assert monitor.lost == {"queue_full": STEPS + 1 - waiting}
    assert monitor.sent == waiting
    # The newest items are kept.
    assert (STEPS - 1, 0, 0, 0) in bulk.recorded.pairs


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_refuses(bulk: BulkService, expected: str, status: int) -> None:
    bulk.fault = Fault(status=status, retry_after="0")
    with monitor_of(bulk) as monitor:
        assert train(monitor) == expected
        assert monitor.sent == 0
        bulk.fault = Fault()

    settled(monitor, bulk)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_service_that_is_set_up_wrongly_until_somebody_mends_it(
    bulk: BulkService, expected: str, status: int
) -> None:
    bulk.fault = Fault(status=status)
    with monitor_of(bulk) as monitor:
        assert train(monitor) == expected
        bulk.fault = Fault()

    settled(monitor, bulk)


def test_a_service_that_is_slow(bulk: BulkService, expected: str) -> None:
    bulk.fault = Fault(seconds=0.3)
    with monitor_of(bulk) as monitor:
        assert train(monitor) == expected

    settled(monitor, bulk)


def test_a_service_that_never_answers(bulk: BulkService, expected: str) -> None:
    bulk.fault = Fault(seconds=30)
    started = time.monotonic()
    with monitor_of(bulk, exit_timeout=1) as monitor:
        assert train(monitor) == expected
        ended = time.monotonic()

    assert time.monotonic() - ended < 10
    assert ended - started < 20
    assert monitor.sent == 0
    assert monitor.dropped == STEPS + 1


def test_a_service_that_is_restarted_again_and_again(
    bulk: BulkService, expected: str
) -> None:
    def restart(turn: int) -> None:
        if turn % 2:
            bulk.start()
        else:
            bulk.stop()

    with monitor_of(bulk) as monitor:
        with Meanwhile(restart, 0.1):
            assert train(monitor) == expected
        bulk.stop()
        bulk.start()

    settled(monitor, bulk)


def test_answers_that_are_lost(bulk: BulkService, expected: str) -> None:
    def lose(turn: int) -> None:
        bulk.fault = Fault(lost=turn % 2 == 0)

    with monitor_of(bulk) as monitor:
        with Meanwhile(lose, 0.05):
            assert train(monitor) == expected
        bulk.fault = Fault()

    # Retries sent the same items.
    settled(monitor, bulk)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_loss_that_is_not_finite_is_raised_though_nobody_explains_it(
    bulk: BulkService, *, stopped: bool
) -> None:
    bulk.fault = Fault(status=503)
    if stopped:
        bulk.stop()
    steps = []

    def train_until_nan() -> None:
        with Monitor(
            "run",
            Client(bulk.url),
            interval=0.02,
            exit_timeout=0.2,
            on_non_finite="raise",
        ) as monitor:
            for step in range(1000):
                steps.append(step)
                loss = math.nan if step == 10 else 1.0
                monitor.step(step, loss, logits=np.zeros((2, 3)), label=[0, 1])
                time.sleep(0.002)

    with pytest.raises(NonFiniteStepError, match=r"step 10, .*no explanation yet"):
        train_until_nan()

    assert 10 < len(steps) < 1000


def test_steps_that_nobody_explained_are_logged_at_the_end(
    bulk: BulkService, caplog: pytest.LogCaptureFixture
) -> None:
    bulk.stop()
    with Monitor("run", Client(bulk.url), exit_timeout=0.1) as monitor:
        monitor.step(3, math.nan, logits=np.zeros((2, 3)), label=[0, 1])

    assert "step 3, rank 0: loss is nan; no explanation" in caplog.text
    assert monitor.lost == {"closed": 1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_disk_that_is_full(expected: str) -> None:
    with Monitor(path="/dev/full", interval=0.02, exit_timeout=0.5) as monitor:
        assert train(monitor) == expected

    assert monitor.sent == 0
    assert monitor.lost == {"closed": STEPS}


DISK = """
import json, resource, sys
from lossmeter import Monitor
sys.path.insert(0, sys.argv[2])
from test_monitor_faults import train
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
with Monitor(path=sys.argv[1], interval=0.02, exit_timeout=3) as monitor:
    result = train(monitor)
    if sys.argv[3] == "freed":
        monitor.flush(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(json.dumps([result, monitor.sent, monitor.lost]))
"""


@pytest.mark.parametrize("then", ["full", "freed"])
def test_a_disk_that_becomes_full(tmp_path: Path, expected: str, then: str) -> None:
    path = tmp_path / "run.ndjson"
    folder = Path(__file__).parent
    arguments = [sys.executable, "-c", DISK, str(path), str(folder), then]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    result, sent, lost = json.loads(done.stdout)

    assert result == expected
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(sent))
    if then == "freed":
        assert (sent, lost) == (STEPS, {})
    else:
        assert 0 < sent < STEPS
        assert lost == {"closed": STEPS - sent}


def test_a_flush_that_waits_in_vain_ends_in_time(bulk: BulkService) -> None:
    bulk.stop()
    monitor = monitor_of(bulk, exit_timeout=0.1)
    monitor.step(0, 1)
    started = time.monotonic()

    assert not monitor.flush(0.3)
    assert 0.2 < time.monotonic() - started < 10
    bulk.start()
    assert monitor.flush(15)
    assert monitor.close()


def test_what_waits_is_bounded(bulk: BulkService) -> None:
    """Bytes of scalars and of logits are bounded, for any number of steps."""
    program = """
import math, resource, sys
import numpy as np
from lossmeter import Client, Monitor, NonFiniteStepError

def train(monitor, steps):
    for step in range(steps):
        monitor.step(
            step,
            math.nan if step % 100 == 0 else 1.0,
            scalars={f"s{k}": step + k / 7 for k in range(50)},
            logits=lambda: np.zeros((256, 1024), np.float32),
            label=np.zeros(256, np.int64),
        )

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

monitor = Monitor("run", Client(sys.argv[1]), max_bytes=2**24, exit_timeout=0.1)
train(monitor, 100)
before = peak()
train(monitor, 20_000)
print(peak() - before, monitor.waiting, monitor.dropped)
assert monitor.waiting + monitor.dropped >= 20_100
"""
    bulk.stop()
    arguments = [sys.executable, "-c", program, bulk.url]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    megabytes, waiting, dropped = map(float, done.stdout.split())

    # 16 MiB of items, and 16 MiB of logits; without bounds more than 300 MB.
    assert megabytes < 60
    assert waiting > 0
    assert dropped > 0
