"""Progress bars of tqdm, if installed, for work of more than a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from lossmeter.body import Body, Part

AFTER_SECONDS = 1.0

_Item = TypeVar("_Item")


class _Bar(Protocol):
    """The used part of tqdm's interface."""

    def update(self, n: float = 1) -> object: ...
    def close(self) -> object: ...


def track_upload(body: Body, show: bool | None) -> Generator[Part]:
    """The chunks of a body, with a bar of bytes after a second.

    Args:
        body: The body; a chunk has been sent when the next one is requested.
        show: True for a bar, False for none, None for one on a terminal.
    """
    started = time.monotonic()
    sent = 0
    bar: _Bar | None = None
    try:
        for chunk in body.chunks():
            yield chunk
            sent += len(chunk)
            if bar is not None:
                bar.update(len(chunk))
            elif show is not False and time.monotonic() - started > AFTER_SECONDS:
                bar = _bar(
                    show, total=body.length, initial=sent, unit="B", unit_scale=True
                )
                show = show if bar is not None else False
    finally:
        if bar is not None:
            bar.close()


def track_items(
    items: Sequence[_Item], unit: str, show: bool | None
) -> Iterator[_Item]:
    """The same items, with a progress bar."""
    bar = _bar(show, total=len(items), unit=unit) if show is not False else None
    try:
        for item in items:
            yield item
            if bar is not None:
                bar.update()
    finally:
        if bar is not None:
            bar.close()


def _bar(
    show: bool | None,
    *,
    total: int,
    unit: str,
    initial: int = 0,
    unit_scale: bool = False,
) -> _Bar | None:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 -- it may not be installed
    except ImportError:
        return None
    # With `disable=None`, tqdm shows a bar only on a terminal.
    bar = tqdm(
        total=total,
        initial=initial,
        unit=unit,
        unit_scale=unit_scale,
        desc="lossmeter",
        disable=None if show is None else False,
    )
    return cast("_Bar", bar)
