"""Schemathesis makes requests of the OpenAPI document, and checks what the service answers."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from explained import EXPLAINED, Failure
from service import ROOT, running_service

FOLDER = Path(__file__).parent
DOCUMENT = ROOT / "openapi/openapi.json"
EXAMPLES = 6
SECONDS = 40


def described_document(folder: Path) -> Path:
    """The document with the fields of the JSON body in bodies of MessagePack, too."""
    document = json.loads(DOCUMENT.read_text())
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            for media_type, media in content.items():
                if media["schema"].get("$ref", "").endswith(("/MessagePackBody", "/InferenceBody")):
                    content[media_type] = content["application/json"]
    described = folder / "openapi.json"
    described.write_text(json.dumps(document))
    return described


def make_key(file: Path) -> str:
    """A key with every scope."""
    node = os.environ.get("LOSSMETER_NODE", "node")
    command = [node, "src/cli/bin.js", "keys", "create", "--name", "contract"]
    scopes = ["--scope", "evaluate,record,read", "--file", str(file)]
    run = subprocess.run(
        [*command, *scopes], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return next(line for line in run.stdout.splitlines() if line.startswith("lm_"))


def failures_of(report: Path) -> Iterator[Failure]:
    """The failures of a report, which has an event a line."""
    for line in report.read_text().splitlines():
        scenario = json.loads(line).get("ScenarioFinished")
        if scenario is None or "recorder" not in scenario:
            continue
        recorder = scenario["recorder"]
        # A scenario of a case that was skipped has none.
        for case, checks in recorder.get("checks", {}).items():
            response = recorder["interactions"][case]["response"] or {}
            for check in checks:
                if check["status"] == "failure":
                    yield failure_of(check, response)


def failure_of(check: dict, response: dict) -> Failure:
    failure = check["failure_info"]["failure"]
    content = response.get("content") or {}
    try:
        problem = json.loads(base64.b64decode(content["$base64"]))
        code, detail = problem["code"], problem.get("detail", problem.get("error"))
    except (KeyError, TypeError, ValueError):
        code = detail = ""
    return Failure(
        check["name"],
        failure["operation"],
        failure["message"],
        response.get("status_code", 0),
        code,
        detail,
    )


def run_schemathesis(url: str, report: Path, key: str | None) -> str:
    """Runs all checks. @returns what was printed"""
    options = ["--checks", "all", "--max-examples", str(EXAMPLES), "--seed", os.environ.get("CONTRACT_SEED", "1")]
    options += ["--max-time", str(SECONDS), "--request-timeout", "10"]
    options += ["--continue-on-failure", "--no-shrink", "--no-color"]
    options += ["--suppress-health-check", "all", "--output-truncate", "false"]
    options += ["--report", "ndjson", "--report-ndjson-path", str(report)]
    if key is not None:
        options += ["--header", f"Authorization:Bearer {key}"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(described_document(report.parent))]
    run = subprocess.run(
        [*command, "--url", url, *options],
        # It keeps the cases that failed there.
        cwd=report.parent,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(FOLDER)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS + 120,
    )
    return run.stdout


@pytest.mark.parametrize("with_keys", [False, True], ids=["without keys", "with keys"])
def test_no_failure_but_those_that_are_explained(
    tmp_path: Path, *, with_keys: bool
) -> None:
    report = tmp_path / "report.ndjson"
    keys = tmp_path / "keys.json"
    key = make_key(keys) if with_keys else None
    settings = {"LOSSMETER_API_KEYS_FILE": str(keys)} if with_keys else {}
    with running_service(tmp_path / "log", settings) as service:
        output = run_schemathesis(service.url, report, key)
    print(output[-4000:])
    assert "Operations:" in output
    assert "ERRORS" not in output, output
    failures = list(failures_of(report))
    unexplained = {
        str(failure)
        for failure in failures
        if not any(one.explains(failure, with_keys=with_keys) for one in EXPLAINED)
    }
    assert not unexplained, "\n".join(sorted(unexplained))
