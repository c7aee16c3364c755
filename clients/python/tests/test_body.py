"""Bodies are sent without a copy, in chunks of suitable size."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lossmeter.body import CHUNK_BYTES, Body, tensors_body
from lossmeter.safetensors import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

KiB = 2**10
MiB = 2**20

SIZES = [
    [],
    [0],
    [1, 0, 2],
    [64 * KiB, 64 * KiB + 1, 64 * KiB],
    [100, MiB, 100],
    [MiB + 1],
    [10, 20, 3 * MiB + 500 * KiB, 30, 40],
]


def parts_of(sizes: Sequence[int]) -> list[bytes]:
    random = np.random.default_rng(0)
    return [random.bytes(size) for size in sizes]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_chunks_are_the_parts_in_their_order(sizes: list[int]) -> None:
    parts = parts_of(sizes)

    body = Body("application/octet-stream", [memoryview(part) for part in parts])

    assert b"".join(body.chunks()) == b"".join(parts)
    assert body.length == sum(sizes)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_no_chunk_is_empty_or_longer_than_what_goes_out_in_time(
    sizes: list[int],
) -> None:
    chunks = Body("application/octet-stream", parts_of(sizes)).chunks()

    assert all(0 < len(chunk) <= 256 * KiB for chunk in chunks)


def test_small_parts_go_out_together() -> None:
    parts = parts_of([500, 8 * KiB, 8 * KiB])

    assert len(list(Body("application/octet-stream", parts).chunks())) == 1


def test_a_body_can_be_sent_again() -> None:
    body = Body("application/octet-stream", parts_of([500, 3 * MiB]))

    assert b"".join(body.chunks()) == b"".join(body.chunks())


def test_a_body_can_be_sent_while_it_is_sent() -> None:
    body = Body("application/octet-stream", parts_of([3 * MiB]))

    first, second = body.chunks(), body.chunks()
    next(first)

    assert b"".join(second) == b"".join(body.chunks())


def test_the_bytes_of_a_tensor_are_views_of_its_memory() -> None:
    logits = np.arange(MiB, dtype=np.float32)

    chunks = list(tensors_body({"logits": logits}, {}).chunks())

    views = [chunk for chunk in chunks if isinstance(chunk, memoryview)]
    assert sum(len(view) for view in views) == logits.nbytes
    assert all(np.shares_memory(np.frombuffer(v, np.uint8), logits) for v in views)


def test_a_large_tensor_takes_no_more_memory() -> None:
    logits = np.zeros((32, CHUNK_BYTES), np.uint8)

    tracemalloc.start()
    try:
        for chunk in tensors_body({"logits": logits}, {}).chunks():
            del chunk
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < CHUNK_BYTES


def test_the_body_of_tensors_is_a_safetensors_file_of_its_length() -> None:
    label, logits = np.array([1, 0]), np.ones((2, 3), np.float32)

    body = tensors_body({"label": label, "logits": logits}, {"options": "{}"})

    assert body.content_type == "application/vnd.safetensors"
    content = b"".join(body.chunks())
    assert len(content) == body.length
    tensors, metadata = decode(content)
    assert (list(tensors), metadata) == (["label", "logits"], {"options": "{}"})
    np.testing.assert_array_equal(tensors["label"], label, strict=True)
    np.testing.assert_array_equal(tensors["logits"], logits, strict=True)
