"""Errors of the client."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

from lossmeter.schemas import Diagnostics
from lossmeter.typed import convert

if TYPE_CHECKING:
    from collections.abc import Sequence


_SHOWN_CHARACTERS = 200


class LossmeterError(Exception):
    """Base of all errors of this package."""


class UnreachableError(LossmeterError):
    """The service could not be reached, or the connection to it was lost.

    Its cause is the error of the transport.
    """

    def __init__(self, message: str, *, repeatable: bool) -> None:
        """Describes the failure.

        Args:
            message: Description, with the address.
            repeatable: True when a retry may help: not after a time-out, and not after
                an invalid certificate.
        """
        super().__init__(message)
        self.repeatable = repeatable

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), *self.args, repeatable=self.repeatable), ()


class UnexpectedAnswerError(LossmeterError):
    """The answer is not from Lossmeter, or from a version that is too new or old."""


class ProblemPlace(TypedDict):
    """A place of the request that is wrong."""

    pointer: str
    """RFC 6901 pointer into the request."""

    detail: str
    """What came there, and what was expected."""


class ProblemError(LossmeterError):
    """The service refused the request: an RFC 9457 problem.

    Attributes:
        status: The HTTP status.
        code: Stable code of the problem, such as `invalid_label`. It is the status,
            such as `http_502`, when a proxy answered.
        title: Kind of the problem.
        detail: The received value, the expected one, and the place.
        instance: URN of the request in the service's log.
        trace_id: The id of the trace of the request, where the service traces requests.
        errors: Each place of the request that is wrong.
        problem: The whole problem, as received.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Reads the members of a problem.

        Args:
            status: The HTTP status.
            problem: The problem, an object of JSON.
        """
        self.status = status
        self.code: str = problem.get("code", f"http_{status}")
        self.title: str = problem.get("title", "")
        self.detail: str = problem.get("detail", "")
        self.instance: str | None = problem.get("instance")
        self.trace_id: str | None = problem.get("trace_id")
        self.errors: Sequence[ProblemPlace] = problem.get("errors", [])
        self.problem = problem
        super().__init__(status, problem)

    def __str__(self) -> str:
        return f"{self.detail or self.title} ({self.code}, {self.status})"


class NonFiniteLossError(ProblemError):
    """The loss is not finite, which `on_non_finite="reject"` refuses."""

    @property
    def diagnostics(self) -> Diagnostics:
        """Causes and places."""
        return cast("Diagnostics", self.problem["diagnostics"])


def problem_of(status: int, content: bytes | bytearray) -> ProblemError:
    """The error for an answer with a status of 400 or more."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        text = bytes(content[:_SHOWN_CHARACTERS]).decode(errors="replace").strip()
        problem = {"title": "Refused by what is no Lossmeter", "detail": text}
    if "diagnostics" in problem:
        problem["diagnostics"] = convert(problem["diagnostics"], Diagnostics)
    if problem.get("code") == "non_finite_loss":
        return NonFiniteLossError(status, problem)
    return ProblemError(status, problem)
