"""A monitor records the steps of a training loop, and reports invalid ones."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from bulk_service import BulkService, Fault

from lossmeter import Client, Monitor, NonFiniteStepError
from lossmeter.monitor_items import MOST_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bulk() -> Iterator[BulkService]:
    with BulkService() as service:
        yield service


def monitor_of(bulk: BulkService, **arguments: Any) -> Monitor:  # noqa: ANN401 -- those of Monitor
    arguments = {"interval": 0.02, "exit_timeout": 10, **arguments}
    return Monitor("run", Client(bulk.url), **arguments)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Recording.


def test_loss_times_count_and_count_are_recorded(bulk: BulkService) -> None:
    with monitor_of(bulk, rank=3, attempt=2) as monitor:
        monitor.step(0, loss=0.1, count=30)
        monitor.step(1, loss=torch.tensor(0.5, requires_grad=True), count=np.int64(4))
        monitor.step(np.int32(2), loss=np.array([1.5], np.float32), micro_batch=5)

    assert bulk.recorded.pairs == {
        (0, 3, 0, 2): (0.1 * 30, 30),
        (1, 3, 0, 2): (2, 4),
        (2, 3, 5, 2): (1.5, 1),
    }
    assert (monitor.sent, monitor.dropped, monitor.waiting) == (3, 0, 0)


def test_scalars_are_recorded_with_a_loss_and_alone(bulk: BulkService) -> None:
    with monitor_of(bulk) as monitor:
        monitor.step(0, loss=1, scalars={"lr": 1e-3, "grad_norm/layers.3": np.inf})
        monitor.step(1, scalars={"lr": torch.tensor(0.25), "ξ — “\\": np.float32(2)})
        monitor.step(2)

    assert bulk.recorded.scalars == {
        (0, 0, 0, "lr"): 1e-3,
        (0, 0, 0, "grad_norm/layers.3"): math.inf,
        (1, 0, 0, "lr"): 0.25,
        (1, 0, 0, "ξ — “\\"): 2,
    }
    assert list(bulk.recorded.pairs) == [(0, 0, 0, 0)]
    assert (monitor.sent, monitor.dropped) == (2, 0)


def test_more_scalars_than_fit_a_request_are_all_recorded(bulk: BulkService) -> None:
    with monitor_of(bulk) as monitor:
        for step in range(3):
            scalars = {f"{k}" + "”" * 250: k for k in range(12_000)}
            monitor.step(step, loss=1, scalars=scalars)

    assert len(bulk.recorded.scalars) == 3 * 12_000
    assert len(bulk.recorded.pairs) == 3
    assert (monitor.dropped, monitor.waiting) == (0, 0)


def test_many_steps_go_in_few_requests(bulk: BulkService) -> None:
    with monitor_of(bulk, interval=0.2) as monitor:
        for step in range(10_000):
            monitor.step(step, loss=2)
        assert monitor.flush()
        assert monitor.sent == 10_000

    assert len(bulk.recorded.pairs) == 10_000
    assert max(bulk.recorded.requests) == MOST_ITEMS
    assert len(bulk.recorded.requests) < 20


def test_items_are_gathered_for_the_interval(bulk: BulkService) -> None:
    with monitor_of(bulk, interval=0.3) as monitor:
        for step in range(100):
            monitor.step(step, loss=2)
            time.sleep(0.001)

    assert len(bulk.recorded.requests) <= 2


def test_threads_may_share_a_monitor(bulk: BulkService) -> None:
    with monitor_of(bulk) as monitor:

        def record(first: int) -> None:
            for step in range(first, 4000, 4):
                monitor.step(step, loss=2)

        threads = [threading.Thread(target=record, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(bulk.recorded.pairs) == monitor.sent == 4000


# Invalid steps and numbers.


def test_what_is_no_step_is_counted_and_not_raised(
    bulk: BulkService, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "lossmeter"), monitor_of(bulk) as monitor:
        monitor.step(-1, loss=1)
        monitor.step("7", loss=1)  # type: ignore[arg-type]
        monitor.step(0, loss="abc")
        monitor.step(1, loss=np.zeros(2))
        monitor.step(2, loss=1, scalars={"a\nb": 1, "good": 2, "none": None})
        monitor.step(2, scalars={"🚂" * 129: 1, "": 2, 3: 4})  # type: ignore[dict-item]
        monitor.step(3, loss=1, scalars=7)  # type: ignore[arg-type]

    assert monitor.lost == {"invalid": 10}
    assert list(bulk.recorded.pairs) == [(2, 0, 0, 0)]
    assert bulk.recorded.scalars == {(2, 0, 0, "good"): 2}
    assert "1 items recorded, 10 dropped: 10 invalid" in caplog.text


def test_items_that_are_refused_are_counted_and_the_others_recorded(
    bulk: BulkService, caplog: pytest.LogCaptureFixture
) -> None:
    bulk.refuse = {3: "superseded", 5: "rank_unexpected"}
    with caplog.at_level(logging.INFO, "lossmeter"), monitor_of(bulk) as monitor:
        for step in range(10):
            monitor.step(step, loss=1)

    assert (monitor.sent, monitor.lost) == (8, {"refused": 2})
    assert "step 3 was not recorded: refused (superseded, 422)" in caplog.text


def test_a_pair_is_recorded_though_its_scalars_are_refused(bulk: BulkService) -> None:
    bulk.refuse_scalars = True
    with monitor_of(bulk) as monitor:
        for step in range(10):
            monitor.step(step, loss=1, scalars={"lr": 1})

    assert len(bulk.recorded.pairs) == 10
    assert (monitor.sent, monitor.lost, monitor.waiting) == (10, {"refused": 10}, 0)


def test_refused_steps_with_scalars_take_few_requests(bulk: BulkService) -> None:
    bulk.refuse = dict.fromkeys(range(3000), "conflict")
    with monitor_of(bulk) as monitor:
        for step in range(3000):
            monitor.step(step, loss=1, scalars={"lr": 1})

    assert monitor.lost == {"refused": 6000}
    assert len(bulk.recorded.requests) < 20


def test_a_pair_is_recorded_alone_though_requests_with_its_scalars_are_refused(
    bulk: BulkService,
) -> None:
    bulk.fault = Fault(most_scalars=0)
    with monitor_of(bulk) as monitor:
        for step in range(10):
            monitor.step(step, loss=1, scalars={"lr": 1})

    assert len(bulk.recorded.pairs) == 10
    assert (monitor.sent, monitor.lost, monitor.waiting) == (10, {"refused": 10}, 0)


def test_a_request_that_is_too_large_is_divided(bulk: BulkService) -> None:
    bulk.fault = Fault(most_items=3)
    with monitor_of(bulk) as monitor:
        for step in range(100):
            monitor.step(step, loss=1)

    assert len(bulk.recorded.pairs) == monitor.sent == 100
    assert max(bulk.recorded.requests) <= 3


def test_a_request_that_is_refused_however_small_is_counted(bulk: BulkService) -> None:
    bulk.fault = Fault(status=400)
    with monitor_of(bulk) as monitor:
        for step in range(5):
            monitor.step(step, loss=1)

    assert monitor.lost == {"refused": 5}


def test_steps_after_the_end_are_counted(bulk: BulkService) -> None:
    monitor = monitor_of(bulk)
    monitor.step(0, loss=1)
    assert monitor.close()
    assert monitor.close()
    monitor.step(1, loss=1)

    assert (monitor.sent, monitor.lost) == (1, {"closed": 1})


# Explanations.


def test_a_loss_that_is_not_finite_is_told_at_the_next_call(
    bulk: BulkService, caplog: pytest.LogCaptureFixture
) -> None:
    with monitor_of(bulk) as monitor:
        found = monitor.step(7, loss=math.nan)
        found += monitor.step(8, loss=1)

    (explanation,) = found
    assert (explanation.step, explanation.reason) == (7, "non_finite")
    assert "loss is nan" in str(explanation)
    assert explanation.row is None
    assert str(explanation) in caplog.text


def test_a_loss_that_is_not_finite_is_raised_on_demand(bulk: BulkService) -> None:
    steps = []

    def train() -> None:
        with monitor_of(bulk, on_non_finite="raise") as monitor:
            for step in range(10):
                steps.append(step)
                monitor.step(step, loss=math.inf if step == 3 else 1)

    with pytest.raises(NonFiniteStepError, match="step 3") as raised:
        train()

    assert steps[-1] < 9
    assert raised.value.explanation.step == 3
    assert (3, 0, 0, 0) in bulk.recorded.pairs


def test_the_last_loss_is_raised_at_the_end(bulk: BulkService) -> None:
    monitor = monitor_of(bulk, on_non_finite="raise")
    with pytest.raises(NonFiniteStepError, match="step 3"), monitor:
        monitor.step(3, loss=math.nan)


def test_the_pair_is_sent_when_the_logits_are_refused(bulk: BulkService) -> None:
    with monitor_of(bulk) as monitor:
        monitor.step(
            4,
            math.nan,
            count=2,
            logits=np.zeros((2, 3)),
            label=[0, 1],
            scalars={"a": 1},
        )
        assert monitor.flush()
        (explanation,) = monitor.step(5, 1)

    assert bulk.recorded.puts == 1
    assert str(bulk.recorded.pairs[4, 0, 0, 0]) == "(nan, 2.0)"
    assert "no explanation: a fault (code_413, 413)" in explanation.summary
    assert bulk.recorded.scalars == {(4, 0, 0, "a"): 1}
    assert (monitor.sent, monitor.dropped) == (3, 0)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"logits": np.zeros((2, 3))}, "label is missing"),
        ({"logits": "text", "label": [0]}, "logits"),
        ({"logits": lambda: 1 / 0, "label": [0]}, "division by zero"),
        ({"logits": np.zeros((2, 300)), "label": [0, 1]}, "max_bytes"),
    ],
)
def test_logits_that_cannot_be_sent_do_not_cost_the_step(
    bulk: BulkService, given: dict[str, Any], why: str
) -> None:
    with monitor_of(bulk, max_bytes=4000) as monitor:
        found = monitor.step(0, loss=math.nan, **given)
        assert monitor.flush()
        (explanation,) = found + monitor.step(1, loss=1)

    assert why in explanation.summary
    assert (0, 0, 0, 0) in bulk.recorded.pairs
    assert bulk.recorded.puts == 0


def test_logits_of_good_steps_are_not_looked_at(bulk: BulkService) -> None:
    class Untouchable:
        shape = (2, 3)

        def __array__(self, *_: object, **__: object) -> None:
            raise AssertionError

    def never() -> None:
        raise AssertionError

    with monitor_of(bulk) as monitor:
        for step in range(100):
            logits: Any = Untouchable() if step % 2 else never
            assert not monitor.step(step, 2.0, logits=logits, label=never)  # type: ignore[arg-type]

    assert bulk.recorded.puts == 0
    assert monitor.dropped == 0


# Files.


def test_a_file_has_the_items_of_a_request(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with Monitor(path=path, rank=1, attempt=2, device="host/gpu 0") as monitor:
        monitor.step(0, 0.5, count=4, scalars={"lr": math.inf})
        monitor.step(1, math.nan, logits=lambda: 1 / 0, label=[0], declared_loss=2)
        monitor.step(2, scalars={"a": 1})
    with Monitor(path=path) as again:
        again.step(2, 1.0, micro_batch=3)

    common = {"rank": 1, "attempt": 2, "device": "host/gpu 0"}
    assert lines_of(path) == [
        {
            "step": 0,
            **common,
            "numerator": 2,
            "denominator": 4,
            "scalars": {"lr": "Infinity"},
        },
        {
            "step": 1,
            **common,
            "numerator": "NaN",
            "denominator": 1,
            "declared_loss": 2,
        },
        {"step": 2, "rank": 1, "attempt": 2, "scalars": {"a": 1}},
        {"step": 2, "micro_batch": 3, "numerator": 1, "denominator": 1},
    ]
    assert (monitor.sent, again.sent) == (3, 1)


@pytest.mark.parametrize(
    ("last", "kept"), [(b'{"step":1,"numer', []), (b'{"step":1}', [{"step": 1}])]
)
def test_a_line_that_a_crash_cut_off_is_taken_away(
    tmp_path: Path, last: bytes, kept: list[dict[str, int]]
) -> None:
    path = tmp_path / "run.ndjson"
    path.write_bytes(b'{"step":0}\n' + last)

    with Monitor(path=path) as monitor:
        monitor.step(2, scalars={"a": 1})

    assert lines_of(path) == [
        {"step": 0},
        *kept,
        {"step": 2, "scalars": {"a": 1}},
    ]


def test_a_monitor_needs_a_run_or_a_path() -> None:
    with pytest.raises(ValueError, match="neither run nor path"):
        Monitor()
    with pytest.raises(ValueError, match="rank is -1"):
        Monitor("run", rank=-1)
    with pytest.raises(ValueError, match="on_non_finite is 'explode'"):
        Monitor("run", on_non_finite="explode")  # type: ignore[arg-type]
