"""Training with MindSpore's Model or MindFormers, recorded as a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mindspore import Callback, Tensor, nn

from lossmeter.monitor import Monitor
from lossmeter.starts import last_explanations, next_attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.client import Client
    from lossmeter.explanation import Explanation

IGNORE_INDEX = -100

_FIELDS = ("overflow", "loss_scale", "lr", "grad_norm")
"""Scalars that follow the loss in the outputs of the training cells of MindFormers."""

_LENGTHS = frozenset({3, 4, 5, 7})
"""Lengths of such outputs; the last two of seven are norms by parameter."""


class KeptBatch(nn.Cell):  # type: ignore[misc]
    """A loss function that keeps its arguments, without a copy.

    It is for PyNative mode: a compiled graph has no place to keep them.

    Args:
        criterion: The loss function, called with logits, label and an optional mask.

    Attributes:
        kept: Arguments of the last call; empty before it.
    """

    def __init__(self, criterion: Callable[..., Tensor]) -> None:
        super().__init__(auto_prefix=False)
        self.criterion = criterion
        self.kept: list[Any] = []

    def construct(self, *batch: Tensor) -> Tensor:
        """The loss."""
        self.kept[:] = batch
        return self.criterion(*batch)


class LossmeterCallback(Callback):  # type: ignore[misc]
    """Records the loss of every training step; a callback of MindSpore's Model.

    It reads the outputs of the training cells of MindSpore and MindFormers: the loss
    alone, or the loss, overflow, the loss scale, the learning rate and the norm of the
    gradient. All but the loss become the scalars `overflow`, `loss_scale`, `lr` and
    `grad_norm`. Steps count from 1, as `cur_step_num` does.

    Logits are read only to explain a step that goes wrong; see `lossmeter.Monitor`. In
    PyNative mode a KeptBatch around the loss function of the Model keeps them. In graph
    mode only the loss is recorded.

    Args:
        run: Name of the run; not needed with `path`.
        client: Client of the service; by default one made from the environment.
        criterion: The loss function of the Model, as a KeptBatch.
        initial_step: Number of steps before a training that resumes.
        rank: Data-parallel rank of this process.
        attempt: Attempt of the run. The default is one more than the service's last
            attempt, so a training that resumes gets the next one. Ranks that start
            together must be given an attempt.
        **monitor: More arguments of `lossmeter.Monitor`, such as `sample_every`,
            `on_non_finite`, `options` and `path`.

    Attributes:
        explanations: Explanations of the steps that went wrong.
        monitor: The monitor; None before the training.
    """

    def __init__(
        self,
        run: str | None = None,
        client: Client | None = None,
        *,
        criterion: KeptBatch | None = None,
        initial_step: int = 0,
        rank: int = 0,
        attempt: int | None = None,
        **monitor: Any,  # noqa: ANN401 -- those of Monitor
    ) -> None:
        super().__init__()
        self.explanations: list[Explanation] = []
        self.monitor: Monitor | None = None
        self._run = run
        self._client = client
        self._criterion = criterion
        self._initial_step = initial_step
        self._rank = rank
        self._attempt = attempt
        self._given = monitor

    def on_train_begin(self, run_context: Any) -> None:  # noqa: ANN401 -- MindSpore's
        """Begins an attempt of the run."""
        if self.monitor is not None:
            self.monitor.close()
        attempt = self._attempt
        if attempt is None:
            attempt = next_attempt(
                self._run,
                self._client,
                path=self._given.get("path"),
                resumed=self._step_of(run_context) > 0,
            )
        self.monitor = Monitor(
            self._run, self._client, self._rank, attempt, **self._given
        )

    def on_train_step_end(self, run_context: Any) -> None:  # noqa: ANN401 -- likewise
        """Records the loss of the step."""
        if self.monitor is None:
            return
        loss, scalars = _numbers_of(run_context.original_args()["net_outputs"])
        logits, label, mask = _three(self._criterion)
        self.explanations += self.monitor.step(
            self._step_of(run_context),
            loss.mean(),
            count=_count(label, mask),
            logits=logits,
            label=_rows(label, logits),
            input_mask=_rows(mask, logits),
            scalars=scalars,
        )

    def on_train_end(self, run_context: Any) -> None:  # noqa: ANN401 -- likewise
        """Sends waiting items, and ends."""
        if self.monitor is not None:
            step = self._step_of(run_context)
            self.explanations += last_explanations(self.monitor, step)
            self.monitor.close()

    def _step_of(self, run_context: Any) -> int:  # noqa: ANN401 -- likewise
        given = run_context.original_args()
        # The parameters of MindFormers have the step where it resumes; MFLossMonitor
        # reads them too.
        before = given.get("initial_step")
        step: int = given.get("cur_step_num", 0)
        return step + (self._initial_step if before is None else before)


def _numbers_of(outputs: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 -- MindSpore's
    """The loss, and the scalars beside it."""
    if not isinstance(outputs, tuple | list):
        return outputs, {}
    loss, *more = outputs
    if len(outputs) not in _LENGTHS:
        return loss, {}
    named = zip(_FIELDS, more, strict=False)
    return loss, {
        name: value
        for name, value in named
        if isinstance(value, bool | int | float)
        or (isinstance(value, Tensor) and value.size == 1)
    }


def _three(criterion: KeptBatch | None) -> list[Any]:
    """Logits, label and mask of the last batch, None for missing ones."""
    kept = [] if criterion is None else criterion.kept[:3]
    return kept + [None] * (3 - len(kept))


def _count(label: Any, mask: Any) -> Any:  # noqa: ANN401 -- tensors, or None
    """Rows that the loss is the mean of."""
    if mask is not None:
        return mask.astype("float32").sum()
    return 1 if label is None else (label != IGNORE_INDEX).astype("float32").sum()


def _rows(values: Any, logits: Any) -> Any:  # noqa: ANN401 -- likewise
    """Labels or weights of rows, in the shape of the rows."""
    if values is None or values.size * logits.shape[-1] != logits.size:
        return values
    return values.reshape(logits.shape[:-1])
