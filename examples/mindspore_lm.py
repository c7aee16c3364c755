"""Trains a small language model with MindSpore's Model, recorded as a run.

    pip install mindspore ../clients/python
    python mindspore_lm.py --run mindspore-lm
    python mindspore_lm.py --run mindspore-lm-nan --nan-at 12

The callback is of the form that MindFormers takes, too. The model learns to count: each
token follows from the one before. `--nan-at` spoils one logit at that step, and the run
says which.
"""

from __future__ import annotations

import argparse
import math

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.dataset import NumpySlicesDataset
from mindspore.train import Model

from lossmeter.mindformers_callback import KeptBatch, LossmeterCallback

CLASSES, LENGTH, BATCH = 40, 16, 8
NAN_ROW, NAN_CLASS = 21, 17  # what --nan-at spoils


class CountingModel(nn.Cell):  # type: ignore[misc]
    """Scores of the next token, from the token before it."""

    def __init__(self, nan_at: int | None) -> None:
        super().__init__()
        self.layers = nn.SequentialCell(
            nn.Embedding(CLASSES, 32), nn.Tanh(), nn.Dense(32, CLASSES)
        )
        self.nan_at = nan_at
        self.step = 0

    def construct(self, tokens: Tensor) -> Tensor:
        """Logits of shape (rows, classes)."""
        logits = self.layers(tokens).reshape(-1, CLASSES)
        self.step += 1
        if self.step == self.nan_at:
            spoilt = np.zeros(logits.shape, np.float32)
            spoilt[NAN_ROW, NAN_CLASS] = math.nan
            logits = logits + Tensor(spoilt)
        return logits


class MeanLoss(nn.Cell):  # type: ignore[misc]
    """Mean cross-entropy of labels of any shape."""

    def construct(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss."""
        return ops.cross_entropy(logits, label.reshape(-1))


class TrainingCell(nn.Cell):  # type: ignore[misc]
    """A step of the training, with the outputs of MindFormers' training cell.

    It leaves out updates that are not finite.
    """

    def __init__(
        self, network: CountingModel, criterion: KeptBatch, optimizer: nn.Optimizer
    ) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer

        def loss_of(tokens: Tensor, label: Tensor) -> Tensor:
            return criterion(network(tokens), label)

        self.loss_and_gradients = mindspore.value_and_grad(
            loss_of, None, optimizer.parameters
        )

    def construct(self, tokens: Tensor, label: Tensor) -> tuple[Tensor, ...]:
        """Loss, overflow, loss scale, learning rate, norm of the gradient."""
        loss, gradients = self.loss_and_gradients(tokens, label)
        norm = ops.sqrt(sum(each.square().sum() for each in gradients))
        overflow = not math.isfinite(norm.item())
        if not overflow:
            self.optimizer(gradients)
        return loss, Tensor(overflow), Tensor(1.0), self.optimizer.get_lr(), norm


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="mindspore-lm", help="name of the run")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--nan-at", type=int, help="step to spoil")
    args = parser.parse_args()

    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    mindspore.set_seed(0)
    starts = np.random.default_rng(0).integers(CLASSES, size=(BATCH * args.steps, 1))
    tokens = ((starts + np.arange(LENGTH)) % CLASSES).astype(np.int32)
    dataset = NumpySlicesDataset((tokens[:, :-1], tokens[:, 1:]), shuffle=False)

    network = CountingModel(args.nan_at)
    criterion = KeptBatch(MeanLoss())
    optimizer = nn.Adam(network.trainable_params(), 1e-2)
    recorder = LossmeterCallback(args.run, criterion=criterion)
    cell = TrainingCell(network, criterion, optimizer)
    Model(cell).train(
        1, dataset.batch(BATCH), callbacks=[recorder], dataset_sink_mode=False
    )
    for explanation in recorder.explanations:
        print(explanation)


if __name__ == "__main__":
    main()
