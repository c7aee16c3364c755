"""Numbers that JSON has not, which the service writes as text."""

import math
from typing import Any

_NON_FINITE = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": -float("inf"),
}

# Names and labels of runs are free text: one may be "NaN".
_FREE_TEXT = {"run", "labels"}


def decode(value: Any) -> Any:  # noqa: ANN401 -- a value of JSON
    """A value of JSON, with floats where "NaN", "Infinity" and "-Infinity" stand."""
    match value:
        case str():
            return _NON_FINITE.get(value, value)
        case list():
            return [decode(inner) for inner in value]
        case dict():
            return {
                key: inner if key in _FREE_TEXT else decode(inner)
                for key, inner in value.items()
            }
        case _:
            return value


def encode(value: Any) -> Any:  # noqa: ANN401 -- a value of JSON
    """The same as the service writes it: numbers that JSON has not are text."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case list():
            return [encode(inner) for inner in value]
        case dict():
            return {key: encode(inner) for key, inner in value.items()}
        case _:
            return value
