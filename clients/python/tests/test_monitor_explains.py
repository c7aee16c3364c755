"""The service explains the steps of a monitor that went wrong."""

from __future__ import annotations

import math
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import urllib3
from service import ROOT

from lossmeter import Monitor, NonFiniteStepError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray
    from service import Service

    from lossmeter import Client, Run
    from lossmeter.schemas import Options

ROWS, CLASSES = 12, 7
LABEL = np.arange(ROWS) % CLASSES


@pytest.fixture
def run(client: Client, request: pytest.FixtureRequest) -> Run:
    """A run that does not exist yet, named after the test."""
    return client.run(request.node.name.partition("[")[0][-100:])


def monitor_of(run: Run, **arguments: Any) -> Monitor:  # noqa: ANN401 -- those of Monitor
    return Monitor(run.name, run.client, interval=0.02, **arguments)


def good() -> NDArray[np.float32]:
    generator = np.random.default_rng(3)
    return generator.standard_normal((ROWS, CLASSES)).astype(np.float32)


def points_of(run: Run, name: str) -> dict[int, float]:
    """The values of a scalar by step, from the service."""
    path = f"/v1/runs/{quote(run.name, safe='')}/scalars/{quote(name, safe='')}"
    points = urllib3.request("GET", run.client.url + path).json()["points"]
    return {point["step"]: float(point["value"]) for point in points}


def test_scalars_are_recorded_with_every_step(run: Run) -> None:
    name = "grad_norm/λ “0”"
    with monitor_of(run) as monitor:
        for step in range(3):
            logits = good() if step == 1 else None
            loss = math.inf if step == 1 else 2.5
            scalars = {"lr": step / 8, name: math.nan}
            monitor.step(step, loss, logits=logits, label=LABEL, scalars=scalars)

    assert points_of(run, "lr") == {0: 0, 1: 0.125, 2: 0.25}
    assert [*map(math.isnan, points_of(run, name).values())] == [True] * 3
    # The service computed another loss from the logits.
    assert points_of(run, "declared_loss") == {1: math.inf}
    assert math.isfinite(run.steps()[1]["loss"])


def test_a_file_is_imported_as_it_would_have_been_recorded(
    run: Run, tmp_path: Path, service: Service
) -> None:
    told = run.client.run(f"{run.name}.told")
    with (
        Monitor(path=tmp_path / "run.ndjson", rank=1, attempt=2, device="gpu") as file,
        Monitor(told.name, run.client, rank=1, attempt=2, device="gpu") as monitor,
    ):
        for step in range(1500):
            for each in (file, monitor):
                loss = math.nan if step == 7 else 1 / (step + 1)
                each.step(step, loss, count=3, scalars={"lr": loss / 3, "a/ü b": step})

    node = os.environ.get("LOSSMETER_NODE", "node")
    command = [node, "src/cli/bin.js", "runs", "import", "--run", run.name]
    subprocess.run(
        [*command, str(tmp_path / "run.ndjson")],
        cwd=ROOT,
        env={**os.environ, "LOSSMETER_URL": service.url},
        check=True,
        capture_output=True,
    )

    assert file.sent == monitor.sent == 1500
    time = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
    exports = [time.sub("", each.export("csv", "batches")) for each in (run, told)]
    assert exports[0] == exports[1]
    for name in ("lr", "a/ü b"):
        assert repr(points_of(run, name)) == repr(points_of(told, name))


def test_a_nan_is_named_by_row_and_class(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    found = []
    with monitor_of(run, rank=1) as monitor:
        logits = torch.from_numpy(good()).requires_grad_()
        for step in range(6):
            if step == 4:
                with torch.no_grad():
                    logits[5, 2] = math.nan
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(LABEL))
            given: dict[str, Any] = {
                "logits": logits,
                "label": LABEL,
                "scalars": {"lr": 0.1},
            }
            found += monitor.step(step, loss, count=ROWS, **given)
            with torch.no_grad():
                logits[5, 2] = 0
        assert monitor.flush()
        found += monitor.step(6, 1.0, count=ROWS)

    (explanation,) = found
    assert (explanation.step, explanation.rank) == (4, 1)
    assert (explanation.reason, explanation.row, explanation.column) == (
        "non_finite",
        5,
        2,
    )
    # The loop has overwritten its logits; the monitor copied them before.
    assert str(explanation) == (
        "step 4, rank 1: loss is nan; "
        "NaN in 1 of 12 rows; first at row 5, class 2 (not the label)"
    )
    assert explanation.summary in caplog.text
    steps = {each["step"]: each["loss"] for each in run.steps()}
    assert list(steps) == [0, 1, 2, 3, 4, 5, 6]
    assert math.isnan(steps[4])
    (rank,) = run.step(4)["rank_details"]
    diagnostics = rank["micro_batches"][0]["diagnostics"]
    assert diagnostics["locations"][0]["row"] == 5
    assert (monitor.sent, monitor.dropped) == (8, 0)


