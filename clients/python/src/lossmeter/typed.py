"""Values of JSON as the types of `lossmeter.schemas` declare them.

JSON has only one kind of number, and no NaN or infinities. The declared type
distinguishes floats from counts, and NaN from other texts.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_EXACT_INTEGERS = 2**53
"""Up to this float64 has every integer; beyond it the digits that come are rounded."""


def convert(value: object, declared: Any) -> Any:  # noqa: ANN401 -- of the declared type
    """A value of JSON as its declared type.

    Numbers of a float field become floats with the service's bits, and so do the texts
    of NaN and the infinities. Undeclared fields, which a newer service may send, stay
    unchanged.

    Args:
        value: What `json.loads` returned.
        declared: A TypedDict, list, mapping, union or scalar type.
    """
    return _converter(declared)(value)


@functools.cache
def _converter(declared: Any) -> Callable[[Any], Any]:  # noqa: ANN401 -- any type
    origin, arguments = get_origin(declared), get_args(declared)
    converter: Callable[[Any], Any] = _same
    if declared is float:
        converter = _float
    elif is_typeddict(declared):
        hints = get_type_hints(declared)
        fields = {name: _converter(hint) for name, hint in hints.items()}
        converter = functools.partial(_object, fields)
    elif origin is list:
        converter = functools.partial(_list, _converter(arguments[0]))
    elif origin is Mapping:
        converter = functools.partial(_mapping, _converter(arguments[1]))
    elif origin in {Union, types.UnionType} and str in arguments:
        converter = _free
    elif origin in {Union, types.UnionType} and type(None) in arguments:
        # Every converter leaves None as it is.
        (inner,) = (each for each in arguments if each is not type(None))
        converter = _converter(inner)
    return converter


def _same(value: Any) -> Any:  # noqa: ANN401 -- any value of JSON
    return value


def _float(value: object) -> object:
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case str():
            return _NON_FINITE.get(value, value)
    return value


def _free(value: object) -> object:
    """A value of any scalar type, such as a label of a run."""
    match value:
        case int() if abs(value) > _EXACT_INTEGERS:
            return float(value)
    return value


def _object(fields: Mapping[str, Callable[[Any], Any]], value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: fields.get(name, _same)(inner) for name, inner in value.items()}


def _list(convert_item: Callable[[Any], Any], value: object) -> object:
    return [*map(convert_item, value)] if isinstance(value, list) else value


def _mapping(convert_item: Callable[[Any], Any], value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: convert_item(inner) for name, inner in value.items()}
