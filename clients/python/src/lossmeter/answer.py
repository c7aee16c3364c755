"""The outcome of an attempt to send a request."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import InvalidHeader

from lossmeter.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ASKED_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """A complete answer.

    Attributes:
        status: The HTTP status.
        content: Its body, in writable memory.
        retry_after: The seconds that the service asks to wait, at most a minute.
        media_type: Media type of its body, without parameters.
        location: Target of a redirect.
    """

    status: int
    content: bytearray = field(repr=False)
    retry_after: float | None = None
    media_type: str = ""
    location: str | None = None


Outcome = Answer | UnreachableError


def answer_of(status: int, headers: Mapping[str, str], content: bytearray) -> Outcome:
    """An answer, or an error when its head was cut off.

    Parsers accept the end of a connection as the end of the head, and then as the end
    of a body of unknown length.
    """
    has_length = "Content-Length" in headers or "Transfer-Encoding" in headers
    if not content and not has_length and status != HTTPStatus.NO_CONTENT:
        return UnreachableError("the answer broke off in its head", repeatable=True)
    return Answer(
        status,
        content,
        retry_after(headers),
        headers.get("Content-Type", "").partition(";")[0].strip(),
        headers.get("Location"),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the service asks to wait, at most a minute; None without."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    # Digits and dates may exceed the range of Python's numbers.
    with contextlib.suppress(InvalidHeader, ValueError, OverflowError):
        return min(urllib3.Retry().parse_retry_after(text), _MOST_ASKED_SECONDS)
    return None