def from_numpy_bfloat16(array: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(array).to(torch.bfloat16)


@pytest.mark.parametrize("make", [np.asarray, from_numpy_bfloat16, jnp.asarray])
def test_arrays_of_any_library_are_taken(
    run: Run, make: Callable[[NDArray[np.float32]], ArrayLike]
) -> None:
    array = good()
    array[5, 2] = np.nan
    logits = make(array)
    with monitor_of(run) as monitor:
        monitor.step(
            0,
            jnp.float32(np.nan),
            count=jnp.int32(4),
            logits=lambda: logits,
            label=LABEL,
        )
        assert monitor.flush()
        (explanation,) = monitor.step(1, 1.0)
    run.delete()

    assert (explanation.row, explanation.column) == (5, 2)


def test_a_spike_is_explained_by_its_worst_rows(run: Run) -> None:
    with monitor_of(run) as monitor:
        for step in range(30):
            monitor.step(step, 2.0, count=ROWS)
        logits = good()
        logits[7] = -50
        logits[7, (LABEL[7] + 1) % CLASSES] = 50
        loss = torch.nn.functional.cross_entropy(
            torch.from_numpy(logits), torch.from_numpy(LABEL)
        )
        monitor.step(30, loss, count=ROWS, logits=lambda: logits, label=lambda: LABEL)
        assert monitor.flush()
        (explanation,) = monitor.step(31, 2.0, count=ROWS)

    assert (explanation.reason, explanation.row) == ("spike", 7)
    assert explanation.column == LABEL[7]
    assert f"row 7, label {LABEL[7]}, loss 100" in explanation.summary
    assert [each["spike"] for each in run.steps()] == [False] * 30 + [True, False]


def test_mask_weight_and_options_are_those_of_the_loss(run: Run) -> None:
    logits = good()
    logits[0, 0] = np.nan
    mask = np.ones(ROWS)
    mask[0] = 0
    weight = np.linspace(1, 2, CLASSES)
    with monitor_of(run, options={"label_smoothing": 0.1}) as monitor:
        monitor.step(
            0, math.nan, logits=logits, label=LABEL, input_mask=mask, weight=weight
        )
        assert monitor.flush()
        (explanation,) = monitor.step(1, 1.0)

    assert explanation.evaluation is not None
    reference = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits[1:].astype(np.float64)),
        torch.from_numpy(LABEL[1:]),
        torch.from_numpy(weight),
        label_smoothing=0.1,
    )
    assert run.steps()[0]["loss"] == pytest.approx(
        explanation.evaluation.numerator / explanation.evaluation.denominator
    )
    assert explanation.evaluation.mean_nll > 0
    assert reference > 0
    # The logits of counted rows are finite: the fault is in the loop.
    assert "check how the loop computes the loss" in explanation.summary


def test_sampled_steps_are_evaluated(run: Run) -> None:
    with monitor_of(run, sample_every=5) as monitor:
        for step in range(12):
            found = monitor.step(step, 2.0, count=ROWS, logits=good(), label=LABEL)
            assert found == []

    details = [run.step(step)["rank_details"][0]["micro_batches"][0] for step in (5, 6)]
    evaluated = [each["loss"] for each in run.steps()]
    assert [step for step, loss in enumerate(evaluated) if loss != 2] == [0, 5, 10]
    assert details[0] != details[1]


def test_a_sampled_step_that_the_service_finds_wrong_is_told(run: Run) -> None:
    logits = good()
    logits[3, 3] = np.inf
    with monitor_of(run, sample_every=1) as monitor:
        monitor.step(0, 2.0, logits=logits, label=LABEL)
        assert monitor.flush()
        (explanation,) = monitor.step(1, 2.0)

    assert (explanation.reason, explanation.row, explanation.column) == ("sample", 3, 3)


def test_the_explanation_is_raised(run: Run) -> None:
    logits = good()
    logits[2, 6] = np.nan
    with monitor_of(run, on_non_finite="raise") as monitor:
        monitor.step(0, math.nan, logits=logits, label=LABEL)
        assert monitor.flush()
        with pytest.raises(NonFiniteStepError, match="row 2, class 6") as raised:
            monitor.step(1, math.nan)

    assert raised.value.explanation.column == 6


@pytest.mark.parametrize(
    ("label", "options", "why"),
    [
        (LABEL + 1, {}, "invalid_label"),
        (LABEL[1:], {}, "shape"),
        (LABEL, {"label_smoothing": 7}, "label_smoothing"),
        (LABEL, {"label_smoothing": {1}}, "label_smoothing"),
    ],
)
def test_the_pair_is_recorded_when_the_batch_is_refused(
    run: Run, label: NDArray[np.int64], options: Options, why: str
) -> None:
    with monitor_of(run, options=options) as monitor:
        monitor.step(3, math.nan, count=2, logits=good(), label=label)
        assert monitor.flush()
        (explanation,) = monitor.step(4, 1.0)
    run.delete()

    assert why in explanation.summary
    assert explanation.evaluation is None
    assert (monitor.sent, monitor.dropped) == (2, 0)


def test_a_step_that_is_recorded_otherwise_is_counted_as_refused(run: Run) -> None:
    run.record_pair(3, 0, 1, 1)
    with monitor_of(run) as monitor:
        monitor.step(3, math.nan, logits=good(), label=LABEL)

    assert monitor.lost == {"refused": 1}
    assert run.steps()[0]["loss"] == 1
