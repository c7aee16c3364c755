"""JSON as the service writes and reads it: "NaN" and the infinities are text there."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar

import numpy as np

from lossmeter.typed import convert

_T = TypeVar("_T")


def loads(text: str | bytes | bytearray, declared: type[_T]) -> _T:
    """A value of an answer, as its declared type: see `lossmeter.typed`.

    Raises:
        ValueError: It is not JSON.
    """
    value: _T = convert(json.loads(text), declared)
    return value


def dumps(name: str, value: object) -> str:
    """The text of a value of a request, of NumPy's numbers and arrays too.

    Args:
        name: What it is, for messages.
        value: The value, in which every number is finite.

    Raises:
        TypeError: Something in it has no place in JSON.
        ValueError: A number is not finite.
    """
    try:
        return json.dumps(value, default=plain, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise type(cause)(f"{name} {value}: {cause}") from cause


def plain(value: object) -> object:
    """NumPy's numbers and arrays as Python's.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of {type(value)} has no place in JSON")


def with_text(value: Any) -> Any:  # noqa: ANN401 -- any value of JSON
    """A value as the service writes it: with text for numbers that JSON has not."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case list():
            return [with_text(inner) for inner in value]
        case dict():
            return {key: with_text(inner) for key, inner in value.items()}
        case _:
            return value
