"""Places that a monitor sends to: what they are asked, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lossmeter.evaluation import Evaluation
    from lossmeter.monitor_items import Flagged, Item


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an item: `refusal` says why it was not taken."""

    refusal: str | None = None


TAKEN = Result()


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is known to be taken; the same may succeed later.

    Attributes:
        why: The fault.
        seconds: Least pause that was asked for.
    """

    why: str
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was taken, and the same would be refused again.

    Attributes:
        why: The fault.
        for_good: The step is recorded otherwise, so its pair would be refused too.
    """

    why: str
    for_good: bool = False


class Sink(Protocol):
    """A place that takes items."""

    @property
    def place(self) -> str:
        """Kind and address, for messages."""

    @property
    def takes_logits(self) -> bool:
        """True for a sink that explains steps."""

    def record(self, items: Sequence[Item]) -> list[Result] | Later | Refused:
        """Takes items, and answers for each in order."""

    def explain(self, flagged: Flagged) -> Evaluation | Later | Refused:
        """Evaluates and records the logits of a step."""

    def close(self) -> None:
        """Ends; the sink may be used again."""
