"""Arrays of any library, as NumPy arrays over the same memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def as_array(value: ArrayLike) -> NDArray[Any]:
    """A C-contiguous NumPy array of what NumPy, PyTorch, JAX or MindSpore hold.

    Nothing is copied when the array lies contiguous in the memory of the host; one that
    lies on a device, or is not contiguous, is copied once. bfloat16 stays bfloat16, as
    the dtype of `ml_dtypes`. A gradient that is followed is left out.

    Args:
        value: An array, a scalar or nested sequences, of any shape.

    Returns:
        An array of the same shape and dtype, little-endian.
    """
    array = _as_numpy(value)
    # MindSpore and TensorFlow have one of their own, of the same bits and name.
    if array.dtype.name == "bfloat16" and array.dtype != BFLOAT16:
        array = np.require(array, requirements="C").view(np.uint16).view(BFLOAT16)
    if array.dtype.byteorder == ">" or (
        array.dtype.byteorder == "=" and sys.byteorder == "big"
    ):
        array = array.astype(array.dtype.newbyteorder("<"))
    # np.ascontiguousarray makes an axis where there is none.
    return np.require(array, requirements="C")


def _as_numpy(value: Any) -> NDArray[Any]:  # noqa: ANN401 -- of any library
    # A library that was not imported has made no array; none is imported for the test.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _from_torch(value.detach().contiguous().cpu(), torch)
    mindspore = sys.modules.get("mindspore")
    if mindspore is not None and isinstance(value, mindspore.Tensor):
        return np.asarray(value.asnumpy())
    return np.asarray(value)


def _from_torch(tensor: Any, torch: Any) -> NDArray[Any]:  # noqa: ANN401 -- torch is no dependency
    # NumPy has no bfloat16 of its own: the bits go across as integers.
    if tensor.dtype is torch.bfloat16:
        bits: NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(BFLOAT16)
    array: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
    return array


def bytes_of(array: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data
