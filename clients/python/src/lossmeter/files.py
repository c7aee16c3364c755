"""Batches in files."""

from __future__ import annotations

import json
import mmap
import os
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from lossmeter import safetensors
from lossmeter.batch import Batch
from lossmeter.errors import LossmeterError
from lossmeter.file_kind import KIND_BYTES, NPZ, ZIP, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from lossmeter.schemas import Options

AnyPath: TypeAlias = str | os.PathLike[str]

_REQUIRED = ("logits", "label")

FIELDS = (*_REQUIRED, "input_mask", "weight", "segments", "bytes", "words")
"""The tensors of a batch."""


def paths_of(paths: AnyPath | Iterable[AnyPath]) -> list[AnyPath]:
    """Paths as a list; a single path, also as a string, becomes a list of one."""
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)


@contextmanager
def naming(path: AnyPath) -> Iterator[None]:
    """Adds the name of the file to errors."""
    try:
        yield
    except LossmeterError as error:
        error.add_note(f"in {os.fspath(path)}")
        raise


def batch_of(
    path: AnyPath, options: Options, tensors: Mapping[str, str] | None = None
) -> Batch:
    """The batch of a safetensors or `.npz` file.

    Args:
        path: The file. Tensors that are not part of the batch are ignored.
        options: Options that override those of the file.
        tensors: Names of tensors in the file, by field; other tensors have the name of
            their field.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is invalid, or lacks logits, label or a named tensor.
    """
    path = Path(path)
    names = dict(tensors or {})
    if unknown := names.keys() - set(FIELDS):
        raise ValueError(
            f"{unknown.pop()} is no tensor of a batch, expected one of "
            f"{', '.join(FIELDS)}"
        )
    is_npz = path.suffix == ".npz"
    with path.open("rb") as file:
        kind = kind_of(file.read(KIND_BYTES))
    if kind is not None and not (is_npz and kind in {NPZ, ZIP}):
        raise ValueError(
            f"{path} is {kind}, expected a safetensors file, or NumPy's archive with "
            "the suffix .npz"
        )
    try:
        read = _npz if is_npz else _safetensors
        arrays, own = read(path, names)
    except (EOFError, ValueError, zipfile.BadZipFile) as cause:
        raise ValueError(f"{path} does not hold a batch: {cause}") from cause
    return Batch(
        logits=arrays["logits"],
        label=arrays["label"],
        input_mask=arrays.get("input_mask"),
        weight=arrays.get("weight"),
        options={**own, **options},
        segments=arrays.get("segments"),
        bytes=arrays.get("bytes"),
        words=arrays.get("words"),
    )


def _find(found: Collection[str], names: Mapping[str, str]) -> dict[str, str]:
    """Names of the requested tensors, by their fields.

    Raises:
        ValueError: A tensor is missing.
    """
    for field in (*_REQUIRED, *names):
        name = names.get(field, field)
        if name in found:
            continue
        expected = (
            f"logits, label and, optionally, {', '.join(FIELDS[2:-1])} and {FIELDS[-1]}"
            if name == field
            else f"{name}, which is to be the {field}"
        )
        there = ", ".join(found) or "no tensor"
        raise ValueError(f"it has {there}, expected {expected}")
    wanted = {field: names.get(field, field) for field in FIELDS}
    return {field: name for field, name in wanted.items() if name in found}


def _safetensors(
    path: Path, names: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], Options]:
    with path.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    # The arrays keep the mapping open until the last of them is freed.
    file = safetensors.read(content)
    found = _find(file.ranges, names)
    options = json.loads(file.metadata.get("options", "{}"))
    if not isinstance(options, dict):
        raise ValueError(f"its options are {options!r}, expected an object")  # noqa: TRY004 -- of the file
    arrays = {field: file.array(name) for field, name in found.items()}
    return arrays, cast("Options", options)


def _npz(
    path: Path, names: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], Options]:
    # NumPy does not close a file that it cannot read.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        found = _find(arrays.files, names)
        return {field: arrays[name] for field, name in found.items()}, {}
