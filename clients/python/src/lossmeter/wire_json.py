"""JSON in the service's form: NaN and the infinities are texts."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import numpy as np

from lossmeter.typed import convert

_T = TypeVar("_T")


def loads(text: str | bytes | bytearray, declared: type[_T]) -> _T:
    """Reads a value of an answer; `lossmeter.typed` converts it to its declared type.

    Raises:
        ValueError: It is not JSON.
    """
    value: _T = convert(json.loads(text), declared)
    return value


def dumps(name: str, value: object) -> str:
    """Writes a value of a request; it may have numbers and arrays of NumPy.

    Args:
        name: Name of the value, for messages.
        value: The value, in which every number is finite.

    Raises:
        TypeError: A part of it cannot be written as JSON.
        ValueError: A number is not finite.
    """
    try:
        return json.dumps(value, default=plain, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise type(cause)(f"{name} {value}: {cause}") from cause


def plain(value: object) -> object:
    """Converts numbers and arrays of NumPy to Python's.

    Raises:
        TypeError: The value is something else.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of {type(value)} has no place in JSON")


def with_text(value: Any) -> Any:  # noqa: ANN401 -- any value of JSON
    """A value in the service's form: text for numbers that JSON cannot represent."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case list():
            return [with_text(inner) for inner in value]
        case dict():
            return {key: with_text(inner) for key, inner in value.items()}
        case _:
            return value
