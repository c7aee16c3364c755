"""`lossmeter runs import` takes the files that a monitor writes without a service."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmeter import Client, Monitor

if TYPE_CHECKING:
    from service import Service

ROOT = Path(__file__).parents[3]
TIMEOUT_SECONDS = 60


def imported(service: Service, *arguments: str | Path) -> list[dict[str, Any]]:
    """Counts of an import, by run."""
    program = [os.environ.get("LOSSMETER_NODE", "node"), str(ROOT / "src/cli/bin.js")]
    done = subprocess.run(
        [*program, "runs", "import", "--json", *map(str, arguments)],
        env={**os.environ, "LOSSMETER_URL": service.url},
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return runs


def test_files_of_two_ranks(service: Service, client: Client, tmp_path: Path) -> None:
    losses = {0: [3.0, math.nan, 0.1], 1: [1.0, 2.0, math.inf]}
    for rank, values in losses.items():
        path = tmp_path / f"rank-{rank}.jsonl"
        with Monitor(path=path, rank=rank, device=f"host/gpu {rank}") as monitor:
            for step, loss in enumerate(values):
                monitor.step(
                    step, loss, count=4, scalars={"lr/group 0": 0.1 / (1 + step)}
                )
    (counts,) = imported(service, "--run", "monitor/two ranks", tmp_path)
    assert (counts["recorded"], counts["repeated"], counts["refused"]) == (6, 0, 0)
    points = client.run("monitor/two ranks").steps()
    assert [(point["step"], point["ranks"]) for point in points] == [
        (0, 2),
        (1, 2),
        (2, 2),
    ]
    assert points[0]["loss"] == 2.0
    assert math.isnan(points[1]["loss"])
    assert points[2]["loss"] == math.inf

    (again,) = imported(service, "--run", "monitor/two ranks", tmp_path)
    assert (again["recorded"], again["repeated"], again["refused"]) == (0, 6, 0)
