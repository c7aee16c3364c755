"""Runs of the training examples, and their records in the service."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3
from service import ROOT

if TYPE_CHECKING:
    from lossmeter import Client

SECONDS = 240
ROW, COLUMN = 21, 17
"""The examples say of themselves that they spoil it."""


def run_example(name: str, *arguments: str) -> str:
    """Output of an example, which runs without downloads and on one thread."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments],
        capture_output=True,
        check=False,
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "JAX_PLATFORMS": "cpu",
            "OMP_NUM_THREADS": "1",
        },
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_nan_is_named(
    client: Client, run: str, printed: str, step: int, rank: int = 0
) -> None:
    """Asserts that explanation and diagnostics name the row and the class."""
    assert f"step {step}, rank {rank}: loss is nan; NaN in 1 of " in printed
    assert f" rows; first at row {ROW}, class {COLUMN} (not the label)\n" in printed
    recorded = client.run(run)
    bad = [each["step"] for each in recorded.steps() if not math.isfinite(each["loss"])]
    assert bad == [step]
    details = recorded.step(step)["rank_details"]
    for detail in details:
        found = detail["micro_batches"][0]["diagnostics"]["causes"]
        if detail["rank"] == rank:
            assert [each["cause"] for each in found] == ["nan_logit"]
            first = found[0]["first"]
            assert (first["row"], first["column"]) == (ROW, COLUMN)
        else:
            assert found == []


def points_of(client: Client, run: str, name: str) -> dict[int, float]:
    """The values of a scalar by step."""
    path = f"/v1/runs/{quote(run, safe='')}/scalars/{quote(name, safe='')}"
    points = urllib3.request("GET", client.url + path).json()["points"]
    return {point["step"]: float(point["value"]) for point in points}


def first_steps(client: Client, run: str) -> dict[int, int]:
    """The first step of each attempt."""
    path = f"/v1/runs/{quote(run, safe='')}/attempts"
    attempts = urllib3.request("GET", client.url + path).json()["attempts"]
    return {each["attempt"]: each["first_step"] for each in attempts}
