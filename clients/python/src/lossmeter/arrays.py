"""Arrays of any library, as NumPy arrays over the same memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT8_E4M3FN = np.dtype(ml_dtypes.float8_e4m3fn)
FLOAT8_E5M2 = np.dtype(ml_dtypes.float8_e5m2)

_BY_NAME = {dtype.name: dtype for dtype in (BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2)}


def as_array(value: ArrayLike) -> NDArray[Any]:
    """Makes a C-contiguous NumPy array of one of NumPy, PyTorch, JAX or MindSpore.

    A contiguous array on the host is not copied. An array on a device, or one that is
    not contiguous, is copied once. bfloat16 and float8 become dtypes of `ml_dtypes`.
    PyTorch's tracking of gradients ends here.

    Args:
        value: An array, a scalar or nested sequences, of any shape.

    Returns:
        An array of the same shape and dtype, little-endian.

    Raises:
        TypeError: The values are not in one block of memory, as in a sparse, nested,
            quantised, masked or meta tensor, or are not numbers.
        ValueError: Nested sequences have unequal lengths.
    """
    array = _as_numpy(value)
    # MindSpore and TensorFlow have dtypes of their own, with the same bits and names.
    known = _BY_NAME.get(array.dtype.name, array.dtype)
    if array.dtype != known:
        bits = np.require(array, requirements="C").view(f"u{known.itemsize}")
        array = bits.view(known)
    if array.dtype.byteorder == ">" or (
        array.dtype.byteorder == "=" and sys.byteorder == "big"
    ):
        array = array.astype(array.dtype.newbyteorder("<"))
    # np.ascontiguousarray adds an axis to an array without axes.
    return np.require(array, requirements="C")


def as_named_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Calls `as_array`, and names the array in its errors.

    Raises:
        TypeError: It cannot be sent.
    """
    try:
        return as_array(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise TypeError(f"{name} is not an array that can be sent: {cause}") from cause


def _as_numpy(value: Any) -> NDArray[Any]:  # noqa: ANN401 -- of any library
    # An array implies that its library is imported, so none is imported to test it.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        fault = tensor_fault(value)
        if fault is not None:
            raise TypeError(f"it {fault}")
        return _from_torch(value.detach().contiguous().cpu(), torch)
    mindspore = sys.modules.get("mindspore")
    if mindspore is not None and isinstance(value, mindspore.Tensor):
        return np.asarray(value.asnumpy())
    if _is_masked(value):
        raise TypeError(
            "it is a masked array, whose mask would be lost; expected its values, such "
            "as filled(…), and input_mask to leave rows out"
        )
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(
            f"it is a {type(value).__name__}, which NumPy reads as Python objects; "
            "expected numbers"
        )
    return array


def tensor_fault(tensor: Any) -> str | None:  # noqa: ANN401 -- torch is no dependency
    """The reason why a tensor of PyTorch cannot be sent, as the end of a sentence."""
    if tensor.is_nested:
        return "is a nested tensor, expected a padded one and input_mask"
    if str(tensor.layout) != "torch.strided":
        return f"has the layout {tensor.layout}, expected torch.strided: to_dense()"
    if tensor.is_meta:
        return "is a meta tensor, which has no values; expected one with values"
    if tensor.is_quantized:
        return f"is quantised ({tensor.dtype}), expected floats: dequantize()"
    return None


def _is_masked(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_masked, value))
    return isinstance(value, np.ma.MaskedArray)


def _from_torch(tensor: Any, torch: Any) -> NDArray[Any]:  # noqa: ANN401 -- torch is no dependency
    # NumPy itself lacks these dtypes: the bits are passed as integers.
    dtype = _BY_NAME.get(str(tensor.dtype).removeprefix("torch."))
    if dtype is not None:
        integers = torch.int16 if dtype.itemsize == 2 else torch.uint8  # noqa: PLR2004 -- bytes
        bits: NDArray[Any] = tensor.view(integers).numpy()
        return bits.view(dtype)
    array: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
    return array


def bytes_of(array: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data
