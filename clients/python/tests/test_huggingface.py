"""`lossmeter.huggingface` with the Trainer itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from trained import assert_nan_is_named, first_steps, points_of, run_example
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from lossmeter import NonFiniteStepError
from lossmeter.huggingface import LossmeterCallback

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from lossmeter import Client

# The Trainer itself causes these warnings.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

CLASSES, LENGTH = 20, 9


def language_model() -> PreTrainedModel:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=CLASSES,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
    )
    return LlamaForCausalLM(config)


def sequences() -> list[dict[str, torch.Tensor]]:
    """Sequences with 0 to LENGTH − 1 ignored labels at the start."""
    random = torch.Generator().manual_seed(4)
    made = []
    for left_out in range(24):
        tokens = torch.randint(CLASSES, (LENGTH,), generator=random)
        labels = tokens.clone()
        labels[: left_out % LENGTH] = -100
        made.append({"input_ids": tokens, "labels": labels})
    return made


def trained(
    folder: Path,
    model: PreTrainedModel,
    callback: LossmeterCallback | None,
    data: list[dict[str, torch.Tensor]],
    callbacks: tuple[TrainerCallback, ...] = (),
    **arguments: Any,  # noqa: ANN401 -- those of TrainingArguments
) -> Trainer:
    """Four steps of two micro-batches, without the model's own choice of a device."""
    given = {
        "max_steps": 4,
        "per_device_train_batch_size": 3,
        "gradient_accumulation_steps": 2,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        **arguments,
    }
    settings = TrainingArguments(
        str(folder),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **given,
    )
    trainer = Trainer(
        model,
        settings,
        train_dataset=data,
        eval_dataset=data[:4],
        compute_loss_func=None if callback is None else callback.compute_loss,
        callbacks=[*callbacks] if callback is None else [callback, *callbacks],
    )
    trainer.train()
    return trainer


