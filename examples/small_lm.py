"""A small character-level language model, and the text that it learns.

The text is the part of the Python language reference that every CPython carries for
`help()`. The last tenth of it is held out.
"""

from __future__ import annotations

from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT, EMBED = 8, 16
BATCH, RATE = 256, 3e-3

TEXT = "".join(topics[key] for key in sorted(topics))
VOCABULARY = sorted(set(TEXT))


class SmallModel(nn.Module):
    """Scores of the next character, from the CONTEXT characters before it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Embedding(len(VOCABULARY), EMBED),
            nn.Flatten(),
            nn.Linear(CONTEXT * EMBED, hidden),
            nn.Tanh(),
            nn.Linear(hidden, len(VOCABULARY)),
        )

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (batch, classes)."""
        logits: Tensor = self.layers(characters)
        return logits


def windows() -> tuple[Tensor, Tensor]:
    """CONTEXT characters and the next one, at each place: to train on, and held out."""
    index = {character: i for i, character in enumerate(VOCABULARY)}
    text = torch.tensor([index[character] for character in TEXT])
    every = text.unfold(0, CONTEXT + 1, 1)
    last = len(every) * 9 // 10
    # A window that is held out shares no character with one that is trained on.
    return every[: last - CONTEXT], every[last:]


def batches(text: Tensor, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Characters of shape (BATCH, CONTEXT), and the one that comes next."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        picked = text[torch.randint(len(text), (BATCH,), generator=random)]
        yield picked[:, :-1], picked[:, -1]


def trained(hidden: int, text: Tensor, steps: int) -> SmallModel:
    """A model that was trained on the text."""
    model = SmallModel(hidden)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    for characters, following in batches(text, steps, seed=0):
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(model(characters), following))
        optimizer.step()
    return model.requires_grad_(requires_grad=False)
