"""Log-probabilities of the same tokens, and their request body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmeter.arrays import as_named_array
from lossmeter.body import tensors_body

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lossmeter.body import Body


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Log-probabilities to compare; see `Client.compare_logprobs`."""

    old: ArrayLike
    new: ArrayLike
    mask: ArrayLike | None
    segments: ArrayLike | None

    def body(self) -> Body:
        """A safetensors file of the arrays, without a copy.

        Raises:
            TypeError: A value is not an array, or has an unknown dtype.
        """
        given = {"input_mask": self.mask, "segments": self.segments}
        tensors = {
            "old": _floats("old", self.old),
            "new": _floats("new", self.new),
            **{
                name: as_named_array(name, value)
                for name, value in given.items()
                if value is not None
            },
        }
        return tensors_body(tensors, {})


def _floats(name: str, value: ArrayLike) -> NDArray[Any]:
    """An array of floats: whole numbers in a list are integers to NumPy."""
    array = as_named_array(name, value)
    return array.astype(np.float64) if array.dtype.kind in "iu" else array
