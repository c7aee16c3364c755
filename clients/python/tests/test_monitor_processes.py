"""Monitors when their process ends, forks or is copied."""

from __future__ import annotations

import copy
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from bulk_service import BulkService, Fault

from lossmeter import Client, Monitor

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = """
import os, signal, sys, threading, time
from lossmeter import Client, Monitor
monitor = Monitor("run", Client(sys.argv[1]), interval=60)
for step in range(500):
    monitor.step(step, loss=1)
"""
"""All is still in the queue when it ends."""


@pytest.fixture
def bulk() -> Iterator[BulkService]:
    with BulkService() as service:
        yield service


def start(program: str, bulk: BulkService) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + program, bulk.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(program: str, bulk: BulkService) -> tuple[int, str, str]:
    process = start(program, bulk)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("sys.exit(3)", 3), ("raise ValueError", 1)]
)
def test_what_waits_is_sent_at_exit(bulk: BulkService, end: str, code: int) -> None:
    assert run(end, bulk)[0] == code
    assert len(bulk.recorded.pairs) == 500


def test_an_exit_does_not_wait_for_ever(bulk: BulkService) -> None:
    bulk.stop()
    started = time.monotonic()

    code, _, errors = run("monitor._sender.limits.__dict__['exit_timeout'] = 1", bulk)

    assert code == 0
    assert time.monotonic() - started < 10
    assert "0 items recorded, 500 dropped: 500 closed" in errors


def test_what_waits_is_sent_at_sigterm_which_ends_the_process_then(
    bulk: BulkService,
) -> None:
    process = start("print('ready', flush=True)\ntime.sleep(60)", bulk)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert process.returncode == -signal.SIGTERM
    assert len(bulk.recorded.pairs) == 500


def test_sigterm_may_come_at_any_time_of_a_step(bulk: BulkService) -> None:
    program = """
print('ready', flush=True)
for step in range(500, 10**9):
    monitor.step(step, loss=1, scalars={"a": 1})
"""
    for attempt in range(5):
        process = start(program, bulk)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * attempt)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        process.communicate(timeout=20)

        assert process.returncode == -signal.SIGTERM
        assert time.monotonic() - started < 8
        assert len(bulk.recorded.pairs) >= 500
        bulk.recorded.pairs.clear()
        bulk.recorded.scalars.clear()


def test_a_second_sigterm_ends_the_process_at_once(bulk: BulkService) -> None:
    bulk.fault = Fault(seconds=60)
    process = start("print('ready', flush=True)\ntime.sleep(60)", bulk)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert process.returncode == -signal.SIGTERM


def test_a_handler_of_the_programs_own_stays(bulk: BulkService) -> None:
    program = """
def handle(number, frame):
    print("handled", flush=True)
    sys.exit(7)
monitor.close()
signal.signal(signal.SIGTERM, handle)
other = Monitor("run", Client(sys.argv[1]), interval=60)
other.step(500, loss=1)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
    code, output, _ = run(program, bulk)

    # The handler exits, which flushes.
    assert (code, output) == (7, "handled\n")
    assert len(bulk.recorded.pairs) == 501


def test_sigterm_is_left_alone_where_that_is_asked_for_and_after_the_end(
    bulk: BulkService,
) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with Monitor("run", Client(bulk.url), handle_sigterm=False):
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    first = Monitor("run", Client(bulk.url))
    with Monitor("run", Client(bulk.url)):
        assert callable(signal.getsignal(signal.SIGTERM))
        first.close()
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


FORK = """
child = os.fork()
if child == 0:
    assert (monitor.waiting, monitor.sent, monitor.dropped) == (0, 0, 0)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    for step in range(1000, 1100):
        monitor.step(step, loss=2)
    assert monitor.close(), monitor.lost
    assert monitor.sent == 100
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert monitor.waiting == 500
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_queue_of_its_own(bulk: BulkService) -> None:
    code, _, errors = run(FORK, bulk)

    assert code == 0, errors
    steps = sorted(key[0] for key in bulk.recorded.pairs)
    assert steps == [*range(500), *range(1000, 1100)]
    assert sum(bulk.recorded.requests) == 600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_the_thread_sends_and_steps_are_made(bulk: BulkService) -> None:
    program = """
ends = threading.Event()
def train():
    step = 10_000
    while not ends.is_set():
        monitor.step(step, loss=1)
        step += 1
        time.sleep(0.0002)
thread = threading.Thread(target=train, daemon=True)
thread.start()
for number in range(20):
    child = os.fork()
    if child == 0:
        monitor.step(1000 + number, loss=2)
        os._exit(0 if monitor.close(10) else 1)
    assert os.waitpid(child, 0)[1] == 0
ends.set()
thread.join()
assert monitor.close() and monitor.dropped == 0, monitor.lost
"""
    code, _, errors = run(program, bulk)

    assert code == 0, errors
    assert {(1000 + number, 0, 0, 0) for number in range(20)} <= set(
        bulk.recorded.pairs
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_flush_at_their_end(
    bulk: BulkService, method: str, tmp_path: os.PathLike[str]
) -> None:
    script = os.path.join(tmp_path, "script.py")  # noqa: PTH118
    with open(script, "w") as file:  # noqa: PTH123
        file.write(f"""
import multiprocessing, sys
from lossmeter import Client, Monitor

def work(monitor):
    for step in range(100):
        monitor.step(step, loss=1)

if __name__ == "__main__":
    monitor = Monitor("run", Client(sys.argv[1]), interval=60)
    context = multiprocessing.get_context("{method}")
    process = context.Process(target=work, args=(monitor,))
    process.start()
    process.join()
    assert process.exitcode == 0
""")
    arguments = [sys.executable, script, bulk.url]
    subprocess.run(arguments, check=True, timeout=60)

    assert len(bulk.recorded.pairs) == 100


def test_a_pickled_monitor_has_all_but_the_queue(bulk: BulkService) -> None:
    with Monitor("run", Client(bulk.url), 2, 3, interval=60, device="a") as monitor:
        for step in range(64):
            monitor.step(step, loss=2)
        again = pickle.loads(pickle.dumps(monitor))  # noqa: S301
        assert monitor.waiting == 64

    assert (again.run, again.rank, again.attempt) == ("run", 2, 3)
    assert (again.waiting, again.sent, again.dropped) == (0, 0, 0)
    # The copy has the losses so far, so it finds a spike at once.
    (explanation,) = again.step(64, loss=3)
    assert explanation.reason == "spike"
    assert again.close()
    assert (64, 2, 0, 3) in bulk.recorded.pairs


def test_a_copy_has_a_queue_of_its_own(bulk: BulkService) -> None:
    with Monitor("run", Client(bulk.url), interval=60) as monitor:
        monitor.step(0, loss=2)
        other = copy.deepcopy(monitor)
        other.step(1, loss=math.pi)
        assert (monitor.waiting, other.waiting) == (1, 1)
        assert other.close()

    assert len(bulk.recorded.pairs) == 2


def test_a_monitor_that_is_forgotten_sends_what_waits_and_ends_its_thread(
    bulk: BulkService,
) -> None:
    threads = threading.active_count()
    monitor = Monitor("run", Client(bulk.url), interval=60)
    monitor.step(0, loss=2)
    del monitor

    deadline = time.monotonic() + 5
    while threading.active_count() > threads + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    while not bulk.recorded.pairs and time.monotonic() < deadline:
        time.sleep(0.01)
    names = [thread.name for thread in threading.enumerate()]
    assert len(bulk.recorded.pairs) == 1
    assert "lossmeter-monitor" not in names
