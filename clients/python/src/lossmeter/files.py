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
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lossmeter.schemas import Options

AnyPath: TypeAlias = str | os.PathLike[str]

_FIELDS = {"logits", "label", "input_mask", "weight"}


def paths_of(paths: AnyPath | Iterable[AnyPath]) -> list[AnyPath]:
    """Paths as a list; one alone, which could be taken for its letters, is one."""
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)


@contextmanager
def naming(path: AnyPath) -> Iterator[None]:
    """Adds the file to what an error says."""
    try:
        yield
    except LossmeterError as error:
        error.add_note(f"in {os.fspath(path)}")
        raise


def batch_of(path: AnyPath, options: Options) -> Batch:
    """The batch of a safetensors or `.npz` file.

    Args:
        path: The file.
        options: Options in place of the file's.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has no logits or label, something else, or is no such file.
    """
    path = Path(path)
    is_npz = path.suffix == ".npz"
    with path.open("rb") as file:
        kind = kind_of(file.read(KIND_BYTES))
    if kind is not None and not (is_npz and kind in {NPZ, ZIP}):
        raise ValueError(
            f"{path} is {kind}, expected a safetensors file, or NumPy's archive with "
            "the suffix .npz"
        )
    try:
        tensors, own = _npz(path) if is_npz else _safetensors(path)
    except (EOFError, ValueError, zipfile.BadZipFile) as cause:
        raise ValueError(f"{path} is not a file of a batch: {cause}") from cause
    if not {"logits", "label"} <= set(tensors) <= _FIELDS:
        found = ", ".join(tensors) or "no tensor"
        raise ValueError(
            f"{path} has {found}, expected logits, label and, optionally, input_mask "
            "and weight"
        )
    return Batch(
        logits=tensors["logits"],
        label=tensors["label"],
        input_mask=tensors.get("input_mask"),
        weight=tensors.get("weight"),
        options={**own, **options},
    )


def _safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], Options]:
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    # The arrays hold the mapping, which ends with the last of them.
    tensors, metadata = safetensors.decode(content)
    options = json.loads(metadata.get("options", "{}"))
    if not isinstance(options, dict):
        raise ValueError(f"its options are {options!r}, expected an object")  # noqa: TRY004 -- of the file
    return tensors, cast("Options", options)


def _npz(path: Path) -> tuple[dict[str, NDArray[Any]], Options]:
    # NumPy leaves a file open that it cannot read.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays), {}
