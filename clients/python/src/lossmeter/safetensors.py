"""safetensors, in the order that the service can read as it arrives.

The library of that name orders tensors by their width, which may put labels after
logits; here they stand in the order in which they are given.

Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmeter.arrays import BFLOAT16

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping

    from numpy.typing import NDArray

MEDIA_TYPE = "application/vnd.safetensors"

_METADATA = "__metadata__"
_LENGTH_BYTES = 8
_ALIGNMENT = 8

_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def encode_header(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> bytes:
    """What stands before the bytes of the tensors, which follow in the given order.

    Raises:
        TypeError: A dtype is none of the format's.
    """
    header: dict[str, object] = {_METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name, tensor in tensors.items():
        dtype = _NAMES.get(tensor.dtype)
        if dtype is None:
            expected = ", ".join(str(known) for known in _DTYPES.values())
            raise TypeError(f"{name} has the dtype {tensor.dtype}, expected {expected}")
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": dtype,
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def decode(
    content: bytes | bytearray | mmap.mmap,
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The tensors of a file, as arrays over its bytes, and its metadata.

    Raises:
        ValueError: It is no safetensors file.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= len(content):
        raise ValueError(
            f"its first 8 bytes announce {start - _LENGTH_BYTES} bytes of header, "
            f"and {max(0, len(content) - _LENGTH_BYTES)} bytes follow"
        )
    header = json.loads(content[_LENGTH_BYTES:start])
    metadata = header.pop(_METADATA, {})
    tensors = {name: _tensor(content, start, entry) for name, entry in header.items()}
    return tensors, metadata


def _tensor(
    content: bytes | bytearray | mmap.mmap, start: int, entry: dict[str, Any]
) -> NDArray[Any]:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise ValueError(f"the dtype {entry['dtype']} is not known")
    begin, end = entry["data_offsets"]
    count = (end - begin) // dtype.itemsize
    # An array over bytes wants one element at least.
    if count == 0:
        return np.empty(entry["shape"], dtype)
    flat = np.frombuffer(content, dtype, count, start + begin)
    return flat.reshape(entry["shape"])
