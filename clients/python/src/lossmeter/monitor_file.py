"""A monitor's recordings, written to a file in place of a service."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lossmeter.monitor_items import MOST_BODY_BYTES, line_of
from lossmeter.monitor_sink import TAKEN, Later, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lossmeter.files import AnyPath
    from lossmeter.monitor_items import Flagged, Item, Origin
    from lossmeter.monitor_sink import Result

_MODE = 0o666
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND
_FLAGS |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileSink:
    """A file of NDJSON, one line per item of `POST /v1/runs/{run}/batches`.

    Lines are appended. Lines that do not fit on the disk are removed again, so the file
    ends with a complete line.
    """

    takes_logits = False

    def __init__(self, path: AnyPath, origin: Origin) -> None:
        self._path = Path(path)
        self.place = str(self._path)
        self._origin = origin
        self._file: int | None = None

    def record(self, items: Sequence[Item]) -> list[Result] | Later | Refused:
        """Adds lines."""
        lines = b"".join(line_of(item, self._origin) for item in items)
        try:
            if self._file is None:
                self._file = _open(self._path)
            _add(self._file, lines)
        except OSError as error:
            return Later(f"{self._path}: {error.strerror or error}")
        return [TAKEN] * len(items)

    def explain(self, flagged: Flagged) -> Refused:  # noqa: ARG002 -- as sinks do
        """Refuses: a file explains nothing."""
        return Refused("a file explains nothing")

    def close(self) -> None:
        """Writes the file through to the disk, and closes it."""
        if self._file is None:
            return
        file, self._file = self._file, None
        # Pipes and devices cannot be synchronised with a disk.
        with suppress(OSError):
            os.fsync(file)
        with suppress(OSError):
            os.close(file)


def _open(path: Path) -> int:
    """Opens a file to append lines."""
    file = os.open(path, _FLAGS, _MODE)
    with suppress(OSError):
        _end_line(file)
    return file


def _end_line(file: int) -> None:
    """Ends the last line of a file, or removes it when a crash has cut it off.

    Raises:
        OSError: The file cannot be read.
    """
    end = os.lseek(file, 0, os.SEEK_END)
    start = max(0, end - MOST_BODY_BYTES)
    os.lseek(file, start, os.SEEK_SET)
    tail = os.read(file, end - start)
    last = tail[tail.rfind(b"\n") + 1 :]
    if not last:
        return
    try:
        json.loads(last)
        os.write(file, b"\n")
    except ValueError:
        os.ftruncate(file, end - len(last))


def _add(file: int, lines: bytes) -> None:
    """Appends all lines or none.

    Raises:
        OSError: The lines could not be written.
    """
    start: int | None = None
    with suppress(OSError):
        start = os.lseek(file, 0, os.SEEK_END)
    view = memoryview(lines)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError:
        if start is not None:
            with suppress(OSError):
                os.ftruncate(file, start)
        raise
