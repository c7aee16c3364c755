"""`lossmeter.lightning` with Lightning's own Trainer."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import lightning
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from trained import ROW, assert_nan_is_named, first_steps, points_of, run_example

from lossmeter.lightning import LossmeterCallback, LossmeterLogger

if TYPE_CHECKING:
    from pathlib import Path

    from lossmeter import Client

# Lightning itself causes these warnings.
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 4


class Linear(lightning.LightningModule):
    """A layer; its steps return the values named in `returns` beside the loss."""

    def __init__(self, returns: tuple[str, ...] = ("logits", "label")) -> None:
        super().__init__()
        self.returns = returns
        self.save_hyperparameters({"limit": float("inf")})
        torch.manual_seed(1)
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(3, 5)
        self.losses: list[float] = []
        self.sigterm: Any = None

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> Any:  # noqa: ANN401
        del batch_idx
        features, label = batch
        logits = self.layer(features)
        loss = cross_entropy(logits, label)
        self.losses.append(loss.item())
        self.sigterm = signal.getsignal(signal.SIGTERM)
        self.log("layer/bias", self.layer.bias.mean(), on_step=True)
        given = {"logits": logits, "label": label, "count": 3}
        more = {name: given[name] for name in self.returns}
        return {"loss": loss, **more} if more else loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        del batch_idx
        features, label = batch
        self.log("val_loss", cross_entropy(self.layer(features), label))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def data(rows: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    random = torch.Generator().manual_seed(2)
    features = torch.randn((rows, 3), generator=random)
    return DataLoader(TensorDataset(features, torch.arange(rows) % 5), batch_size=3)


def fitted(
    recorder: LossmeterLogger,
    folder: Path,
    model: Linear,
    **more: Any,  # noqa: ANN401 -- those of the Trainer
) -> LossmeterCallback:
    callback = LossmeterCallback(recorder)
    trainer = lightning.Trainer(
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        log_every_n_steps=1,
        max_epochs=1,
        **{"logger": recorder, **more},
    )
    trainer.fit(model, data(3 * STEPS), data(6))
    return callback


def test_a_nan_is_named_and_a_resumed_training_is_the_next_attempt(
    client: Client, tmp_path: Path
) -> None:
    run = "lightning"
    given = ("--run", run, "--folder", str(tmp_path))
    printed = run_example("lightning_lm.py", *given, "--steps", "24", "--nan-at", "12")

    assert_nan_is_named(client, run, printed, step=12)
    # Both micro-batches of the step are spoilt.
    assert f"micro-batch 1: loss is nan; NaN in 1 of 120 rows; first at row {ROW}" in (
        printed
    )
    before = [each["loss"] for each in client.run(run).steps()]
    assert len(before) == 24
    assert client.run(run).summary()["labels"] == {"hidden": 32, "rate": 0.01}
    assert points_of(client, run, "train/grad_norm").keys() == {9, 19}

    checkpoint = str(tmp_path / "step=20.ckpt")
    printed = run_example(
        "lightning_lm.py", *given, "--steps", "30", "--resume", checkpoint
    )
    assert "attempt 1, " in printed
    assert first_steps(client, run) == {0: 0, 1: 20}
    assert [each["step"] for each in client.run(run).steps()] == [*range(30)]


@pytest.mark.parametrize("accumulates", [1, 2])
@pytest.mark.parametrize(
    ("returns", "count"),
    [((), 1), (("count",), 3), (("logits", "label"), 3)],
    ids=str,
)
def test_losses_are_those_of_the_module(
    client: Client,
    tmp_path: Path,
    accumulates: int,
    returns: tuple[str, ...],
    count: int,
) -> None:
    run = f"lightning.losses.{accumulates}.{'-'.join(returns)}"
    model = Linear(returns)
    fitted(
        LossmeterLogger(run, client),
        tmp_path,
        model,
        accumulate_grad_batches=accumulates,
    )

    assert len(model.losses) == STEPS
    recorded = [
        each
        for step in range(STEPS // accumulates)
        for each in client.run(run).step(step)["rank_details"][0]["micro_batches"]
    ]
    assert [each["loss"] for each in recorded] == pytest.approx(model.losses)
    assert {each["denominator"] for each in recorded} == {count}
    steps = client.run(run).summary()["steps"]
    assert steps == STEPS // accumulates


def test_what_is_logged_becomes_scalars_and_labels(
    client: Client, tmp_path: Path
) -> None:
    run = "lightning.logged"
    fitted(LossmeterLogger(run, client), tmp_path, Linear())

    assert len(points_of(client, run, "layer/bias")) == STEPS
    assert points_of(client, run, "val_loss").keys() == {STEPS - 1}
    assert client.run(run).summary()["labels"] == {
        "returns": "('logits', 'label')",
        "limit": "inf",
    }


def test_every_fit_is_an_attempt_and_another_logger_may_be_the_trainers(
    client: Client, tmp_path: Path
) -> None:
    logger = LossmeterLogger("lightning.fits", client)
    for attempt in range(2):
        fitted(logger, tmp_path, Linear(), logger=False)
        assert logger.version == attempt
    assert first_steps(client, "lightning.fits") == {0: 0, 1: 0}
    assert client.run("lightning.fits").summary()["steps"] == STEPS


def test_sigterm_is_left_to_lightning(client: Client, tmp_path: Path) -> None:
    # Monitors of other tests may have left a handler, which Lightning calls too.
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    model = Linear()
    try:
        fitted(LossmeterLogger("lightning.sigterm", client), tmp_path, model)

        (handler,) = model.sigterm.signal_handlers
        assert handler.__module__.startswith("lightning")
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_module_trains_without_the_service(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    logger = LossmeterLogger(path=path)
    model = Linear()
    fitted(logger, tmp_path, model)

    assert sum('"numerator"' in line for line in path.read_text().splitlines()) == STEPS
    assert (logger.name, logger.version) == (None, 0)
