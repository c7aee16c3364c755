"""Training with the Trainer of Hugging Face, recorded as a run."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from transformers import TrainerCallback
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from lossmeter.monitor import Monitor
from lossmeter.starts import last_explanations, next_attempt

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from lossmeter.client import Client
    from lossmeter.explanation import Explanation

IGNORE_INDEX = -100


class LossmeterCallback(TrainerCallback):
    """Computes the loss of a Trainer, and records it.

    Pass it to the Trainer twice: its method `compute_loss` as `compute_loss_func`, and
    the object itself as a callback. Loss and gradients are those of the Trainer without
    it, with `num_items_in_batch`, gradient accumulation and label smoothing. Each
    micro-batch of a rank is recorded with its number of rows, so the loss of a step is
    the mean over all its rows.

    The logits of a micro-batch are read only when its loss is not finite, is a spike or
    is sampled; see `lossmeter.Monitor`. In its explanation, row r is position r modulo
    T of sequence r // T, where T is the length of the sequences.

    Numbers that the Trainer logs are recorded as scalars by rank 0: `learning_rate`,
    `grad_norm`, `eval_loss` and others, and the loss as `logged_loss`.

    Args:
        run: Name of the run; not needed with `path`.
        client: Client of the service; by default one made from the environment.
        shift: True to score logits at t against the label at t + 1. The default is True
            for a causal language model.
        attempt: Attempt of the run. The default is one more than the service's last
            attempt, so a training that resumes gets the next one.
        **monitor: More arguments of `lossmeter.Monitor`, such as `sample_every`,
            `on_non_finite` and `path`; not `rank` and `options`.

    Attributes:
        explanations: Explanations of the steps that went wrong.
        monitor: The monitor; None before the training.
    """

    def __init__(
        self,
        run: str | None = None,
        client: Client | None = None,
        *,
        shift: bool | None = None,
        attempt: int | None = None,
        **monitor: Any,  # noqa: ANN401 -- those of Monitor
    ) -> None:
        self.explanations: list[Explanation] = []
        self.monitor: Monitor | None = None
        self._run = run
        self._client = client
        self._shift = shift
        self._attempt = attempt
        self._given = monitor
        self._step = 0
        self._micro_batch = 0
        self._label_smoothing = 0.0

    def compute_loss(
        self,
        outputs: Any,  # noqa: ANN401 -- the model's own type
        labels: Tensor,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of a micro-batch; the Trainer's `compute_loss_func`.

        Args:
            outputs: Output of the model, with `logits`, or with them first.
            labels: Class indices, −100 for rows that do not count.
            num_items_in_batch: Counted rows of the step, in all of its micro-batches.
                By default the loss is the mean over the micro-batch.

        Raises:
            RuntimeError: The Trainer does not have this callback.
        """
        logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs[0]
        shifts = bool(self._shift)
        rows = logits[..., :-1, :] if shifts else logits
        target = (labels[..., 1:] if shifts else labels).flatten().to(logits.device)
        total = cross_entropy(
            rows.flatten(0, -2).float(),
            target,
            ignore_index=IGNORE_INDEX,
            reduction="sum",
            label_smoothing=self._label_smoothing,
        )
        counted = target.ne(IGNORE_INDEX).sum()
        if torch.is_grad_enabled():
            self._record(total.detach(), counted, logits.detach(), labels)
        if num_items_in_batch is None:
            return total / counted
        if torch.is_tensor(num_items_in_batch):
            return total / num_items_in_batch.to(total.device)
        return total / num_items_in_batch

    def _record(
        self, total: Tensor, counted: Tensor, logits: Tensor, labels: Tensor
    ) -> None:
        if self.monitor is None:
            raise RuntimeError(
                "the Trainer has compute_loss of this callback, but not the callback: "
                "pass it as callbacks=[…] too"
            )
        count = counted.item()
        self.explanations += self.monitor.step(
            self._step,
            total / max(count, 1),
            count=count,
            logits=logits,
            label=labels,
            micro_batch=self._micro_batch,
        )
        self._micro_batch += 1

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Takes the kind of loss from the model and the arguments."""
        del state, control
        self._label_smoothing = args.label_smoothing_factor
        if self._shift is None:
            names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
            self._shift = type(_bare(kwargs["model"])).__name__ in names

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Begins an attempt of the run."""
        del control, kwargs
        if self.monitor is not None:
            self.monitor.close()
        rank = args.process_index
        self.monitor = Monitor(
            self._run,
            self._client,
            rank=rank,
            attempt=self._attempt_of(state.global_step > 0, args),
            options={
                "semantics": "torch",
                "shift": int(bool(self._shift)),
                "label_smoothing": self._label_smoothing,
            },
            **self._given,
        )

    def _attempt_of(self, resumed: bool, args: TrainingArguments) -> int:
        if self._attempt is not None:
            return self._attempt
        path = self._given.get("path")
        alone = args.world_size == 1 or self._run is None or path is not None
        attempt = 0
        if alone or args.process_index == 0:
            attempt = next_attempt(self._run, self._client, path=path, resumed=resumed)
        if alone:
            return attempt
        # The first recording of a rank makes an attempt that another rank could see.
        shared = [attempt]
        torch.distributed.broadcast_object_list(shared)
        return shared[0]

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Counts steps from 1, as the Trainer logs them."""
        del args, control, kwargs
        self._step = state.global_step + 1
        self._micro_batch = 0

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Records what the Trainer logs as scalars."""
        del args, control, kwargs
        if self.monitor is None or not logs or not state.is_world_process_zero:
            return
        scalars = {
            "logged_loss" if name == "loss" else name: value
            for name, value in logs.items()
            if isinstance(value, Real)
        }
        self.explanations += self.monitor.step(state.global_step, scalars=scalars)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Sends waiting items, and ends."""
        del args, control, kwargs
        if self.monitor is not None:
            self.explanations += last_explanations(self.monitor, state.global_step)
            self.monitor.close()


def _bare(model: torch.nn.Module) -> torch.nn.Module:
    """The model below the adapters of PEFT, if any."""
    get = getattr(model, "get_base_model", None)
    bare: torch.nn.Module = model if get is None else get()
    return bare
