"""Descriptions of runs, and filters of lists of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RunOrder = Literal["newest", "oldest", "name", "updated"]

RunState = Literal["running", "finished", "failed", "crashed", "idle"]

Label = str | float | bool


class RunDescription(TypedDict, total=False):
    """The description of a run."""

    expected_ranks: int | None
    """Ranks that report each step."""

    labels: Mapping[str, Label] | None
    """What the run is, such as the model and the learning rate."""

    state: Literal["running", "finished", "failed"] | None
    """What the trainer does."""

    notes: str | None
    """Notes on the run, as plain text."""

    tags: Sequence[str] | None
    """Tags, in place of the earlier ones."""

    archived: bool | None
    """True to leave the run out of lists."""


class RunFilters(TypedDict, total=False):
    """Filters of a list of runs; all given ones must match."""

    search: str | None
    """Words, each of which occurs in the name of the run or in one of its labels, as
    `name=value`, in upper or lower case.
    """

    sort: RunOrder | None
    """The newest first, the oldest first, by name, or those that were updated last
    first; None for the newest first.
    """

    state: RunState | None
    """State of the runs."""

    labels: Mapping[str, Label] | None
    """Labels of the runs, with their values."""

    tags: Sequence[str] | None
    """Tags of the runs."""

    archived: Literal["false", "true", "any"] | None
    """Runs that are archived, the others, or both; None for the others."""


def parameters_of(filters: RunFilters) -> dict[str, object]:
    """Filters as parameters of a query."""
    others = {
        name: value for name, value in filters.items() if name not in {"labels", "tags"}
    }
    labels = filters.get("labels") or {}
    return {
        **others,
        "label": [f"{name}={_text_of(value)}" for name, value in labels.items()],
        "tag": filters.get("tags"),
    }


def _text_of(value: Label) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
