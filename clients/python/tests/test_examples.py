"""The examples, executed unchanged."""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from matplotlib import image
from service import ROOT, Service
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lossmeter import Client

EXAMPLES = ROOT / "examples"
SECONDS = 150

STEPS = 300
TOLERANCE = 1e-5
NAN_STEP = 100
# The example documents that it makes this logit NaN, on the last rank.
NAN_RANK, NAN_ROW, NAN_CLASS = 1, 37, 42

TRAINED = "example.trained"
SPOILED = "example.spoiled"

# matplotlib's tab:blue and tab:red.
BLUE = (31, 119, 180)
RED = (214, 39, 40)


def run_example(name: str, *arguments: str) -> str:
    """Output of an example; LOSSMETER_URL is in the environment."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg"},
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


def train(*arguments: str) -> str:
    steps = ("--steps", str(STEPS))
    return run_example("train_char_lm.py", *steps, *arguments)


@pytest.fixture(scope="module")
def trained(service: Service) -> str:
    """The name of a run that was trained through the service."""
    assert service.url
    train("--run", TRAINED)
    return TRAINED


@pytest.fixture(scope="module")
def spoiled(service: Service) -> tuple[str, str]:
    """The name of a run with a NaN, and the output of its trainer."""
    assert service.url
    printed = train("--run", SPOILED, "--nan-at", str(NAN_STEP))
    return SPOILED, printed


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Limits PyTorch to one thread, which is faster for so small a model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def curve(client: Client, run: str) -> NDArray[np.float64]:
    """The loss of each step over both ranks, from the service."""
    steps = client.run(run).steps()
    assert [point["step"] for point in steps] == list(range(STEPS))
    assert all(point["complete"] and point["ranks"] == 2 for point in steps)
    return np.array([point["loss"] for point in steps])


def test_trains_as_it_does_without_the_service(
    trained: str, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "losses.json"
    train("--local", "--losses", str(file))
    local = np.array(json.loads(file.read_text()))

    losses = curve(client, trained)

    np.testing.assert_allclose(losses, local, rtol=0, atol=TOLERANCE)
    assert losses[-25:].mean() < 0.6 * losses[:25].mean()


def test_records_what_it_is_and_the_losses_of_both_ranks(
    trained: str, client: Client
) -> None:
    run = client.run(trained)
    summary = run.summary()
    assert summary["expected_ranks"] == summary["ranks"] == 2
    assert summary["batches"] == 2 * STEPS
    assert summary["non_finite_steps"] == 0
    assert summary["labels"]["model"] == "GRU"
    # Each rank has its own batch.
    first, second = run.step(0)["rank_details"]
    assert first["loss"] != second["loss"]
    assert first["denominator"] == second["denominator"]


def test_finds_the_nan_and_trains_on(spoiled: tuple[str, str], client: Client) -> None:
    name, printed = spoiled
    run = client.run(name)
    losses = curve(client, name)

    bad = [point for point in run.steps() if point["non_finite"]]
    assert [point["step"] for point in bad] == [NAN_STEP]
    assert bad[0]["causes"] == ["nan_logit"]
    others = np.delete(losses, NAN_STEP)
    assert np.isfinite(others).all()
    assert losses[-25:].mean() < 0.6 * losses[:25].mean()

    causes = {}
    for rank in run.step(NAN_STEP)["rank_details"]:
        (batch,) = rank["micro_batches"]
        causes[rank["rank"]] = batch["diagnostics"].get("causes", [])
    (cause,) = causes.pop(NAN_RANK)
    assert (cause["cause"], cause["rows"]) == ("nan_logit", 1)
    assert (cause["first"]["row"], cause["first"]["column"]) == (NAN_ROW, NAN_CLASS)
    assert causes == {0: []}

    assert bad[0]["summary"] in printed
    place = f"nan_logit: rank {NAN_RANK}, row {NAN_ROW}, class {NAN_CLASS} "
    assert place in printed


@pytest.mark.usefixtures("one_thread")
def test_leaves_the_spoiled_step_out_on_both_ranks(
    spoiled: tuple[str, str], client: Client
) -> None:
    # One process with the batches of both ranks ends with the same parameters.
    example = runpy.run_path(str(EXAMPLES / "train_char_lm.py"))
    steps = NAN_STEP + 50
    args = argparse.Namespace(batch=16, ranks=2, seed=0, steps=steps)
    torch.manual_seed(args.seed)
    model = example["CharacterModel"]()
    optimizer = torch.optim.SGD(
        model.parameters(), example["RATE"], example["MOMENTUM"]
    )
    losses = []
    ranks = [example["batches"](rank, args) for rank in range(args.ranks)]
    for step, batches in enumerate(zip(*ranks, strict=True)):
        characters, following = map(torch.cat, zip(*batches, strict=True))
        loss = cross_entropy(model(characters).flatten(0, 1), following.flatten())
        losses.append(loss.item())
        if step != NAN_STEP:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            clip_grad_norm_(model.parameters(), example["MAX_NORM"])
            optimizer.step()

    name, _ = spoiled
    differences = np.abs(curve(client, name)[:steps] - losses)
    assert np.delete(differences, NAN_STEP).max() <= TOLERANCE


def test_shards_of_the_vocabulary_make_the_loss_of_the_whole(
    service: Service, client: Client
) -> None:
    assert service.url
    printed = run_example("vocab_parallel.py")

    assert "rank 0: classes 0 to 46" in printed
    assert "rank 1: classes 47 to 94" in printed
    losses = re.findall(r"^loss .* (\d\.\d+)$", printed, re.MULTILINE)
    sharded, whole = map(float, losses)
    expected = client.evaluate_file(EXAMPLES / "char-lm.safetensors").loss
    assert whole == pytest.approx(expected, rel=0, abs=1e-9)
    assert sharded == pytest.approx(expected, rel=0, abs=1e-7)


def test_plots_the_curve_and_the_step_that_is_not_finite(
    spoiled: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "run.png"
    run_example("plot_run.py", spoiled[0], str(file))

    picture = np.asarray(image.imread(file))[..., :3]
    height, width, _ = picture.shape
    # The curve covers most of the width and of the height. The mark of the step that is
    # not finite extends from the bottom to the top.
    rows, columns = np.nonzero(near(picture, BLUE))
    assert np.ptp(columns) > 0.8 * width
    assert np.ptp(rows) > 0.7 * height
    assert near(picture, RED).sum(axis=0).max() > 0.8 * height


FIRST_AND_LAST = re.compile(
    r"^\d+ steps: (\d\.\d+) first, (\d\.\d+) last$", re.MULTILINE
)
COMPARED = re.compile(
    r"^(?:before|after): divergence (\S+) ± .* same top (\S+)%", re.MULTILINE
)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--direction", "jensen_shannon", "--beta", "0.1", "--temperature", "2"),
        ("--top-k", "8"),
    ],
    ids=" ".join,
)
def test_a_student_learns_its_teacher(
    service: Service, arguments: tuple[str, ...]
) -> None:
    assert service.url
    printed = run_example("distil_lm.py", *arguments)

    (losses,) = FIRST_AND_LAST.findall(printed)
    first, last = map(float, losses)
    assert last < 0.3 * first
    before, after = (tuple(map(float, found)) for found in COMPARED.findall(printed))
    # Divergence, and agreement in percent, on text outside of the training data.
    assert after[0] < 0.3 * before[0]
    assert before[1] < 10
    assert after[1] > 50


def test_a_bfloat16_cast_is_checked(service: Service) -> None:
    assert service.url
    printed = run_example("check_bfloat16.py", "--steps", "100")

    figures = dict(re.findall(r"^(\S.*?)  +(\d\S*)", printed, re.MULTILINE))
    assert figures["rows"] == "16384"
    mean = float(re.findall(r"^mean KL +(\S+) ±", printed, re.MULTILINE)[0])
    # bfloat16 has 8 bits of precision: the divergence is small, but not 0.
    assert 1e-7 < mean < 1e-3
    assert float(figures["maximum KL"]) > mean > float(figures["KL 50%"])
    assert len(re.findall(r"nats at row \d+, after", printed)) == 3
    with pytest.raises(AssertionError, match="mean KL"):
        run_example("check_bfloat16.py", "--steps", "20", "--limit", "0")


def near(
    picture: NDArray[np.float32], colour: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Mask of the pixels that have about this colour."""
    distance = np.abs(picture - np.array(colour, np.float32) / 255)
    return np.asarray(distance.max(axis=-1) < 0.05)
