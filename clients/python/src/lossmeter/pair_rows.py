"""Rows of two sets of logits, which can be divided over requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lossmeter.pair import Pair
    from lossmeter.schemas import InfoLimits

IGNORE_INDEX = -100

SMALL_BYTES = 2**18
"""Pairs up to this size are sent whole, without a look at the limits."""

ROW_BYTES = 256
"""Memory of the service for a row beside its tensors."""

_COLUMNS = ("kl_divergence", "top1_agreement")
_LABEL_COLUMNS = ("nll", "reference_nll", "probability_difference")


@dataclass(frozen=True, slots=True)
class Rows:
    """A pair as rows: rows are the first axis of every tensor, and shifts are applied.

    Attributes:
        pair: The pair as it was given.
        tensors: Its tensors of shape (N, …). Rows that a shift leaves out are masked.
        lengths: Rows of each sequence.
        kept: True for rows that the shift keeps.
    """

    pair: Pair
    tensors: dict[str, NDArray[Any]]
    lengths: NDArray[np.int64]
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, pair: Pair) -> Rows | None:
        """The rows; None for incompatible tensors, which the service refuses."""
        shape = pair.tensors["logits"].shape
        n = math.prod(shape[:-1])
        if len(shape) < 2 or n == 0 or shape[-1] == 0:  # noqa: PLR2004 -- (N, C)
            return None
        lengths = _lengths(pair.tensors.get("segments"), shape)
        if lengths is None:
            return None
        tensors = {}
        for name, tensor in pair.tensors.items():
            if name == "segments":
                continue
            wide = name not in {"label", "input_mask"}
            of_row = tensor.shape[-1:] if wide else ()
            fits = wide and tensor.shape[:-1] in {shape[:-1], (n,)}
            if not fits and (wide or tensor.size != n):
                return None
            if name == "reference" and of_row != shape[-1:]:
                return None
            tensors[name] = tensor.reshape(n, *of_row)
        shift = pair.options.get("shift", 0)
        if not isinstance(shift, int) or shift < 0:
            return None
        kept = np.arange(n) + shift < np.repeat(np.cumsum(lengths), lengths)
        if shift > 0:
            ones = np.ones(n, np.bool_)
            mask = tensors.get("input_mask", ones)
            small = {"label": tensors.get("label"), "input_mask": mask}
            shifted = {
                name: _shifted(column, kept, shift)
                for name, column in small.items()
                if column is not None
            }
            tensors = {
                **shifted,
                **{k: v for k, v in tensors.items() if k not in shifted},
            }
        return cls(pair, tensors, lengths, kept)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.tensors["logits"])

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def left_out(self) -> int:
        """Number of rows that the shift leaves out."""
        return self.n - int(self.kept.sum())

    def masks(self) -> NDArray[np.float64]:
        """Mask of each row."""
        mask = self.tensors.get("input_mask")
        return np.ones(self.n) if mask is None else mask.astype(np.float64)

    def counted(self) -> NDArray[np.bool_]:
        """True for rows with a mask other than 0 and a label that is not ignored."""
        counted: NDArray[np.bool_] = self.masks() != 0
        label = self.tensors.get("label")
        if label is not None:
            ignored = np.atleast_1d(self.pair.options.get("ignore_index", IGNORE_INDEX))
            for one in ignored.tolist():
                counted &= label != one
        return counted

    def that_fit(self, limits: InfoLimits) -> int:
        """Rows of a request that the service can accept along with other requests."""
        tensors = self.tensors
        widths = {name: tensor[:1].nbytes for name, tensor in tensors.items()}
        classes = tensors["logits"].shape[-1]
        streamed = widths[next(reversed(tensors))]
        held = sum(widths.values()) - streamed + ROW_BYTES
        # The service also reads them as int32 and float64.
        held += 12 * tensors["reference.indices"].shape[-1] if self._is_top else 0
        if "gradient" in self.pair.options.get("outputs", ()):
            held += max(widths["logits"], 4 * classes)
        fitting: list[int] = [
            # Other requests hold memory too.
            limits["max_bytes_in_flight"] // 2 // held,
            (limits["max_body_bytes"] - SMALL_BYTES) // sum(widths.values()),
            limits["max_elements"] // classes,
        ]
        return max(1, min(fitting))

    @property
    def _is_top(self) -> bool:
        return "reference.indices" in self.tensors

    def part(self, first: int, end: int, changes: dict[str, NDArray[Any]]) -> Pair:
        """Some of the rows, as a pair that requests the outputs per row."""
        options = {k: v for k, v in self.pair.options.items() if k != "shift"}
        wanted = [*_COLUMNS]
        if "label" in self.tensors:
            wanted += _LABEL_COLUMNS
        outputs = dict.fromkeys([*wanted, *options.get("outputs", ())])
        options |= {"reduction": "sum", "on_non_finite": "report"}
        # Sequences may span parts, so they are computed from the columns.
        options["outputs"] = [name for name in outputs if name != "sequences"]
        tensors = {
            name: tensor[first:end]
            for name, tensor in {**changes, **self.tensors, **changes}.items()
        }
        return replace(self.pair, tensors=tensors, options=options)


def _lengths(
    segments: NDArray[Any] | None, shape: tuple[int, ...]
) -> NDArray[np.int64] | None:
    """Rows of each sequence; None for invalid segments."""
    n = math.prod(shape[:-1])
    if segments is None:
        return np.full(n // shape[-2], shape[-2], np.int64)
    is_flat = segments.ndim <= 1 and segments.dtype.kind in "iu"
    lengths = segments.reshape(-1)
    if not is_flat or (lengths < 0).any() or sum(lengths.tolist()) != n:
        return None
    return lengths.astype(np.int64)


def _shifted(column: NDArray[Any], kept: NDArray[np.bool_], shift: int) -> NDArray[Any]:
    """Entries of t + shift at t; 0 for rows that are left out."""
    shifted = np.zeros_like(column)
    shifted[kept] = column[np.flatnonzero(kept) + shift]
    return shifted
