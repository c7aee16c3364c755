"""Trains a small language model with the Trainer of Hugging Face, recorded as a run.

    pip install transformers accelerate ../clients/python
    python huggingface_lm.py --run hf-lm
    python huggingface_lm.py --run hf-lm-nan --nan-at 12

The model is made of its configuration with random weights: nothing is downloaded. It
learns to count: each token follows from the one before. `--nan-at` spoils one logit
at that step, and the run says which. `--resume FOLDER` goes on from a checkpoint, as
the next attempt of the run.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from lossmeter.huggingface import LossmeterCallback

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import TrainerState

CLASSES, LENGTH, SEQUENCES = 40, 16, 256
NAN_SEQUENCE, NAN_POSITION, NAN_CLASS = 1, 5, 17  # what --nan-at spoils


def examples() -> list[dict[str, Tensor]]:
    """Sequences that count up from anywhere, modulo CLASSES."""
    random = torch.Generator().manual_seed(0)
    starts = torch.randint(CLASSES, (SEQUENCES, 1), generator=random)
    tokens = (starts + torch.arange(LENGTH)) % CLASSES
    return [{"input_ids": row, "labels": row} for row in tokens]


def small_model() -> LlamaForCausalLM:
    """A language model of two layers, with random weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=CLASSES,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
    )
    return LlamaForCausalLM(config)


class Spoiler(TrainerCallback):
    """Puts a NaN among the logits of one step, and leaves out its update."""

    def __init__(self, model: LlamaForCausalLM, step: int | None) -> None:
        self.step = step
        self.spoils = False
        model.lm_head.register_forward_hook(self.spoil)

    def on_step_begin(
        self, args: object, state: TrainerState, control: object, **kwargs: object
    ) -> None:
        """Notices the step."""
        del args, control, kwargs
        self.spoils = state.global_step + 1 == self.step

    def spoil(self, layer: object, given: object, logits: Tensor) -> Tensor:
        """Spoils one logit of the first micro-batch of the step."""
        del layer, given
        if not self.spoils:
            return logits
        self.spoils = False
        spoilt = logits.clone()
        spoilt[NAN_SEQUENCE, NAN_POSITION, NAN_CLASS] = math.nan
        return spoilt

    def on_pre_optimizer_step(
        self,
        args: object,
        state: TrainerState,
        control: object,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        """Leaves out an update that would make all weights NaN."""
        del args, state, control
        gradients = [each.grad for each in kwargs["model"].parameters()]
        if not all(each.isfinite().all() for each in gradients if each is not None):
            kwargs["model"].zero_grad()


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="hf-lm", help="name of the run")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--nan-at", type=int, help="step to spoil")
    parser.add_argument("--folder", default="hf-lm", help="folder of the checkpoints")
    parser.add_argument("--resume", metavar="FOLDER", help="checkpoint to go on from")
    args = parser.parse_args()

    model = small_model()
    recorder = LossmeterCallback(args.run)
    trainer = Trainer(
        model,
        TrainingArguments(
            args.folder,
            max_steps=args.steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            learning_rate=1e-2,
            logging_steps=10,
            save_steps=20,
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=examples(),
        compute_loss_func=recorder.compute_loss,
        callbacks=[recorder, Spoiler(model, args.nan_at)],
    )
    trainer.train(resume_from_checkpoint=args.resume)

    for explanation in recorder.explanations:
        print(explanation)
        if explanation.row is not None:
            sequence, position = divmod(explanation.row, LENGTH)
            print(f"  sequence {sequence}, position {position}")
    if recorder.monitor is not None:
        print(f"attempt {recorder.monitor.attempt}, dropped {recorder.monitor.dropped}")


if __name__ == "__main__":
    main()
