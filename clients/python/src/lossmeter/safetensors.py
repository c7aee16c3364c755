"""Safetensors files whose order of tensors lets the service stream them.

The library `safetensors` orders tensors by the width of their dtype, which may put
labels after logits; here tensors keep the given order.

Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lossmeter.arrays import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2

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
    "F8_E4M3": FLOAT8_E4M3FN,
    "F8_E5M2": FLOAT8_E5M2,
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
    """The header of a file, with the tensors in the given order.

    Raises:
        TypeError: The format does not have one of the dtypes.
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


class File(NamedTuple):
    """A file whose header has been read."""

    content: bytes | bytearray | mmap.mmap
    start: int
    ranges: Mapping[str, _Range]
    metadata: dict[str, str]

    def array(self, name: str) -> NDArray[Any]:
        """A tensor as an array over the bytes of the file.

        Raises:
            ValueError: Its dtype is unknown.
        """
        return self.ranges[name].array(name, self.content, self.start)


def read(content: bytes | bytearray | mmap.mmap) -> File:
    """Reads the header of a file, which may have tensors of any dtype.

    Raises:
        ValueError: It is not a safetensors file.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= len(content):
        raise ValueError(
            f"its first 8 bytes announce {start - _LENGTH_BYTES} bytes of header, "
            f"and {max(0, len(content) - _LENGTH_BYTES)} bytes follow"
        )
    header = json.loads(content[_LENGTH_BYTES:start])
    if not isinstance(header, dict):
        raise ValueError(f"its header is {header!r}, expected an object")  # noqa: TRY004 -- of the file
    metadata = header.pop(_METADATA, None)
    # The library accepts null as no metadata.
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or any(
        not isinstance(text, str) for text in metadata.values()
    ):
        raise ValueError(f"its metadata are {metadata!r}, expected texts")
    ranges = {name: _Range.of(name, entry) for name, entry in header.items()}
    end = 0
    for name, stored in sorted(ranges.items(), key=lambda item: item[1].span):
        if stored.begin != end:
            raise ValueError(f"{name} begins at byte {stored.begin}, expected {end}")
        end = stored.end
    if start + end != len(content):
        raise ValueError(
            f"its tensors have {len(content) - start} bytes, expected {end}"
        )
    return File(content, start, ranges, metadata)


def decode(
    content: bytes | bytearray | mmap.mmap,
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The tensors of a file, as arrays over its bytes, and its metadata.

    Raises:
        ValueError: It is not a safetensors file, or a dtype is unknown.
    """
    file = read(content)
    return {name: file.array(name) for name in file.ranges}, file.metadata


class _Range(NamedTuple):
    """Position, dtype and shape of a tensor in the file."""

    begin: int
    end: int
    code: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, entry: object) -> _Range:
        match entry:
            case {
                "dtype": str(code),
                "shape": [*sizes],
                "data_offsets": [int(begin), int(end)],
            } if all(isinstance(size, int) and size >= 0 for size in sizes):
                dtype = _DTYPES.get(code)
            case _:
                raise ValueError(
                    f"{name} is {entry!r}, expected dtype, shape and data_offsets"
                )
        known = dtype is None or end - begin == math.prod(sizes) * dtype.itemsize
        if not 0 <= begin <= end or not known:
            raise ValueError(f"{name} has the bytes [{begin}, {end}) for {sizes}")
        return cls(begin, end, code, tuple(sizes))

    @property
    def span(self) -> tuple[int, int]:
        return self.begin, self.end

    def array(
        self, name: str, content: bytes | bytearray | mmap.mmap, start: int
    ) -> NDArray[Any]:
        dtype = _DTYPES.get(self.code)
        if dtype is None:
            raise ValueError(f"{name} has the dtype {self.code}, which is not known")
        # An array over a buffer needs at least one element.
        if self.begin == self.end:
            return np.empty(self.shape, dtype)
        count = (self.end - self.begin) // dtype.itemsize
        flat = np.frombuffer(content, dtype, count, start + self.begin)
        return flat.reshape(self.shape)
