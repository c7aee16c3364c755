"""Flushes monitors when processes exit, fork or receive SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from lossmeter.monitor_sender import Sender

_open: dict[int, Sender] = {}
"""Senders that may have something to send, by their ids."""

_process: dict[str, int] = {}
"""Processes in which the end is watched, by the means."""


def watch(sender: Sender, *, sigterm: bool) -> None:
    """Registers a sender, which is flushed before its process ends.

    Args:
        sender: The sender.
        sigterm: True to flush also at SIGTERM, if that would end the process at once.
    """
    _open[id(sender)] = sender
    _watch_children()
    if sigterm:
        _watch_sigterm()


def forget(sender: Sender) -> None:
    """Forgets a sender that has ended; after the last one, restores SIGTERM."""
    _open.pop(id(sender), None)
    if not any(each.limits.sigterm for each in list(_open.values())):
        _leave_sigterm()


def _close_all() -> None:
    """Flushes all senders at the same time, each within its time limit."""
    senders = list(_open.values())
    started = time.monotonic()
    for sender in senders:
        sender.begin_to_close()
    for sender in senders:
        spent = time.monotonic() - started
        sender.close(max(0.0, sender.limits.exit_timeout - spent))


def _watch_sigterm() -> None:
    """Flushes at SIGTERM, unless the program handles or ignores the signal.

    A handler of the program stays, and decides whether the process ends. If the process
    ends by an exit, the exit flushes.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, _on_sigterm)


def _leave_sigterm() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Flushes, and ends the process as the unhandled signal would."""
    # A second signal ends the process at once.
    signal.signal(number, signal.SIG_DFL)
    # The signal may have come while this thread held a lock of the log.
    for sender in list(_open.values()):
        sender.be_quiet()
    with suppress(Exception):
        _close_all()
    os.kill(os.getpid(), number)


def _watch_children() -> None:
    """Flushes before a child of `multiprocessing` ends, which does not run atexit."""
    multiprocessing = sys.modules.get("multiprocessing")
    util = sys.modules.get("multiprocessing.util")
    if multiprocessing is None or util is None:
        return
    if multiprocessing.parent_process() is None:
        return
    if _process.get("multiprocessing") != os.getpid():
        _process["multiprocessing"] = os.getpid()
        util.Finalize(None, _close_all, exitpriority=100)


def _after_fork() -> None:
    """Empties the senders in a child: the parent sends the waiting items."""
    for sender in list(_open.values()):
        sender.start_anew()
    # A child that hangs outside Python must end by SIGTERM, as its parent expects.
    _leave_sigterm()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
