"""Scalars that a training loop gives a monitor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lossmeter.monitor_items import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lossmeter.monitor_sender import Sender

MOST_NAME_UNITS = 256
"""Code units of UTF-16 that a name of a scalar has at most."""

_MOST_NAMES = 10_000
"""Names that are known to be valid, at most."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and halves of characters."""


class Scalars:
    """Converts scalars to floats; counts invalid ones as dropped.

    One invalid scalar must not cost a step its loss.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._names: set[str] = set()

    def floats(self, scalars: Mapping[str, Any]) -> dict[str, float]:
        """The scalars that can be recorded."""
        floats: dict[str, float] = {}
        names = self._names
        for name, value in scalars.items():
            if name not in names:
                if not is_name(name):
                    self._drop(f"scalar {name!r}: invalid name")
                    continue
                if len(names) < _MOST_NAMES:
                    names.add(name)
            if type(value) is float:
                floats[name] = value
                continue
            try:
                floats[name] = number(value)
            except Exception as error:  # noqa: BLE001 -- of any library
                self._drop(f"scalar {name!r}: {error}")
        return floats

    def _drop(self, why: str) -> None:
        self._sender.queue.drop_invalid(why[:500])
        self._sender.start()


def is_name(name: object) -> bool:
    """True for a valid name of a scalar."""
    return (
        isinstance(name, str)
        and name != ""
        and _CONTROL.search(name) is None
        and len(name.encode("utf-16-le")) <= 2 * MOST_NAME_UNITS
    )
