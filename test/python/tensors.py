"""Tensors as the wire has them, made with numpy."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = dict[str, Any]


def to_msgpack(array: NDArray[Any], dtype: str | None = None) -> Map:
    """A tensor for msgpack; `dtype` names what numpy has no name for."""
    return {
        "dtype": dtype or array.dtype.name,
        "shape": array.shape,
        "data": array.tobytes(),
    }


def to_json(array: NDArray[Any], dtype: str | None = None) -> Map:
    """A tensor for JSON, its bytes in base64."""
    tensor = to_msgpack(array, dtype)
    return tensor | {"data": base64.b64encode(tensor["data"]).decode()}


def to_bfloat16(array: NDArray[np.float64]) -> NDArray[np.uint16]:
    """The bits of bfloat16, rounded to nearest even; for finite values."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float64]:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
