"""Recordings that wait to be sent, and their lines of NDJSON."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lossmeter.wire_json import with_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lossmeter.batch import Batch
    from lossmeter.explanation import Reason

MOST_ITEMS = 1_000
"""Items of one request."""

MOST_SCALARS = 10_000
"""Scalars of one request."""

MOST_BODY_BYTES = 2**19
"""Bytes of one request."""

SCALARS_OF_AN_ITEM = 500
"""Scalars of one item; further ones go into further items of the same step."""

_ITEM_COST = 250
"""Bytes that an item takes in memory, about."""

_SCALAR_COST = 110
"""Bytes that a scalar takes in memory, about."""

_encode = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode


class Item(NamedTuple):
    """A pair, scalars, or both, of one step.

    `numerator` and `denominator` are None for scalars alone.
    """

    step: int
    micro_batch: int
    numerator: float | None
    denominator: float | None
    declared_loss: float | None
    scalars: dict[str, float] | None

    @property
    def numbers(self) -> int:
        """Number of scalars, as the service counts them."""
        return len(self.scalars or ()) + (self.declared_loss is not None)

    @property
    def is_divisible(self) -> bool:
        """True for an item with a pair and scalars: one of the two may be invalid."""
        return self.numerator is not None and bool(self.scalars)

    @property
    def cost(self) -> int:
        """Approximate bytes in memory."""
        return _ITEM_COST + _SCALAR_COST * len(self.scalars or ())


@dataclass(frozen=True)
class Origin:
    """Origin of all items of a monitor.

    Attributes:
        rank: Rank that records.
        attempt: Attempt that records.
        device: Device that computes the losses.
    """

    rank: int
    attempt: int
    device: str | None

    @functools.cached_property
    def fields(self) -> str:
        """Fields of every line."""
        text = f',"rank":{self.rank}' if self.rank else ""
        return f'{text},"attempt":{self.attempt}' if self.attempt else text

    @functools.cached_property
    def device_field(self) -> str:
        """The field of the device, for lines with a pair."""
        return "" if self.device is None else f',"device":{json.dumps(self.device)}'


@dataclass(frozen=True, slots=True, eq=False)
class Flagged:
    """A step whose logits are sent.

    Attributes:
        item: The pair that is sent when the logits cannot be.
        batch: The logits, the label and what belongs to them.
        loss: The loss of the training loop.
        reason: Reason for sending the logits.
        nbytes: Bytes of the arrays.
    """

    item: Item
    batch: Batch
    loss: float
    reason: Reason
    nbytes: int

    @property
    def declared_loss(self) -> float:
        """Loss to compare with that of the service."""
        declared = self.item.declared_loss
        return self.loss if declared is None else declared


def number(value: object) -> float:
    """Converts a number, or an array of one element of any library, to a float.

    Raises:
        TypeError: The value is not a number.
        ValueError: The value is an array of several elements, or a text.
    """
    if type(value) is float:
        return value
    item = getattr(value, "item", None)
    plain = value if item is None else item()
    if isinstance(plain, str | bytes):
        raise TypeError(f"expected a number, got {plain!r}")
    return float(plain)  # type: ignore[arg-type]


def scalars_of(item: Item) -> Item:
    """The scalars of an item, without its pair."""
    return item._replace(numerator=None, denominator=None, declared_loss=None)


def parts_of(scalars: dict[str, float]) -> list[dict[str, float]]:
    """Divides scalars into parts that each fit into an item."""
    if len(scalars) <= SCALARS_OF_AN_ITEM:
        return [scalars]
    names = list(scalars)
    return [
        {name: scalars[name] for name in names[start : start + SCALARS_OF_AN_ITEM]}
        for start in range(0, len(names), SCALARS_OF_AN_ITEM)
    ]


def line_of(item: Item, origin: Origin) -> bytes:
    """The line of an item."""
    text = f'{{"step":{item.step}{origin.fields}'
    if item.micro_batch:
        text += f',"micro_batch":{item.micro_batch}'
    if item.numerator is not None and item.denominator is not None:
        text += f',"numerator":{_text(item.numerator)}'
        text += f',"denominator":{_text(item.denominator)}'
        text += origin.device_field
    if item.declared_loss is not None:
        text += f',"declared_loss":{_text(item.declared_loss)}'
    if item.scalars:
        text += f',"scalars":{_scalars(item.scalars)}'
    return f"{text}}}\n".encode()


def _text(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'"{with_text(value)}"'


def _scalars(scalars: Mapping[str, float]) -> str:
    try:
        return _encode(scalars)
    except ValueError:
        return _encode(with_text(dict(scalars)))
