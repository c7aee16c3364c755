"""A comparison over several requests: its rows are divided, and the results reduced."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmeter import request as requests
from lossmeter import wire_json
from lossmeter.compared_rows import CountedRows, exact_sum
from lossmeter.compared_sequences import compare_sequences
from lossmeter.comparison import Comparison
from lossmeter.errors import NonFiniteLossError
from lossmeter.merged_diagnostics import merge_diagnostics
from lossmeter.pair_rows import SMALL_BYTES, Rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from lossmeter.pair import Pair
    from lossmeter.request import Request
    from lossmeter.schemas import ComparisonDiagnostics, DivergentRow, Info

WORST_ROWS = 8
MAX_LOCATIONS = 16

_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Split:
    """Rows that are divided over requests."""

    rows: Rows
    rows_per_request: int

    def starts(self) -> range:
        """First row of each part."""
        return range(0, self.rows.n, self.rows_per_request)

    def pairs(self) -> Iterator[Pair]:
        """The parts."""
        options = self.rows.pair.options
        changes = {}
        if "gradient" in options.get("outputs", ()) and _reduction(options) == "mean":
            # With masks m / D, the gradient of the sum is that of the mean, bit by bit.
            masks = self.rows.masks()
            weight = exact_sum(masks[self.rows.counted()])
            if weight > 0:
                changes["input_mask"] = masks / _denominator(weight, options)
        for first in self.starts():
            yield self.rows.part(first, first + self.rows_per_request, changes)

    def reduce(self, parts: list[Comparison]) -> Comparison:
        """The comparison of all rows.

        Raises:
            NonFiniteLossError: `on_non_finite="reject"`, and the numerator is not
                finite.
        """
        rows, options = self.rows, self.rows.pair.options
        has_label = "label" in rows.tensors
        is_counted = rows.counted()
        names = parts[0].outputs
        columns = {
            name: np.concatenate([part.outputs[name] for part in parts])
            for name in names
        }
        counted = CountedRows(rows.masks()[is_counted])
        of = {
            name: column[is_counted]
            for name, column in columns.items()
            if name != "gradient"
        }
        numerator = exact_sum(counted.masks * of["kl_divergence"])
        weight = counted.weight
        diagnostics = merge_diagnostics(
            [part.diagnostics for part in parts],
            [part.rows["counted"] for part in parts],
            self.starts(),
            numerator,
            options.get("max_locations", MAX_LOCATIONS),
        )
        if options.get("on_non_finite") == "reject":
            _require_finite(numerator, diagnostics)
        reduction = _reduction(options)
        losses = {"sum": numerator, "mean": _divide(numerator, weight, options)}
        return Comparison(
            loss=losses.get(reduction),
            numerator=numerator,
            denominator=weight,
            kl_divergence=counted.divergence(of["kl_divergence"]),
            top1_agreement=counted.agreement(of["top1_agreement"]),
            probability_difference=counted.difference(of["probability_difference"])
            if has_label
            else None,
            perplexity=counted.perplexity(of["nll"], of["reference_nll"])
            if has_label
            else None,
            rows=self._row_counts(parts),
            outputs={
                name: self._shaped(name, columns[name])
                for name in options.get("outputs", ())
                if name != "sequences"
            },
            worst_rows=self._worst(parts),
            diagnostics=diagnostics,
            kernel=parts[0].kernel,
            sequences=compare_sequences(rows.lengths, is_counted, rows.masks(), columns)
            if "sequences" in options.get("outputs", ())
            else None,
        )

    def _row_counts(self, parts: list[Comparison]) -> Any:  # noqa: ANN401 -- RowCounts
        sums = {key: sum(part.rows[key] for part in parts) for key in parts[0].rows}  # type: ignore[literal-required]
        for key in ("total", "masked"):
            sums[key] -= self.rows.left_out
        return sums

    def _worst(self, parts: list[Comparison]) -> list[DivergentRow]:
        worst: list[DivergentRow] = [
            {**row, "row": row["row"] + first}
            for first, part in zip(self.starts(), parts, strict=True)
            for row in part.worst_rows
        ]
        worst.sort(key=lambda row: (-row["kl_divergence"], row["row"]))
        return worst[: self.rows.pair.options.get("worst_rows", WORST_ROWS)]

    def _shaped(self, name: str, column: NDArray[Any]) -> NDArray[Any]:
        """An output in the shape that the service gives it."""
        given = self.rows.pair.tensors
        shape = given["logits"].shape
        if name == "gradient":
            return column.reshape(shape)
        if self.rows.left_out > 0:
            scored = column[self.rows.kept]
            if "segments" in given:
                return scored
            return scored.reshape(*shape[:-2], -1)
        return column.reshape(given["label"].shape if "label" in given else shape[:-1])


def _require_finite(numerator: float, diagnostics: ComparisonDiagnostics) -> None:
    """Refuses a non-finite numerator, with the service's message."""
    if diagnostics["verdict"] == "finite":
        return
    shown = wire_json.with_text(numerator)
    problem = {
        "status": _UNPROCESSABLE,
        "code": "non_finite_loss",
        "title": "The loss is not finite",
        "detail": f"the numerator is {shown}: {diagnostics['summary']}",
        "diagnostics": diagnostics,
    }
    raise NonFiniteLossError(_UNPROCESSABLE, problem)


def _reduction(options: dict[str, Any]) -> str:
    reduction: str = options.get("reduction", "mean")
    return reduction


def _denominator(weight: float, options: dict[str, Any]) -> float:
    """The denominator of the mean, by the rules of the profile."""
    match options.get("semantics", "mindformers"):
        case "torch":
            return weight
        case "megatron":
            return max(weight, 1.0)
        case _:
            return weight + 1e-8


def _divide(numerator: float, weight: float, options: dict[str, Any]) -> float:
    if weight == 0:
        return math.nan if options.get("semantics") == "torch" else 0.0
    return numerator / _denominator(weight, options)


def comparison_requests(
    pair: Pair, rows_per_request: int | None
) -> Generator[Request[Any], Any, Comparison]:
    """The requests of a comparison; the caller sends each answer into the generator.

    Args:
        pair: The two sides.
        rows_per_request: Maximum number of rows of a request; None for as many as the
            service takes.

    Raises:
        ValueError: `rows_per_request` below 1.
        NonFiniteLossError: See `Split.reduce`.
    """
    if rows_per_request is not None and rows_per_request < 1:
        raise ValueError(f"rows_per_request is {rows_per_request}, expected 1 or more")
    # With a tensor in a file, the other one streams, whatever its size.
    rows = None if pair.files else Rows.of(pair)
    if rows is not None and rows_per_request is None and rows.nbytes > SMALL_BYTES:
        service: Info = yield requests.info()
        rows_per_request = rows.that_fit(service["limits"])
    if rows is None or rows_per_request is None or rows_per_request >= rows.n:
        whole: Comparison = yield requests.compare_logits(pair)
        return whole
    split = Split(rows, rows_per_request)
    parts: list[Comparison] = []
    for part in split.pairs():
        answer: Comparison = yield requests.compare_logits(part)
        parts.append(answer)
    return split.reduce(parts)
