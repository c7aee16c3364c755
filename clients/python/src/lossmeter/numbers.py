"""Numbers that JSON has not, which the service writes as text."""

from typing import Any

_NON_FINITE = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": -float("inf"),
}

# The labels of a run are free text: one may be "NaN".
_FREE_TEXT = "labels"


def decode(value: Any) -> Any:  # noqa: ANN401 -- a value of JSON
    """A value of JSON, with floats where "NaN", "Infinity" and "-Infinity" stand."""
    match value:
        case str():
            return _NON_FINITE.get(value, value)
        case list():
            return [decode(inner) for inner in value]
        case dict():
            return {
                key: inner if key == _FREE_TEXT else decode(inner)
                for key, inner in value.items()
            }
        case _:
            return value
