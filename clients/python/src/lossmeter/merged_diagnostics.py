"""Diagnostics of a comparison, merged from those of its parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lossmeter.schemas import ComparisonDiagnostics, Place

_CAUSES = (
    *("nan_logit", "pos_inf_logit", "all_neg_inf_row", "neg_inf_at_label"),
    *("reference_mass_at_neg_inf", "logits_mass_at_neg_inf"),
)
_WORDS = {
    "nan_logit": "NaN",
    "pos_inf_logit": "Infinity",
    "all_neg_inf_row": "every logit is -Infinity",
    "neg_inf_at_label": "-Infinity at the label",
    "reference_mass_at_neg_inf": (
        "-Infinity where the reference has a probability above 0,"
    ),
    "logits_mass_at_neg_inf": "-Infinity where the logits have a probability above 0,",
}
_OF_VALUES = {"nan_logit", "pos_inf_logit"}
"""Causes whose place may be another class than the label."""

_OF_WHOLE = {"zero_denominator", "accumulation_overflow"}
"""Causes that rows together have."""


def merge_diagnostics(
    parts: Sequence[ComparisonDiagnostics],
    counted: Sequence[int],
    starts: Sequence[int],
    numerator: float,
    max_locations: int,
) -> ComparisonDiagnostics:
    """The diagnostics of all rows.

    Args:
        parts: Diagnostics of each part.
        counted: Counted rows of each part.
        starts: First row of each part.
        numerator: Σ m·divergence over all of them.
        max_locations: Most places of a side.
    """
    found = _merge_causes(parts, starts)
    if sum(counted) == 0:
        found.append({"side": "logits", "cause": "zero_denominator", "rows": 0})
    is_finite = math.isfinite(numerator)
    if not is_finite and all(each["cause"] == "neg_inf_at_label" for each in found):
        found.append({"side": "logits", "cause": "accumulation_overflow", "rows": 0})
    merged: dict[str, Any] = {
        "verdict": "finite" if is_finite else "non_finite",
        "summary": _summarize(found, sum(counted), is_finite),
        "causes": found,
    }
    for side in ("logits", "reference"):
        reports = [cast("dict[str, Any]", part).get(side) for part in parts]
        if reports[0] is not None:
            merged[side] = _merge_side(reports, counted, starts, max_locations)
    merged["nan_rows"] = sum(part["nan_rows"] for part in parts)
    merged["truncated"] = any(part["truncated"] for part in parts)
    labels = [part["labels"] for part in parts if "labels" in part]
    if labels:
        merged["labels"] = _merge_labels(labels)
    return cast("ComparisonDiagnostics", merged)


def _moved(place: Place, first: int) -> Place:
    return {**place, "row": place["row"] + first}


def _merge_causes(
    parts: Sequence[ComparisonDiagnostics], starts: Sequence[int]
) -> list[dict[str, Any]]:
    by_key: dict[tuple[str, str], dict[str, Any]] = {}
    for first, part in zip(starts, parts, strict=True):
        for cause in part["causes"]:
            if cause["cause"] in _OF_WHOLE:
                continue
            key = (cause["side"], cause["cause"])
            if key in by_key:
                by_key[key]["rows"] += cause["rows"]
                continue
            by_key[key] = {**cause}
            if "first" in cause:
                by_key[key]["first"] = _moved(cause["first"], first)
    return sorted(
        by_key.values(),
        # An infinite divergence follows the causes of each side.
        key=lambda one: (
            one["cause"].endswith("mass_at_neg_inf"),
            one["side"],
            _CAUSES.index(one["cause"]) if one["cause"] in _CAUSES else len(_CAUSES),
        ),
    )


def _merge_side(
    reports: Sequence[Any],
    counted: Sequence[int],
    starts: Sequence[int],
    max_locations: int,
) -> dict[str, Any]:
    all_counts = [report["counts"] for report in reports]
    counts = {
        key: sum(each[key] for each in all_counts)
        for key in ("nan", "pos_inf", "neg_inf", "bad_rows")
    }
    greatest = [each["max"] for each in all_counts if "max" in each]
    if greatest:
        counts["max"] = max(greatest)
    locations = [
        _moved(place, first)
        for first, report in zip(starts, reports, strict=True)
        for place in report["locations"]
    ]
    merged: dict[str, Any] = {
        "counts": counts,
        "locations": locations[:max_locations],
        "masked_rows_non_finite": sum(r["masked_rows_non_finite"] for r in reports),
    }
    for dtype in ("float16", "float8"):
        if dtype in reports[0]:
            merged[dtype] = _merge_range([r[dtype] for r in reports], counted, dtype)
    return merged


def _merge_range(
    reports: Sequence[Any], counted: Sequence[int], dtype: str
) -> dict[str, Any]:
    # The same number of values is examined in every counted row, so rows are weights.
    weighted = sum(
        report["subnormal_fraction"] * rows
        for report, rows in zip(reports, counted, strict=True)
    )
    merged: dict[str, Any] = {
        "at_largest": sum(report["at_largest"] for report in reports),
        "subnormal_fraction": weighted / max(1, sum(counted)),
    }
    if any("hint" in report for report in reports):
        merged["hint"] = (
            f"this looks like overflow of {dtype}; compute it in bfloat16 or float32, "
            "or make it smaller"
        )
    return merged


def _merge_labels(labels: Sequence[Any]) -> dict[str, int]:
    merged = {"out_of_range": sum(each["out_of_range"] for each in labels)}
    for key, choose in (("min", min), ("max", max)):
        values = [each[key] for each in labels if key in each]
        if values:
            merged[key] = choose(values)
    return merged


def _summarize(causes: Sequence[Any], counted: int, is_finite: bool) -> str:
    found = "; ".join(_describe(each, counted) for each in causes)
    if not is_finite:
        return found
    return "the divergence is finite" + (f", though {found}" if found else "")


def _describe(cause: dict[str, Any], counted: int) -> str:
    """A cause in the service's words."""
    name, first = cause["cause"], cause.get("first")
    if name == "zero_denominator":
        return "nothing is counted: the denominator is 0"
    if name == "accumulation_overflow":
        return "the sum of the rows overflows float64"
    rows = f"in {cause['rows']} of {counted} row{'' if counted == 1 else 's'}"
    place = ""
    if first is not None:
        place = f"; first at row {first['row']}"
        if name != "all_neg_inf_row":
            place += f", class {first['column']}"
        if name in _OF_VALUES:
            place += " (the label)" if first["is_label"] else " (not the label)"
    if name.endswith("mass_at_neg_inf"):
        return f"{_WORDS[name]} {rows}{place}, of the {cause['side']}"
    return f"{_WORDS.get(name, name)} {rows}{place} of the {cause['side']}"
