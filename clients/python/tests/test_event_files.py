"""`lossmeter runs import` reads event files as TensorBoard's own reader does."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorboardX
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from torch.utils.tensorboard import SummaryWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
TIMEOUT_SECONDS = 60

Curves = dict[str, list[tuple[int, float]]]

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3.4028234663852886e38, 0.1]


def imported(path: Path, *arguments: str) -> tuple[list[dict[str, Any]], str, int]:
    """Items, standard error and exit code of an import."""
    program = [os.environ.get("LOSSMETER_NODE", "node"), str(ROOT / "src/cli/bin.js")]
    outcome = subprocess.run(
        [*program, "runs", "import", "--dry-run", *arguments, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    items = [json.loads(line) for line in outcome.stdout.splitlines()]
    return items, outcome.stderr, outcome.returncode


def curves_of(items: list[dict[str, Any]], loss: str) -> Curves:
    """Values by tag. An attempt supersedes earlier ones from its first step on."""
    latest: dict[str, list[tuple[int, int, float]]] = {}
    for item in items:
        scalars = dict(item.get("scalars", {}))
        if "numerator" in item:
            assert item["denominator"] == 1
            scalars[loss] = item["numerator"]
        for tag, value in scalars.items():
            latest.setdefault(tag, []).append(
                (item["attempt"], item["step"], float(value))
            )
    starts = {
        attempt: min(item["step"] for item in items if item["attempt"] == attempt)
        for attempt in {item["attempt"] for item in items}
    }
    return {
        tag: [
            (step, value)
            for attempt, step, value in points
            if not any(
                later > attempt and step >= start for later, start in starts.items()
            )
        ]
        for tag, points in latest.items()
    }


def accumulated(folder: Path) -> Curves:
    """The scalars of a folder as TensorBoard accumulates them."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    tags = reader.Tags()
    curves = {
        tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in tags["scalars"]
    }
    for tag in tags["tensors"]:
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            curves[tag] = [
                (e.step, float(tensor_util.make_ndarray(e.tensor_proto).item()))
                for e in reader.Tensors(tag)
            ]
    return curves


def loaded(file: Path) -> list[tuple[int, str, float]]:
    """The scalars of a file as TensorBoard loads them."""
    return [
        (event.step, value.tag, float(tensor_util.make_ndarray(value.tensor).item()))
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]


def assert_same(ours: Curves, theirs: Curves) -> None:
    assert sorted(ours) == sorted(theirs)
    for tag, points in theirs.items():
        assert [step for step, _ in ours[tag]] == [step for step, _ in points]
        np.testing.assert_array_equal(
            [v for _, v in ours[tag]], [v for _, v in points], tag
        )


def values(count: int) -> Iterator[tuple[int, float]]:
    """Every kind of float32, each at its own step."""
    bits = np.random.default_rng(7).integers(0, 2**32, count, dtype=np.uint32)
    with np.errstate(invalid="ignore"):
        random = bits.view(np.float32).astype(np.float64)
    return enumerate([*SPECIAL, *random.tolist()])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (SummaryWriter, {}),
        (SummaryWriter, {"new_style": True}),
        (tensorboardX.SummaryWriter, {}),
    ],
)
def test_summary_writer(
    make: Callable[[str], Any], options: dict[str, bool], folder: Path
) -> None:
    with make(str(folder)) as writer:
        for step, value in values(300):
            writer.add_scalar("train/loss", value, step, **options)
            writer.add_scalar("lr", 1e-3 / (1 + step), step, **options)
            if step % 50 == 0:
                writer.add_histogram("weights", np.arange(9.0), step)
                writer.add_text("notes", "a text", step)
                writer.add_scalar("eval/loß", step / 3, step, **options)
    items, complaints, code = imported(folder)
    assert (code, complaints) == (0, "")
    assert_same(curves_of(items, "train/loss"), accumulated(folder))


def test_tensorboards_own_writer(folder: Path) -> None:
    writer = EventFileWriter(str(folder))
    known: set[str] = set()
    for step, value in values(300):
        for tag, number in [("loss", value), ("grad_norm/layers.3", step / 7)]:
            summary = scalar_pb(tag, float(np.float32(number)))
            if tag in known:
                summary.value[0].ClearField("metadata")
            known.add(tag)
            writer.add_event(Event(step=step, summary=summary))
    writer.close()
    items, complaints, code = imported(folder)
    assert (code, complaints) == (0, "")
    assert_same(curves_of(items, "loss"), accumulated(folder))


def test_resumed_writer(folder: Path) -> None:
    with SummaryWriter(str(folder)) as writer:
        for step in range(20):
            writer.add_scalar("loss", 20 - step, step)
    with SummaryWriter(
        str(folder), purge_step=12, filename_suffix=".resumed"
    ) as writer:
        for step in range(12, 25):
            writer.add_scalar("loss", 8 - step / 4, step)
    items, _, code = imported(folder)
    assert code == 0
    assert {item["attempt"] for item in items} == {0, 1}
    assert_same(curves_of(items, "loss"), accumulated(folder))


def test_restart_in_a_file(folder: Path) -> None:
    writer = EventFileWriter(str(folder))

    def add(step: int, value: float) -> None:
        summary = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
        writer.add_event(Event(step=step, summary=summary))

    for step in range(10):
        add(step, 10 - step)
    writer.add_event(Event(step=6, session_log=SessionLog(status=SessionLog.START)))
    for step in range(6, 12):
        add(step, 2)
    writer.close()
    items, _, _ = imported(folder)
    assert_same(curves_of(items, "loss"), accumulated(folder))


def written(folder: Path) -> Path:
    with SummaryWriter(str(folder)) as writer:
        for step in range(10):
            writer.add_scalar("loss", step, step)
    (file,) = folder.iterdir()
    return file


def points_of(items: list[dict[str, Any]]) -> list[tuple[int, str, float]]:
    return [(item["step"], "loss", float(item["numerator"])) for item in items]


def test_every_truncated_tail(folder: Path, tmp_path: Path) -> None:
    whole = written(folder).read_bytes()
    cut = tmp_path / "cut.tfevents"
    for length in range(len(whole) - 60, len(whole), 5):
        cut.write_bytes(whole[:length])
        items, complaints, code = imported(cut)
        assert code == 0
        assert points_of(items) == loaded(cut)
        assert ("incomplete" in complaints) == (length < len(whole))


@pytest.mark.parametrize(("back", "lost"), [(20, 9), (20 + 42, 8)])
def test_a_corrupt_record_is_refused(folder: Path, back: int, lost: int) -> None:
    file = written(folder)
    content = bytearray(file.read_bytes())
    content[-back] ^= 1
    file.write_bytes(content)
    items, complaints, code = imported(file)
    assert code == 1
    assert "the CRC of the record is wrong" in complaints
    assert [item["step"] for item in items] == [
        step for step in range(10) if step != lost
    ]
    # TensorBoard reads nothing after the wrong record.
    assert loaded(file) == points_of(items)[:lost]
