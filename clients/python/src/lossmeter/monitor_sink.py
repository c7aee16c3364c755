"""The interface of the places that a monitor sends to."""

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
    """The outcome is failure or unknown; a retry may succeed later.

    Attributes:
        why: The fault.
        seconds: Least pause before a retry.
    """

    why: str
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was refused, and a retry would be refused too.

    Attributes:
        why: The fault.
        for_good: True when the step is already recorded with other content, so that its
            pair would be refused too.
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
