"""Training with Lightning, recorded as a run."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lossmeter.client import Client
from lossmeter.errors import LossmeterError
from lossmeter.monitor import Monitor
from lossmeter.request import describe_run
from lossmeter.starts import SECONDS, last_explanations, log, next_attempt

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from lightning.pytorch import LightningModule, Trainer

    from lossmeter.explanation import Explanation

IGNORE_INDEX = -100


class LossmeterLogger(Logger):
    """Records what a module logs as scalars of a run, and hyperparameters as labels.

    Scalars are recorded by rank 0. The loss of every step is recorded by
    `LossmeterCallback`.

    Args:
        run: Name of the run; not needed with `path`.
        client: Client of the service; by default one made from the environment.
        attempt: Attempt of the run. The default is one more than the service's last
            attempt, so a training that resumes gets the next one.
        **monitor: More arguments of `lossmeter.Monitor`, such as `sample_every`,
            `on_non_finite`, `options` and `path`; not `rank`.
    """

    def __init__(
        self,
        run: str | None = None,
        client: Client | None = None,
        *,
        attempt: int | None = None,
        **monitor: Any,  # noqa: ANN401 -- those of Monitor
    ) -> None:
        super().__init__()
        self._run = run
        self._client = client
        self._given_attempt = attempt
        self._attempt = attempt
        # Lightning ends the training at SIGTERM itself, at the end of a batch.
        self._given: dict[str, Any] = {"handle_sigterm": False, **monitor}
        self._monitor: Monitor | None = None

    @property
    def name(self) -> str | None:
        """Name of the run."""
        return self._run

    @property
    def version(self) -> int | None:
        """Attempt of the run; None before its start."""
        return self._attempt

    @property
    def monitor(self) -> Monitor:
        """The monitor of this rank, which begins at its first use."""
        if self._monitor is None:
            if self._attempt is None:
                self._attempt = self._next_attempt(resumed=False)
            self._monitor = Monitor(
                self._run,
                self._client,
                rank=int(getattr(rank_zero_only, "rank", 0)),
                attempt=self._attempt,
                **self._given,
            )
        return self._monitor

    def begin(self, trainer: Trainer) -> None:
        """Begins an attempt of the run, the same on all ranks."""
        self.finalize("")
        attempt = self._given_attempt
        if attempt is None:
            if trainer.is_global_zero:
                attempt = self._next_attempt(resumed=trainer.ckpt_path is not None)
            attempt = trainer.strategy.broadcast(attempt)
        self._attempt = attempt

    def _next_attempt(self, *, resumed: bool) -> int:
        path = self._given.get("path")
        return next_attempt(self._run, self._client, path=path, resumed=resumed)

    @rank_zero_only
    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Records numbers as scalars of a step."""
        if step is not None:
            self.monitor.step(step, scalars=metrics)

    @rank_zero_only
    def log_hyperparams(
        self,
        params: dict[str, Any] | Namespace,
        *args: Any,  # noqa: ANN401, ARG002 -- Lightning's
        **kwargs: Any,  # noqa: ANN401, ARG002
    ) -> None:
        """Gives the run its hyperparameters as labels."""
        if self._run is None or self._given.get("path") is not None:
            return
        given = params if isinstance(params, dict) else vars(params)
        labels = {str(name): _label(value) for name, value in given.items()}
        client = self._client or Client(progress=False)
        described = describe_run(self._run, {"labels": labels})
        try:
            client.transport.brief(SECONDS).send(described)
        except LossmeterError as error:
            log.warning("hyperparameters of %r are not recorded: %s", self._run, error)
        finally:
            if self._client is None:
                client.close()

    def finalize(self, status: str) -> None:
        """Sends waiting items, and ends."""
        del status
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None


class LossmeterCallback(Callback):
    """Records the loss of every training step.

    `training_step` returns the loss, or a dict with `loss`. For explanations the dict
    also has `logits`, `label` and optionally `input_mask` and `weight`: tensors, or
    functions that return them. They are read only when the loss is not finite, is a
    spike or is sampled; see `lossmeter.Monitor`. `count` is the number of rows that the
    loss is the mean of; by default it is the number of labels other than −100.

    With `accumulate_grad_batches` each micro-batch is recorded with its own rows.

    Args:
        logger: Logger whose run is recorded; it may be the Trainer's logger too.

    Attributes:
        explanations: Explanations of the steps that went wrong.
    """

    def __init__(self, logger: LossmeterLogger) -> None:
        self.explanations: list[Explanation] = []
        self._logger = logger
        self._step = -1
        self._micro_batch = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins an attempt of the run."""
        del pl_module
        self._logger.begin(trainer)
        self._step = -1

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,  # noqa: ANN401 -- the user's
        batch_idx: int,
    ) -> None:
        """Counts steps from 0, as Lightning logs them."""
        del pl_module, batch, batch_idx
        if trainer.global_step == self._step:
            self._micro_batch += 1
        else:
            self._step, self._micro_batch = trainer.global_step, 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 -- the user's
        batch: Any,  # noqa: ANN401 -- likewise
        batch_idx: int,
    ) -> None:
        """Records the loss."""
        del batch, batch_idx
        given = outputs if isinstance(outputs, dict) else {"loss": outputs}
        loss = given.get("loss")
        if loss is None:
            return
        if pl_module.automatic_optimization:
            # Lightning has divided the loss by this number.
            loss = loss * trainer.accumulate_grad_batches
        arrays = {
            name: given.get(name)
            for name in ("logits", "label", "input_mask", "weight")
        }
        self.explanations += self._logger.monitor.step(
            self._step,
            loss,
            count=_count(given),
            micro_batch=self._micro_batch,
            **arrays,
        )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sends waiting items."""
        del trainer, pl_module
        monitor = self._logger.monitor
        self.explanations += last_explanations(monitor, max(self._step, 0))

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Ends the logger, unless it is the Trainer's."""
        del trainer, pl_module, stage
        self._logger.finalize("")


def _count(given: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- a number of any library
    """Rows that a loss is the mean of."""
    if given.get("count") is not None:
        return given["count"]
    label = given.get("label")
    if torch.is_tensor(label) and not label.is_floating_point():
        return label.ne(IGNORE_INDEX).sum()
    return 1


def _label(value: object) -> str | float | bool:
    """A hyperparameter as a label."""
    if isinstance(value, str | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return repr(value)
