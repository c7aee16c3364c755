"""Logits that a monitor keeps until they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lossmeter.arrays import as_named_array
from lossmeter.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from lossmeter.schemas import Options

    Lazy: TypeAlias = ArrayLike | Callable[[], ArrayLike]
    """An array, or a function that is called when the array is needed."""


def copied(
    given: dict[str, Lazy | None], options: Options, most_bytes: int
) -> tuple[Batch, int]:
    """Copies a batch, so that later changes by the training loop do not affect it.

    Args:
        given: `logits`, `label`, and `input_mask` and `weight` where there are any.
        options: Options of the evaluation.
        most_bytes: Most bytes of the copies.

    Returns:
        The batch, and its bytes.

    Raises:
        ValueError: Logits or label are missing, or there is no room for them.
        TypeError: A value is not an array that can be sent.
    """
    arrays: dict[str, NDArray[Any]] = {}
    nbytes = 0
    for name in ("logits", "label", "input_mask", "weight"):
        value = given.get(name)
        if value is None:
            continue
        array = as_named_array(name, _called(value))
        nbytes += array.nbytes
        if nbytes > most_bytes:
            raise ValueError(
                f"the arrays up to {name} have {nbytes} bytes, expected at most "
                f"{most_bytes}, the free part of max_bytes"
            )
        arrays[name] = np.array(array, copy=True)
    for name in ("logits", "label"):
        if name not in arrays:
            raise ValueError(f"{name} is missing")
    batch = Batch(
        arrays["logits"],
        arrays["label"],
        arrays.get("input_mask"),
        arrays.get("weight"),
        options,
    )
    return batch, nbytes


def _called(value: Lazy) -> ArrayLike:
    # Arrays of some libraries are callable too.
    if callable(value) and not hasattr(value, "shape"):
        return value()
    return value  # type: ignore[return-value]
