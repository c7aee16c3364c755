"""safetensors, with the tensors in the order that the service reads them in."""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from lossmeter.arrays import bytes_of
from lossmeter.batch import Batch
from lossmeter.safetensors import decode, encode_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

DTYPES = [
    *(np.bool_, np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, ml_dtypes.bfloat16),
    *(ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2),
]


def encode(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    header = encode_header(tensors, metadata or {})
    return header + b"".join(bytes_of(tensor) for tensor in tensors.values())


def file_of(header: object, content: bytes = b"") -> bytes:
    """A file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def entry(begin: int, end: int, *shape: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_the_label_stands_first_and_the_logits_last() -> None:
    logits, label = np.zeros((2, 3), np.float32), np.zeros(2, np.int8)
    mask, weight = np.ones(2), np.ones(3)

    body = Batch(logits, label, mask, weight, {}).body()

    text = b"".join(body.chunks())
    header = json.loads(text[8 : 8 + int.from_bytes(text[:8], "little")])
    del header["__metadata__"]
    assert list(header) == ["label", "weight", "input_mask", "logits"]
    offsets = [header[name]["data_offsets"] for name in header]
    assert offsets == [[0, 2], [2, 26], [26, 42], [42, 66]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_what_was_written(dtype: DTypeLike) -> None:
    logits = np.arange(6).reshape(2, 3).astype(dtype)

    content = encode({"label": np.array([2, 0], np.int16), "logits": logits})

    # The library knows the bfloat16 of PyTorch, but none of NumPy.
    read = safetensors.torch.load(content)
    assert read["label"].tolist() == [2, 0]
    assert read["logits"].tolist() == logits.tolist()
    assert str(read["logits"].dtype) == f"torch.{np.dtype(dtype)}"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 1, 1)])
def test_the_library_reads_tensors_of_any_shape(shape: tuple[int, ...]) -> None:
    content = encode({"label": np.ones(3, np.int8), "logits": np.ones(shape)})

    read = safetensors.numpy.load(content)

    np.testing.assert_array_equal(read["logits"], np.ones(shape), strict=True)


def test_the_library_reads_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "batch.safetensors"
    path.write_bytes(encode({"label": np.ones(3)}, {"options": '{"ε": "1"}'}))

    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata() == {"options": '{"ε": "1"}'}


@pytest.mark.parametrize("name_length", range(8))
def test_the_tensors_begin_at_a_multiple_of_8_bytes(name_length: int) -> None:
    header = encode_header({"x" * name_length: np.zeros(1)}, {})

    assert len(header) % 8 == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_of_the_library_is_read(dtype: DTypeLike) -> None:
    logits = np.arange(6).reshape(2, 3).astype(dtype)
    # By PyTorch, because the library's writer for NumPy does not know bfloat16.
    name = str(np.dtype(dtype))
    tensor = torch.tensor(logits.tolist(), dtype=getattr(torch, name))

    tensors, metadata = decode(
        safetensors.torch.save(
            {"logits": tensor, "label": torch.tensor([2, 0])}, {"options": "{}"}
        )
    )

    assert metadata == {"options": "{}"}
    assert set(tensors) == {"logits", "label"}
    np.testing.assert_array_equal(tensors["logits"], logits, strict=True)
    assert tensors["label"].tolist() == [2, 0]


def test_a_file_without_metadata_has_none() -> None:
    assert decode(encode({"label": np.ones(3)}))[1] == {}


def test_the_arrays_lie_in_the_bytes_that_were_read() -> None:
    content = bytearray(encode({"lse": np.arange(4.0), "row": np.arange(3)}))

    tensors, _ = decode(content)

    whole = np.frombuffer(content, np.uint8)
    assert all(np.shares_memory(array, whole) for array in tensors.values())
    tensors["lse"][0] = 7.0
    assert decode(content)[0]["lse"].tolist() == [7, 1, 2, 3]


def test_a_mapped_file_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "batch.safetensors"
    path.write_bytes(encode({"logits": np.arange(4.0)}))

    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tensors, _ = decode(content)

    assert np.shares_memory(tensors["logits"], np.frombuffer(content, np.uint8))
    assert not tensors["logits"].flags.writeable
    assert tensors["logits"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x10\0\0", id="less than the length of the header"),
        pytest.param(bytes(8), id="no header"),
        pytest.param((100).to_bytes(8, "little") + b"{}", id="less than the header"),
        pytest.param(b"<html><body>502 Bad Gateway</body>", id="HTML"),
        pytest.param(file_of(b"not json"), id="a header that is not JSON"),
        pytest.param(file_of(b'{"x": "\xff"}'), id="a header that is not UTF-8"),
        pytest.param(file_of([]), id="a header that is a list"),
        pytest.param(file_of("text"), id="a header that is text"),
        pytest.param(file_of({"__metadata__": []}), id="metadata that are a list"),
        pytest.param(file_of({"__metadata__": {"a": 7}}), id="metadata of a number"),
        pytest.param(file_of({"x": []}), id="an entry that is a list"),
        pytest.param(file_of({"x": {"dtype": "F32"}}), id="an entry without a shape"),
        pytest.param(
            file_of({"x": entry(0, 4, 1, dtype="F4")}, bytes(4)), id="an unknown dtype"
        ),
    ],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(content)


@pytest.mark.parametrize(
    ("entries", "length"),
    [
        pytest.param({"x": entry(0, 16, 4)}, 12, id="a file that was cut off"),
        pytest.param({"x": entry(0, 12, 4)}, 12, id="less than the shape takes"),
        pytest.param({"x": entry(0, 0, 4)}, 0, id="nothing for a shape"),
        pytest.param({"x": entry(0, 20, 4)}, 20, id="more than the shape takes"),
        pytest.param({"x": entry(0, 18, 4)}, 18, id="a part of an element"),
        pytest.param({"x": entry(0, 16, 0)}, 16, id="bytes for an empty shape"),
        pytest.param({"x": entry(16, 0, 4)}, 16, id="an end before the begin"),
        pytest.param({"x": entry(4, 0, 3)}, 16, id="an element before the begin"),
        pytest.param({"x": entry(-16, 0, 4)}, 0, id="bytes of the header"),
        pytest.param({"x": entry(0, 16, -1)}, 16, id="a negative length"),
        pytest.param({"x": entry(0, 16, -2, -2)}, 16, id="negative lengths"),
        pytest.param({"x": entry(0, 16, 2, 2.0)}, 16, id="a length with a point"),  # type: ignore[arg-type]
        pytest.param(
            {"x": entry(0, 16, 4), "y": entry(8, 24, 4)}, 24, id="ranges that overlap"
        ),
        pytest.param({"x": entry(8, 24, 4)}, 24, id="bytes before the first"),
        pytest.param({"x": entry(0, 16, 4)}, 24, id="bytes after the last"),
        pytest.param(
            {"x": entry(0, 16, 4), "y": entry(24, 40, 4)}, 40, id="bytes between two"
        ),
    ],
)
def test_ranges_that_do_not_cover_the_bytes_once_are_refused(
    entries: dict[str, Any], length: int
) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(file_of(entries, bytes(length)))


def test_the_library_refuses_the_same_ranges() -> None:
    """The library refuses every range that is refused here."""
    overlapping = {"x": entry(0, 16, 4), "y": entry(8, 24, 4)}
    for entries, length in [
        ({"x": entry(0, 0, 4)}, 0),
        ({"x": entry(8, 24, 4)}, 24),
        ({"x": entry(0, 16, 4)}, 24),
        (overlapping, 24),
    ]:
        with pytest.raises(safetensors.SafetensorError):
            safetensors.numpy.load(file_of(entries, bytes(length)))


def test_an_unknown_dtype_is_refused_by_the_tensors_name() -> None:
    with pytest.raises(TypeError, match="weight has the dtype complex64, expected"):
        encode_header({"weight": np.zeros(2, np.complex64)}, {})
