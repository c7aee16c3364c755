"""Recorded steps reach a real MLflow tracking server."""

import math
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import mlflow
import pytest
import requests
from service import free_port, running_service

START_SECONDS = 90
LOGGED_SECONDS = 30


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"http://127.0.0.1:{(port := free_port())}"
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [
                *[sys.executable, "-m", "mlflow", "server", "--workers", "1"],
                *["--host", "127.0.0.1", "--port", str(port)],
                *["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"],
                *["--artifacts-destination", str(folder / "artifacts")],
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ
            | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
            start_new_session=True,
        )
    try:
        wait_for(lambda: answers(f"{uri}/health"), START_SECONDS, folder / "log")
        yield uri
    finally:
        # Its workers are processes of their own.
        os.killpg(process.pid, 15)
        process.wait()


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def wait_for(is_so: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.1)


def test_complete_steps_are_logged_with_what_mlflow_cannot_keep_as_counts(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings = {"MLFLOW_TRACKING_URI": tracking_uri}
    client = mlflow.MlflowClient(tracking_uri)

    def record(url: str, step: int, rank: int, body: object) -> None:
        target = f"{url}/v1/runs/tracked/steps/{step}/ranks/{rank}"
        assert requests.put(target, json=body).status_code == 201

    def history(key: str) -> list[tuple[int, float]]:
        experiment = client.get_experiment_by_name("lossmeter")
        if experiment is None:
            return []
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) <= 1
        if not runs:
            return []
        assert runs[0].info.run_name == "tracked"
        metrics = client.get_metric_history(runs[0].info.run_id, key)
        return sorted((metric.step, metric.value) for metric in metrics)

    log = tmp_path / "log"
    with running_service(log, settings) as service:
        metadata = {"expected_ranks": 2}
        requests.put(f"{service.url}/v1/runs/tracked", json=metadata).raise_for_status()
        for step in range(400):
            for rank in range(2):
                pair = {"numerator": 800 - step + rank, "denominator": 100}
                record(service.url, step, rank, pair)
        logits = [["NaN", 0, "Infinity"], [0, "NaN", 0]]
        record(service.url, 400, 0, {"logits": logits, "label": [1, 2]})
        record(service.url, 400, 1, {"numerator": 1, "denominator": 1})
        # A step that is not complete is not logged.
        record(service.url, 401, 0, {"numerator": 1, "denominator": 1})
        wait_for(lambda: len(history("nan_count")) == 401, LOGGED_SECONDS, log)

    losses = history("loss")
    assert [step for step, _ in losses] == list(range(400))
    assert all(math.isclose(loss, (800 - step + 0.5) / 100) for step, loss in losses)
    assert history("nan_count")[-1] == (400, 2)
    assert history("inf_count")[-1] == (400, 1)
    assert history("nan_count")[0] == (0, 0)

    # One that starts again goes on in the same run.
    with running_service(log, settings) as service:
        record(service.url, 500, 0, {"numerator": 3, "denominator": 1})
        wait_for(lambda: (500, 3.0) in history("loss"), LOGGED_SECONDS, log)


NAMES = [
    "meta-llama/Llama-2-7b",
    "lr=1e-4,bs=32",
    'it\'s "quoted" \\ `so`; 100%',
    "%27",
    "東京 e\u0301 👩\u200d🔬 -- OR 1=1",
    "😀" * 256,
]


def test_runs_of_any_name_are_found_again(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings = {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_EXPERIMENT_NAME": "names"}
    client = mlflow.MlflowClient(tracking_uri)

    def steps_by_name() -> dict[str, list[int]]:
        experiment = client.get_experiment_by_name("names")
        if experiment is None:
            return {}
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) <= len(NAMES)
        return {
            run.info.run_name: [
                metric.step
                for metric in client.get_metric_history(run.info.run_id, "loss")
            ]
            for run in runs
        }

    # The second service knows no run of MLflow, and searches for each.
    for step in range(2):
        log = tmp_path / f"log-{step}"
        with running_service(log, settings) as service:
            for name in NAMES:
                target = (
                    f"{service.url}/v1/runs/{quote(name, safe='')}/steps/{step}/ranks/0"
                )
                pair = {"numerator": 3, "denominator": 1}
                assert requests.put(target, json=pair).status_code == 201
            expected = {name[:250]: list(range(step + 1)) for name in NAMES}
            wait_for(lambda: steps_by_name() == expected, LOGGED_SECONDS, log)


def test_a_renamed_run_goes_on_in_its_run_of_mlflow(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": "renamed",
    }
    client = mlflow.MlflowClient(tracking_uri)

    def runs() -> list[tuple[str, list[int]]]:
        experiment = client.get_experiment_by_name("renamed")
        found = (
            [] if experiment is None else client.search_runs([experiment.experiment_id])
        )
        return [
            (
                run.info.run_name,
                [
                    metric.step
                    for metric in client.get_metric_history(run.info.run_id, "loss")
                ],
            )
            for run in found
        ]

    def steps_by_name() -> dict[str, list[int]]:
        return dict(runs())

    def record(url: str, run: str, step: int) -> None:
        pair = {"numerator": 3, "denominator": 1}
        target = f"{url}/v1/runs/{run}/steps/{step}/ranks/0"
        assert requests.put(target, json=pair).status_code == 201

    log = tmp_path / "log"
    with running_service(log, settings) as service:
        record(service.url, "first", 0)
        wait_for(lambda: steps_by_name() == {"first": [0]}, LOGGED_SECONDS, log)
        renamed = {"name": "second"}
        requests.post(
            f"{service.url}/v1/runs/first/rename", json=renamed
        ).raise_for_status()
        record(service.url, "second", 1)
        wait_for(lambda: steps_by_name() == {"second": [0, 1]}, LOGGED_SECONDS, log)
        record(service.url, "first", 7)
        expected = {"first": [7], "second": [0, 1]}
        wait_for(lambda: steps_by_name() == expected, LOGGED_SECONDS, log)

    # It is found again by its new name.
    with running_service(log, settings) as service:
        record(service.url, "second", 2)
        expected = {"first": [7], "second": [0, 1, 2]}
        wait_for(lambda: steps_by_name() == expected, LOGGED_SECONDS, log)
        record(service.url, "first", 8)
        expected = {"first": [7, 8], "second": [0, 1, 2]}
        wait_for(lambda: steps_by_name() == expected, LOGGED_SECONDS, log)
        # A name passes from one run to another, the newer run first.
        for run, name in [("second", "third"), ("first", "second")]:
            answer = requests.post(
                f"{service.url}/v1/runs/{run}/rename", json={"name": name}
            )
            answer.raise_for_status()
        record(service.url, "second", 10)
        record(service.url, "third", 3)
        expected = {"second": [7, 8, 10], "third": [0, 1, 2, 3]}
        wait_for(lambda: steps_by_name() == expected, LOGGED_SECONDS, log)
        # The former name of a run that gets no further step is free for another.
        requests.post(
            f"{service.url}/v1/runs/third/rename", json={"name": "fourth"}
        ).raise_for_status()
        record(service.url, "third", 9)
        histories = [[0, 1, 2, 3], [7, 8, 10], [9]]
        wait_for(
            lambda: sorted(steps for _, steps in runs()) == histories,
            LOGGED_SECONDS,
            log,
        )
