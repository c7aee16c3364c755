"""`lossmeter.mindformers_callback` with MindSpore's own Model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from mindspore.dataset import NumpySlicesDataset
from mindspore.train import Model, RunContext
from service import ROOT
from trained import assert_nan_is_named, first_steps, points_of, run_example

from lossmeter.mindformers_callback import KeptBatch, LossmeterCallback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

    from lossmeter import Client

STEPS, NAN_STEP = 24, 12


def test_a_training_is_recorded_and_its_nan_is_named(client: Client) -> None:
    run = "mindspore.example"
    given = ("--steps", str(STEPS), "--nan-at", str(NAN_STEP))
    printed = run_example("mindspore_lm.py", "--run", run, *given)

    assert_nan_is_named(client, run, printed, NAN_STEP)
    losses = [each["loss"] for each in client.run(run).steps()]
    assert len(losses) == STEPS
    assert losses[-1] < 0.8 * losses[0]
    overflows = points_of(client, run, "overflow")
    assert [step for step, value in overflows.items() if value] == [NAN_STEP]
    assert set(points_of(client, run, "lr").values()) == {float(np.float32(0.01))}
    assert points_of(client, run, "grad_norm").keys() == overflows.keys()


@pytest.fixture(params=[mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=request.param)
    yield request.param
    mindspore.set_context(mode=before)


def train(callback: LossmeterCallback, criterion: nn.Cell) -> list[float]:
    """The losses of four steps."""
    losses: list[float] = []

    class Losses(mindspore.Callback):  # type: ignore[misc]
        def on_train_step_end(self, run_context: Any) -> None:  # noqa: ANN401
            losses.append(run_context.original_args().net_outputs.item())

    values = np.random.default_rng(4).standard_normal((16, 3)).astype(np.float32)
    label = (np.arange(16) % 5).astype(np.int32)
    network = nn.Dense(3, 5)
    optimizer = nn.SGD(network.trainable_params(), 0.1)
    data = NumpySlicesDataset((values, label), shuffle=False).batch(4)
    callbacks = [callback, Losses()]
    model = Model(network, criterion, optimizer)
    model.train(1, data, callbacks=callbacks, dataset_sink_mode=False)
    return losses


def test_the_losses_are_those_of_the_model(client: Client, mode: int) -> None:
    run = f"mindspore.losses.{mode}"
    callback = LossmeterCallback(run, client)
    losses = train(callback, nn.CrossEntropyLoss())

    steps = client.run(run).steps()
    assert [(each["step"], each["loss"]) for each in steps] == [
        *enumerate(losses, start=1)
    ]
    assert callback.explanations == []


def test_rows_are_counted_and_a_resumed_training_is_the_next_attempt(
    client: Client,
) -> None:
    run = "mindspore.resumed"
    for initial_step in (0, 2):
        criterion = KeptBatch(nn.CrossEntropyLoss())
        more: dict[str, Any] = {"criterion": criterion, "initial_step": initial_step}
        train(LossmeterCallback(run, client, **more), criterion)

    assert first_steps(client, run) == {0: 1, 1: 3}
    steps = client.run(run).steps()
    assert [(each["step"], each["denominator"]) for each in steps] == [
        (step, 4) for step in range(1, 7)
    ]


@pytest.mark.parametrize(
    ("more", "scalars"),
    [
        ((False, Tensor([8.0])), {"overflow": 0, "loss_scale": 8}),
        (
            (Tensor([True]), 8, 0.5, Tensor(2.0)),
            {"overflow": 1, "loss_scale": 8, "lr": 0.5, "grad_norm": 2},
        ),
        (
            (False, 8, 0.5, Tensor(2.0), Tensor([1.0, 2.0]), Tensor([1, 2])),
            {"overflow": 0, "loss_scale": 8, "lr": 0.5, "grad_norm": 2},
        ),
        ((Tensor([1.0, 2.0]),), {}),
    ],
)
def test_outputs_of_the_cells_of_mindformers_are_read(
    client: Client, more: tuple[Any, ...], scalars: dict[str, float]
) -> None:
    run = f"mindspore.outputs.{len(more)}"
    callback = LossmeterCallback(run, client)
    outputs = (Tensor([1.5, 2.5]), *more)
    context = RunContext({"cur_step_num": 1, "net_outputs": outputs})
    callback.on_train_begin(context)
    callback.on_train_step_end(context)
    callback.on_train_end(context)

    assert client.run(run).steps()[0]["loss"] == 2
    for name, value in scalars.items():
        assert points_of(client, run, name) == {1: value}


def test_the_documentation_prints_what_it_says(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert service.url
    (block,) = re.findall(
        r"^```python\n(import mindspore.*?)^```$",
        (ROOT / "docs" / "trainers.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    exec(compile(block, "docs/trainers.md", "exec"), {})  # noqa: S102

    assert "# 0 []\n" in block
    assert capsys.readouterr().out.endswith("0 []\n")
