"""Distils a small language model into a smaller one, the loss by Lossmeter.

    pip install torch ../clients/python
    python distil_lm.py
    python distil_lm.py --direction jensen_shannon --beta 0.9 --temperature 2
    python distil_lm.py --top-k 8

A teacher learns a text. A student a quarter its width sees no labels: its loss is its
divergence from the teacher, which the service computes together with the gradient. With
`--top-k` the student sees the teacher's most probable classes only. At the end both are
compared on text that neither was trained on.
"""

from __future__ import annotations

import argparse

import torch
from small_lm import RATE, SmallModel, batches, trained, windows

from lossmeter import Client, Comparison
from lossmeter.torch import KLDivergence

TEACHER, STUDENT = 256, 64
HELD_OUT = 4096
STEPS_A_LINE = 25


def distil(
    teacher: SmallModel, text: torch.Tensor, args: argparse.Namespace
) -> SmallModel:
    """A student that was trained by the teacher."""
    student = SmallModel(STUDENT)
    optimizer = torch.optim.AdamW(student.parameters(), RATE)
    criterion = KLDivergence(
        args.direction, args.beta, args.temperature, client=Client(args.url)
    )
    losses = []
    for step, (characters, _) in enumerate(batches(text, args.steps, seed=1)):
        logits, reference = student(characters), teacher(characters)
        if args.top_k is None:
            loss = criterion(logits, reference)
        else:
            logprobs = torch.log_softmax(reference / args.temperature, -1)
            top = logprobs.topk(args.top_k)
            loss = criterion(logits, indices=top.indices, logprobs=top.values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % STEPS_A_LINE == 0:
            print(f"step {step:4}  divergence {losses[-1]:.4f}", flush=True)
    print(f"{len(losses)} steps: {losses[0]:.4f} first, {losses[-1]:.4f} last")
    return student


def compare(
    teacher: SmallModel, student: SmallModel, text: torch.Tensor, client: Client
) -> Comparison:
    """The student against the teacher on held-out text."""
    characters, following = text[:HELD_OUT, :-1], text[:HELD_OUT, -1]
    with torch.no_grad():
        return client.kl_divergence(
            teacher(characters), student(characters), label=following
        )


def describe(name: str, comparison: Comparison) -> None:
    """Prints a comparison in one line."""
    agreement, perplexity = comparison.top1_agreement, comparison.perplexity
    if perplexity is None:
        raise ValueError("the comparison has no labels")
    print(
        f"{name}: {comparison}; same top {agreement['fraction']:.1%}, perplexity "
        f"{perplexity['logits']['value']:.3f}, the teacher's "
        f"{perplexity['reference']['value']:.3f}"
    )


def main() -> None:
    """Trains the teacher, then the student, and compares them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the service; LOSSMETER_URL without")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--direction", default="forward", help="reverse, …")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-k", type=int, help="classes that the student sees")
    args = parser.parse_args()

    torch.manual_seed(0)
    text, held_out = windows()
    client = Client(args.url)
    teacher = trained(TEACHER, text, args.steps)
    describe("before", compare(teacher, SmallModel(STUDENT), held_out, client))
    student = distil(teacher, text, args)
    describe("after", compare(teacher, student, held_out, client))


if __name__ == "__main__":
    main()
