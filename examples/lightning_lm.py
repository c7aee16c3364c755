"""Trains a small language model with Lightning, recorded as a run.

    pip install lightning ../clients/python
    python lightning_lm.py --run lightning-lm
    python lightning_lm.py --run lightning-lm-nan --nan-at 12

The model learns to count: each token follows from the one before. `--nan-at` spoils one
logit at that step, and the run says which. `--resume CHECKPOINT` goes on from a
checkpoint, as the next attempt of the run.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from lossmeter.lightning import LossmeterCallback, LossmeterLogger

if TYPE_CHECKING:
    from torch import Tensor

CLASSES, LENGTH, SEQUENCES = 40, 16, 320
NAN_ROW, NAN_CLASS = 21, 17  # what --nan-at spoils


class CountingModel(lightning.LightningModule):
    """Scores of the next token, from the token before it."""

    def __init__(self, hidden: int = 32, rate: float = 1e-2) -> None:  # noqa: ARG002 -- saved
        super().__init__()
        self.save_hyperparameters()
        self.nan_at: int | None = None
        self.layers = nn.Sequential(
            nn.Embedding(CLASSES, hidden), nn.Tanh(), nn.Linear(hidden, CLASSES)
        )

    def training_step(self, batch: list[Tensor], batch_idx: int) -> dict[str, Any]:
        """The loss of a batch, and what explains it."""
        del batch_idx
        (tokens,) = batch
        logits = self.layers(tokens[:, :-1]).flatten(0, 1)
        label = tokens[:, 1:].flatten()
        if self.global_step == self.nan_at:
            logits[NAN_ROW, NAN_CLASS] = math.nan
        loss = cross_entropy(logits, label)
        self.log("train/loss", loss)
        return {"loss": loss, "logits": logits, "label": label}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leaves out an update that would make all weights NaN."""
        gradients = [each.grad for each in self.parameters() if each.grad is not None]
        self.log("train/grad_norm", nn.utils.get_total_norm(gradients))
        if not all(each.isfinite().all() for each in gradients):
            optimizer.zero_grad()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer."""
        return torch.optim.AdamW(self.parameters(), self.hparams["rate"])


def batches() -> DataLoader[tuple[Tensor, ...]]:
    """Sequences that count up from anywhere, modulo CLASSES."""
    random = torch.Generator().manual_seed(0)
    starts = torch.randint(CLASSES, (SEQUENCES, 1), generator=random)
    return DataLoader(
        TensorDataset((starts + torch.arange(LENGTH)) % CLASSES), batch_size=8
    )


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="lightning-lm", help="name of the run")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--nan-at", type=int, help="step to spoil")
    parser.add_argument("--folder", default="lightning-lm", help="of the checkpoints")
    parser.add_argument("--resume", metavar="CHECKPOINT", help="a file to go on from")
    args = parser.parse_args()

    lightning.seed_everything(0, verbose=False)
    model = CountingModel()
    model.nan_at = args.nan_at
    logger = LossmeterLogger(args.run)
    recorder = LossmeterCallback(logger)
    saver = ModelCheckpoint(
        args.folder, "{step}", every_n_train_steps=20, save_top_k=-1
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=args.steps,
        max_epochs=-1,
        accumulate_grad_batches=2,
        log_every_n_steps=10,
        logger=logger,
        callbacks=[recorder, saver],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, batches(), ckpt_path=args.resume)

    for explanation in recorder.explanations:
        print(explanation)
    print(f"attempt {logger.version}, checkpoint {saver.best_model_path}")


if __name__ == "__main__":
    main()
