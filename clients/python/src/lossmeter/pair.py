"""Two sets of logits to compare, and their request body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgpack
import numpy as np

from lossmeter import wire_json
from lossmeter.arrays import as_named_array, bytes_of
from lossmeter.batch import without_none
from lossmeter.body import Body, tensors_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from lossmeter.body import Part
    from lossmeter.schemas import ComparisonOptions

Reference: TypeAlias = "ArrayLike | Mapping[str, ArrayLike]"
"""Logits; the top K of each row as `indices` and `logprobs`; or a file of the service,
as `file` and `tensor`, or `kld_file`."""

MSGPACK = "application/vnd.msgpack"

_TOP_KEYS = {"indices", "logprobs"}
_FILE_KEYS = ({"file", "tensor"}, {"kld_file"})
_BIN_32 = b"\xc6"
_MOST_BIN_BYTES = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sets of logits; see `Client.kl_divergence`.

    Attributes:
        tensors: Arrays by their names on the wire, in the order in which they are sent.
            The service streams the last one; the others wait in its memory.
        files: Tensors in files of the service, by their names.
        options: The options, without those that are None.
    """

    tensors: dict[str, NDArray[Any]]
    files: dict[str, dict[str, str]]
    options: dict[str, Any]

    @classmethod
    def of(
        cls,
        reference: Reference,
        logits: Reference,
        small: Mapping[str, ArrayLike | None],
        options: ComparisonOptions,
    ) -> Pair:
        """Makes a pair, without copies of contiguous arrays on the host.

        Args:
            reference: The reference distributions.
            logits: Scores of the compared model.
            small: Tensors with one or two numbers per row or sequence, by their names;
                None for absent ones.
            options: The options.

        Raises:
            TypeError: A value is not an array, or has an unknown dtype.
            ValueError: A mapping names neither a top K nor a file.
        """
        tensors = {
            name: as_named_array(name, value)
            for name, value in small.items()
            if value is not None
        }
        files: dict[str, dict[str, str]] = {}
        large: dict[str, NDArray[Any]] = {}
        for name, value in (("reference", reference), ("logits", logits)):
            if not isinstance(value, Mapping):
                large[name] = _floats(name, value)
            elif name == "reference" and set(value) == _TOP_KEYS:
                tensors["reference.indices"] = as_named_array(
                    "reference.indices", value["indices"]
                )
                tensors["reference.logprobs"] = _floats(
                    "reference.logprobs", value["logprobs"]
                )
            elif set(value) in _FILE_KEYS:
                files[name] = {key: str(text) for key, text in value.items()}
            else:
                raise ValueError(_misfit(name, value))
        # The larger side streams; the logits if both have the same size.
        for name in sorted(large, key=lambda name: large[name].nbytes):
            tensors[name] = large[name]
        return cls(tensors, files, without_none(options))  # type: ignore[arg-type]

    def body(self) -> Body:
        """A safetensors file, or a MessagePack map when a tensor is in a file.

        Raises:
            TypeError: A dtype is unknown, or an option cannot be written as JSON.
            ValueError: An option is not finite.
        """
        if self.files:
            return _msgpack_body(self)
        metadata = {"options": wire_json.dumps("options", self.options)}
        return tensors_body(self.tensors, metadata)


def _misfit(name: str, value: Mapping[str, object]) -> str:
    top = " {'indices', 'logprobs'}," if name == "reference" else ""
    return (
        f"{name} is a mapping of {sorted(value)}, expected an array or one of"
        f"{top} {{'file', 'tensor'}}, {{'kld_file'}}"
    )


def _floats(name: str, value: ArrayLike) -> NDArray[Any]:
    """An array of floats: whole numbers in a list are integers to NumPy."""
    array = as_named_array(name, value)
    return array.astype(np.float64) if array.dtype.kind in "iu" else array


def _msgpack_body(pair: Pair) -> Body:
    """A map with the larger tensor as its last field; its bytes are not copied."""
    fields: dict[str, object] = {**pair.files}
    if pair.options:
        fields["options"] = pair.options
    for name, tensor in pair.tensors.items():
        outer, _, inner = name.partition(".")
        if inner:
            fields.setdefault(outer, {})[inner] = tensor  # type: ignore[index]
        else:
            fields[name] = tensor
    packer = msgpack.Packer(default=wire_json.plain)
    return Body(MSGPACK, [*_packed("body", fields, packer)])


def _packed(name: str, value: object, packer: msgpack.Packer) -> Iterator[Part]:
    """A value of MessagePack, with arrays as maps of `dtype`, `shape` and `data`."""
    match value:
        case np.ndarray():
            if value.nbytes > _MOST_BIN_BYTES:
                raise ValueError(
                    f"{name} has {value.nbytes} bytes, expected at most "
                    f"{_MOST_BIN_BYTES} beside a file: compare it in parts"
                )
            head = packer.pack_map_header(3)
            head += packer.pack("dtype") + packer.pack(value.dtype.name)
            head += packer.pack("shape") + packer.pack(value.shape)
            size = value.nbytes.to_bytes(4, "big")
            yield head + packer.pack("data") + _BIN_32 + size
            yield bytes_of(value)
        case dict():
            yield packer.pack_map_header(len(value))
            for key, inner in value.items():
                yield packer.pack(key)
                yield from _packed(key, inner, packer)
        case _:
            yield packer.pack(value)