def logged(trainer: Trainer, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_a_nan_is_named_and_a_resumed_training_is_the_next_attempt(
    client: Client, tmp_path: Path
) -> None:
    run = "org/hugging-face"
    given = ("--run", run, "--folder", str(tmp_path / "checkpoints"))
    printed = run_example(
        "huggingface_lm.py", *given, "--steps", "24", "--nan-at", "12"
    )

    assert_nan_is_named(client, run, printed, step=12)
    assert "  sequence 1, position 5\n" in printed
    assert "attempt 0, dropped 0\n" in printed
    before = [each["loss"] for each in client.run(run).steps()]
    assert len(before) == 24
    assert before[-1] < 0.8 * before[0]

    resume = ("--resume", str(tmp_path / "checkpoints" / "checkpoint-20"))
    printed = run_example("huggingface_lm.py", *given, "--steps", "30", *resume)
    assert "attempt 1, dropped 0\n" in printed
    assert first_steps(client, run) == {0: 1, 1: 21}
    assert [each["step"] for each in client.run(run).steps()] == [*range(1, 31)]
    # The losses after the checkpoint repeat.
    again = [each["loss"] for each in client.run(run).steps()][20:22]
    assert again == pytest.approx(before[20:22], rel=0.1)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("average_tokens", [True, False])
def test_training_is_what_it_is_without(
    client: Client, tmp_path: Path, label_smoothing: float, average_tokens: bool
) -> None:
    run = f"hf.same.{label_smoothing}.{average_tokens}"
    more: dict[str, Any] = {
        "label_smoothing_factor": label_smoothing,
        "average_tokens_across_devices": average_tokens,
    }
    plain = trained(tmp_path, language_model(), None, sequences(), **more)
    callback = LossmeterCallback(run, client)
    ours = trained(tmp_path, language_model(), callback, sequences(), **more)

    assert logged(ours, "loss") == pytest.approx(logged(plain, "loss"), rel=1e-5)
    weights = [trainer.model.state_dict() for trainer in (ours, plain) if trainer.model]
    torch.testing.assert_close(*weights)
    # The Trainer's loss is the mean over the rows of a step, and so is the service's.
    steps = client.run(run).steps()
    assert [each["step"] for each in steps] == [1, 2, 3, 4]
    recorded = [each["loss"] for each in steps]
    assert recorded == pytest.approx(logged(plain, "loss"), rel=1e-5)
    assert points_of(client, run, "logged_loss") == {
        step: pytest.approx(loss) for step, loss in enumerate(recorded, start=1)
    }
    denominators = [
        each["denominator"]
        for step in range(1, 5)
        for each in client.run(run).step(step)["rank_details"][0]["micro_batches"]
    ]
    assert len(denominators) == 8
    assert len(set(denominators)) > 1


def test_a_classifier_is_not_shifted(client: Client, tmp_path: Path) -> None:
    def classifier() -> PreTrainedModel:
        torch.manual_seed(5)
        config = BertConfig(
            vocab_size=CLASSES,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=LENGTH,
            id2label={0: "a", 1: "b", 2: "c"},
            hidden_dropout_prob=0,
            attention_probs_dropout_prob=0,
        )
        return BertForSequenceClassification(config)

    data = [
        {"input_ids": each["input_ids"], "labels": torch.tensor(number % 3)}
        for number, each in enumerate(sequences())
    ]
    # The model's own loss ignores num_items_in_batch: the Trainer adds the losses of
    # its micro-batches, and does not divide the sum.
    more: dict[str, Any] = {"gradient_accumulation_steps": 1}
    plain = trained(tmp_path, classifier(), None, data, **more)
    callback = LossmeterCallback("hf.classifier", client)
    trained(tmp_path, classifier(), callback, data, **more)

    recorded = [each["loss"] for each in client.run("hf.classifier").steps()]
    assert recorded == pytest.approx(logged(plain, "loss"), rel=1e-5)


def test_evaluation_is_recorded_as_scalars_alone(
    client: Client, tmp_path: Path
) -> None:
    callback = LossmeterCallback("hf.evaluation", client)
    more: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": 2}
    trainer = trained(tmp_path, language_model(), callback, sequences(), **more)

    summary = client.run("hf.evaluation").summary()
    assert (summary["steps"], summary["batches"]) == (4, 8)
    losses = dict(zip((2, 4), logged(trainer, "eval_loss"), strict=True))
    assert points_of(client, "hf.evaluation", "eval_loss") == losses
    assert len(points_of(client, "hf.evaluation", "grad_norm")) == 4
    # After the training nothing more is recorded.
    trainer.evaluate()
    assert points_of(client, "hf.evaluation", "eval_loss") == losses


class NanWeights(TrainerCallback):
    """Spoils the scores of one class from the second step on."""

    def on_step_end(
        self,
        args: object,
        state: object,
        control: object,
        **kwargs: Any,  # noqa: ANN401 -- the Trainer's
    ) -> None:
        del args, state, control
        with torch.no_grad():
            kwargs["model"].lm_head.weight[7] = float("nan")


def test_a_training_can_be_ended_by_a_nan(client: Client, tmp_path: Path) -> None:
    callback = LossmeterCallback(
        "hf.ended", client, on_non_finite="raise", interval=0.01
    )
    more: dict[str, Any] = {"max_steps": 1000}
    with pytest.raises(NonFiniteStepError, match="step 2, rank 0") as raised:
        trained(
            tmp_path, language_model(), callback, sequences(), (NanWeights(),), **more
        )

    assert raised.value.explanation.evaluation is not None
    assert callback.monitor is not None
    callback.monitor.close()


def test_micro_batches_are_told_apart(client: Client, tmp_path: Path) -> None:
    model = language_model()
    calls = 0

    def spoil(layer: object, given: object, logits: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        del layer, given
        calls += 1
        if calls == 4:  # the second micro-batch of the second step
            logits = logits.clone()
            logits[2, 6, 11] = torch.inf
        return logits

    model.lm_head.register_forward_hook(spoil)
    callback = LossmeterCallback("hf.micro-batch", client)
    trained(tmp_path, model, callback, sequences())

    explanation = callback.explanations[0]
    assert (explanation.step, explanation.micro_batch) == (2, 1)
    assert (explanation.row, explanation.column) == (2 * LENGTH + 6, 11)


def test_the_callback_is_required_beside_its_loss(tmp_path: Path) -> None:
    callback = LossmeterCallback("hf.alone")
    settings = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    trainer = Trainer(
        language_model(),
        settings,
        train_dataset=sequences(),
        compute_loss_func=callback.compute_loss,
    )
    with pytest.raises(RuntimeError, match=r"callbacks=\[…\]"):
        trainer.train()


def test_a_training_is_written_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    callback = LossmeterCallback(path=path)
    trained(tmp_path, language_model(), callback, sequences())

    lines = path.read_text().splitlines()
    assert sum('"numerator"' in line for line in lines) == 8
    assert any('"grad_norm"' in line for line in lines)
