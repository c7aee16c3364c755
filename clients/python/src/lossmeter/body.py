"""The bytes of a request, sent without a copy."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias

from lossmeter import arrays, safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

Part: TypeAlias = bytes | memoryview

CHUNK_BYTES = 2**18
"""What is sent at a time, within the time-out: few calls, and a bar that moves."""

_JOINED_BYTES = 2**16
"""Parts up to this go out together: a packet costs more than the copy."""


class Body:
    """A body that can be sent more than once.

    Attributes:
        content_type: Its media type.
        length: Its bytes, for Content-Length.
    """

    def __init__(self, content_type: str, parts: Sequence[Part]) -> None:
        """Takes the parts in their order; they are not copied."""
        self.content_type = content_type
        self.length = sum(len(part) for part in parts)
        self._parts = parts

    def chunks(self) -> Iterator[Part]:
        """The bytes in chunks, from the start."""
        return itertools.chain.from_iterable(_slices(p) for p in _joined(self._parts))


def tensors_body(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> Body:
    """A safetensors file of contiguous arrays, in the given order."""
    header = safetensors.encode_header(tensors, metadata)
    parts: list[Part] = [
        header,
        *(arrays.bytes_of(tensor) for tensor in tensors.values()),
    ]
    return Body(safetensors.MEDIA_TYPE, parts)


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    for small, run in itertools.groupby(parts, lambda p: len(p) <= _JOINED_BYTES):
        if small:
            yield b"".join(run)
        else:
            yield from run


def _slices(part: Part) -> Iterator[Part]:
    for start in range(0, len(part), CHUNK_BYTES):
        yield part[start : start + CHUNK_BYTES]
