"""`python -m lossmeter`, in its own process."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from batches import CONFIDENT_LABEL, CONFIDENT_LOGITS, KNOWN_LABEL, KNOWN_LOGITS
from relay import Answer, Relay
from service import free_port

import lossmeter
from lossmeter import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service import Service

TIMEOUT_SECONDS = 20


@contextmanager
def started(url: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Starts a process, and kills it afterwards if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "lossmeter", *map(str, arguments)],
        env={**os.environ, "LOSSMETER_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(url: str, *arguments: str | Path) -> tuple[int, str, str]:
    """Returns exit code, standard output and standard error."""
    with started(url, *arguments) as process:
        output, complaints = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "Traceback" not in complaints
    return process.returncode, output, complaints


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.npz"
    np.savez(path, logits=CONFIDENT_LOGITS, label=CONFIDENT_LABEL)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A file with a NaN, and an infinite loss."""
    path = tmp_path / "bad.npz"
    logits = KNOWN_LOGITS.copy()
    logits[1, 2], logits[0, 1] = np.nan, -np.inf
    np.savez(path, logits=logits, label=KNOWN_LABEL)
    return path


def strict(text: str) -> Any:  # noqa: ANN401 -- a value of JSON
    """Parses JSON strictly, without bare NaN and infinities."""

    def refuse(token: str) -> NoReturn:
        pytest.fail(f"there is a bare {token}, which is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_ping_says_who_answers_and_how_fast(service: Service) -> None:
    code, output, complaints = run(service.url, "ping")

    assert (code, complaints) == (0, "")
    words = rf"{service.url}: lossmeter \S+, \w+ kernels on \d+ workers, \d+\.\d ms\n"
    assert re.fullmatch(words, output)


def test_ping_asks_the_address_that_is_given(service: Service) -> None:
    code, output, _ = run("http://127.0.0.1:9", "--url", service.url, "ping")

    assert code == 0
    assert output.startswith(service.url)


def test_ping_says_that_nobody_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    code, output, complaints = run(url, "ping")

    assert (code, output) == (2, "")
    assert complaints.startswith(f"lossmeter: GET {url}/v1/info: ")
    assert "refused" in complaints


@pytest.mark.parametrize("content", [b"<html>Hi</html>", b'{"status": "ok"}', b"[]"])
def test_ping_says_that_it_is_no_lossmeter(service: Service, content: bytes) -> None:
    with Relay(service, *[Answer(200, content)] * 2) as relay:
        code, output, complaints = run(relay.url, "ping")

    assert (code, output) == (2, "")
    assert complaints.startswith("lossmeter: GET /v1/info was answered with ")


def test_a_bad_address_is_said_to_be_one() -> None:
    code, _, complaints = run("127.0.0.1:8080", "ping")

    assert code == 2
    assert complaints.startswith(
        "lossmeter: the URL of the service is '127.0.0.1:8080'"
    )


def test_a_file_is_evaluated_in_a_line(service: Service, good: Path) -> None:
    code, output, complaints = run(service.url, "evaluate", good)

    assert (code, complaints) == (0, "")
    assert output == f"{good}: loss 67 over 1 of 1 rows: the loss is finite\n"


def test_several_files_are_also_one_batch(
    service: Service, good: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, logits=np.zeros((3, 8)), label=np.zeros(3, int))

    code, output, _ = run(service.url, "evaluate", good, other)

    first, second, total = output.splitlines()
    assert (code, first.partition(":")[0]) == (0, str(good))
    assert second.startswith(f"{other}: loss 2.07944 over 3 of 3 rows: ")
    loss = (67 + 3 * math.log(8)) / 4
    assert total == f"all 2: Σ numerators / Σ denominators = {loss:.6g}"


def test_a_file_that_is_named_again_is_counted_once(
    service: Service, good: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to(good)
    once = run(service.url, "evaluate", "--json", good)

    code, output, complaints = run(service.url, "evaluate", "--json", good, good, link)

    assert (code, output) == once[:2]
    names = f"{good}; {link} (the same file as {good})"
    assert (
        complaints
        == f"these files are named more than once, but are counted once: {names}\n"
    )


def test_of_many_files_that_are_named_again_a_few_are_said(
    service: Service, good: Path
) -> None:
    _, _, complaints = run(service.url, "evaluate", *[good] * 12)

    assert complaints.count(str(good)) == 8
    assert complaints.endswith("; and 3 more\n")


def test_options_are_json_or_text(service: Service, good: Path) -> None:
    options = ["semantics=torch", "logit_scale=0.5", "ignore_index=[]"]
    arguments = [word for option in options for word in ("--option", option)]

    code, output, _ = run(service.url, "evaluate", good, *arguments)

    assert code == 0
    assert output.startswith(f"{good}: loss 33.5 over ")


def test_with_json_all_is_one_value(service: Service, good: Path) -> None:
    code, output, _ = run(
        service.url, "evaluate", "--json", good, "--option", 'metrics=["accuracy"]'
    )

    printed = strict(output)
    assert code == 0
    assert printed["total"]["mean"] == pytest.approx(67)
    (file,) = printed["files"]
    assert file["file"] == str(good)
    assert file["numerator"] == pytest.approx(67)
    assert file["rows"]["counted"] == 1
    assert file["metrics"]["accuracy"] == 0
    assert file["diagnostics"]["verdict"] == "finite"
    assert file["kernel"]


def test_with_json_numbers_that_json_has_not_are_text(
    service: Service, good: Path, bad: Path
) -> None:
    code, output, _ = run(service.url, "evaluate", "--json", good, bad)

    printed = strict(output)
    assert code == 1
    assert printed["total"]["mean"] == "NaN"
    assert printed["files"][1]["loss"] == "NaN"
    values = [p["value"] for p in printed["files"][1]["diagnostics"]["locations"]]
    assert values == ["-Infinity", "NaN"]


def test_a_loss_that_is_not_finite_is_said_and_is_the_exit_code(
    service: Service, good: Path, bad: Path
) -> None:
    code, output, _ = run(service.url, "evaluate", bad, good)

    assert code == 1
    assert output.startswith(f"{bad}: loss nan over 3 of 3 rows: ")
    assert "row 1, class 2" in output


def test_a_loss_that_is_refused_for_not_being_finite_is_that_exit_code_too(
    service: Service, bad: Path
) -> None:
    code, output, complaints = run(
        service.url, "evaluate", bad, "--option", "on_non_finite=reject"
    )

    assert (code, output) == (1, "")
    assert "row 1, class 2" in complaints


def test_a_file_that_there_is_not_is_an_error(service: Service, good: Path) -> None:
    code, output, complaints = run(service.url, "evaluate", good, "there-is-none.npz")

    assert code == 2
    assert output.startswith(f"{good}: loss 67 ")
    assert complaints.startswith("lossmeter: ")
    assert "there-is-none.npz" in complaints


def test_a_file_that_is_refused_is_named(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, logits=np.zeros((1, 3)), label=np.full(1, 7))

    code, _, complaints = run(service.url, "evaluate", path)

    assert code == 2
    assert "label[0] is 7" in complaints
    assert f"in {path}" in complaints


def test_who_reads_the_first_lines_only_is_no_error(service: Service) -> None:
    steps = Client(service.url).run("read-in-part")
    for step in range(200):
        steps.record_pair(step, 0, 1.0, 1.0)
    command = [sys.executable, "-m", "lossmeter", "--url", service.url]
    with subprocess.Popen(
        [*command, "watch", steps.name, "--until", "199"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert "step        0 " in watching.stdout.readline()
        watching.stdout.close()
        assert watching.stderr.read() == ""
        assert watching.wait(30) == 0


def test_a_file_that_is_none_of_a_batch_is_an_error(
    service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "empty.npz"
    path.touch()

    code, _, complaints = run(service.url, "evaluate", path)

    assert code == 2
    assert complaints.startswith(f"lossmeter: {path} does not hold a batch")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("reducton=sum", 'unknown option "reducton", did you mean reduction?'),
        ("reduction", "--option reduction, expected NAME=VALUE"),
        ('outputs=["lse"]', "outputs are tensors"),
        ("label_smoothing=NaN", "label_smoothing"),
    ],
)
def test_an_option_that_is_none_is_an_error(
    service: Service, good: Path, option: str, words: str
) -> None:
    code, output, complaints = run(service.url, "evaluate", good, "--option", option)

    assert (code, output) == (2, "")
    assert words in complaints


def test_tensors_may_have_other_names(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "targets.npz"
    np.savez(path, scores=np.zeros((1, 4)), targets=np.zeros(1, int), label=np.ones(9))
    names = ["--tensor", "logits=scores", "--tensor", "label=targets"]

    code, output, _ = run(service.url, "evaluate", "--json", path, *names)

    assert code == 0
    assert json.loads(output)["total"]["mean"] == pytest.approx(math.log(4))
    for wrong in ("label", "labels=targets", "label="):
        code, output, complaints = run(service.url, "evaluate", path, "--tensor", wrong)
        assert (code, output) == (2, "")
        assert f"--tensor {wrong}, expected FIELD=NAME such as" in complaints


def test_a_run_is_watched_until_a_step(service: Service, client: Client) -> None:
    recorded = client.run("watched")
    for step, numerator in enumerate([8.0, 7.5, 7.0]):
        recorded.record_pair(step, 0, numerator, 2.0)

    code, output, complaints = run(service.url, "watch", "watched", "--until", "1")

    assert (code, complaints) == (0, "")
    lines = output.splitlines()
    assert [line.split()[1:] for line in lines] == [
        ["step", "0", "loss", "4.000000"],
        ["step", "1", "loss", "3.750000"],
    ]
    assert lines[0].startswith(recorded.step(0)["recorded_at"])


def test_a_step_that_is_not_complete_says_so_and_does_not_end_it(
    service: Service, client: Client
) -> None:
    recorded = client.run("incomplete")
    recorded.describe(expected_ranks=2)
    recorded.record_pair(0, 0, 8.0, 2.0)
    recorded.record_pair(1, 0, 8.0, 2.0)
    recorded.record_pair(1, 1, 8.0, 2.0)

    _, output, _ = run(service.url, "watch", "incomplete", "--until", "0")

    first, second = output.splitlines()
    assert first.endswith("loss 4.000000  1 ranks so far")
    assert second.endswith("loss 4.000000")


def test_a_step_that_is_not_finite_is_said_and_is_the_exit_code(
    service: Service, client: Client
) -> None:
    recorded = client.run("not-finite")
    recorded.record(0, 0, KNOWN_LOGITS * np.nan, KNOWN_LABEL)
    recorded.record_pair(1, 0, 1.0, 1.0)

    code, output, _ = run(service.url, "watch", "not-finite", "--until", "1")

    assert code == 1
    assert "loss nan" in output
    assert "step 0, rank 0: NaN in 3 of 3 rows" in output


def test_watching_ends_with_the_run(service: Service, client: Client) -> None:
    recorded = client.run("deleted")
    recorded.record_pair(0, 0, 8.0, 2.0)
    with started(service.url, "watch", "deleted") as process:
        assert process.stdout is not None
        assert "loss 4.000000" in process.stdout.readline()
        recorded.delete()
        output, complaints = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, output, complaints) == (0, "", "")


def test_new_leaves_out_the_steps_that_are_there(
    service: Service, client: Client
) -> None:
    recorded = client.run("new")
    recorded.record_pair(0, 0, 8.0, 2.0)
    with Relay(service) as relay:
        with started(relay.url, "watch", "new", "--new", "--until", "1") as process:
            # Records until it ends, because the step at which it begins is unknown.
            for step in range(1, 200):
                recorded.record_pair(step, 0, 8.0, 2.0)
                try:
                    output, _ = process.communicate(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    pass
        assert process.returncode == 0

    assert re.search(r"step +0 ", output) is None
    assert re.search(r"step +\d+ ", output)


def test_a_run_that_there_is_not_is_an_error(service: Service) -> None:
    code, output, complaints = run(service.url, "watch", "there-is-none")

    assert (code, output) == (2, "")
    assert complaints == "lossmeter: there is no run there-is-none (not_found, 404)\n"


def test_an_interrupt_ends_it_quietly(service: Service, client: Client) -> None:
    client.run("interrupted").record_pair(0, 0, 8.0, 2.0)
    with started(service.url, "watch", "interrupted") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (output, complaints) == ("", "")


def test_a_reader_that_has_seen_enough_ends_it_quietly(
    service: Service, client: Client
) -> None:
    recorded = client.run("piped")
    recorded.record_pair(0, 0, 8.0, 2.0)
    with started(service.url, "watch", "piped") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        recorded.record_pair(1, 0, 8.0, 2.0)
        process.wait(TIMEOUT_SECONDS)
        complaints = process.stderr.read()

    assert "Exception" not in complaints
    assert "Traceback" not in complaints


def test_the_version_is_that_of_the_package(service: Service) -> None:
    assert run(service.url, "--version") == (0, f"{lossmeter.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [[], ["ask"], ["evaluate"], ["watch"], ["ping", "now"], ["--retries", "x", "ping"]],
    ids=str,
)
def test_wrong_usage_is_explained(service: Service, arguments: list[str]) -> None:
    code, output, complaints = run(service.url, *arguments)

    assert (code, output) == (2, "")
    assert complaints.startswith("usage: python -m lossmeter ")
