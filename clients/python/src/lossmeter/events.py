"""Server-sent events (WHATWG HTML, 9.2), as the service sends them of a run."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, TypeVar

from lossmeter import wire_json
from lossmeter.errors import UnexpectedAnswerError, UnreachableError, problem_of
from lossmeter.retry import REPEATED_STATUSES
from lossmeter.schemas import RunSummary, StepPoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_T = TypeVar("_T")

EVENT_STREAM = "text/event-stream"

_MOST_PAUSE = 10.0

EVENT_SECONDS = 60.0
"""How long a stream may keep silent; the service says something every 15 s."""


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step changed.

    Attributes:
        step: What it is now.
        kind: Tells the events apart.
    """

    step: StepPoint
    kind: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """What is said of the run changed.

    Attributes:
        run: The run in short.
        kind: Tells the events apart.
    """

    run: RunSummary
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class DeletedEvent:
    """The run was deleted; no event follows.

    Attributes:
        kind: Tells the events apart.
    """

    kind: Literal["deleted"] = "deleted"


Event = StepEvent | RunEvent | DeletedEvent


class EventReader:
    """Makes events of a stream that comes in chunks.

    Attributes:
        ended: Whether the last event was told.
        pause: The seconds after which the service wants to be asked again.
    """

    def __init__(self, after: int | None) -> None:
        """Begins after that change of the history; None: with what is yet to come."""
        self.ended = False
        self.pause = 0.0
        self._last_id = None if after is None else str(after)
        self.restart()

    @property
    def headers(self) -> dict[str, str]:
        """The headers with which a stream goes on where the last one ended."""
        return {} if self._last_id is None else {"Last-Event-ID": self._last_id}

    def restart(self) -> None:
        """Forgets the part of an event that a broken stream ended with."""
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._next_id = self._last_id

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are whole with this chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode(errors="replace"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id":
                self._next_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.pause = min(int(value[:6]) / 1000, _MOST_PAUSE)
            case "" if line == "":
                return self._dispatch()
        return None

    def _dispatch(self) -> Event | None:
        # Only of an event that came whole: a new stream goes on after it.
        self._last_id = self._next_id
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        # Events that a later service may have are not for this client.
        match name:
            case "step":
                return StepEvent(_decode(data, StepPoint))
            case "run":
                return RunEvent(_decode(data, RunSummary))
            case "deleted":
                self.ended = True
                return DeletedEvent()
        return None


def require_events(
    asked: str, status: int, headers: Mapping[str, str], content: bytes
) -> None:
    """Lets pass what is a stream of events.

    Args:
        asked: What was asked for, for messages.
        status: The status of the answer.
        headers: Its headers.
        content: Its body, where it has a status of 400 or more.

    Raises:
        UnreachableError: The service has no time for it.
        ProblemError: It refused.
        UnexpectedAnswerError: The answer is something else.
    """
    if status >= HTTPStatus.BAD_REQUEST:
        problem = problem_of(status, content)
        if status in REPEATED_STATUSES:
            raise UnreachableError(f"{asked}: {problem}", repeatable=True)
        raise problem
    media_type = headers.get("Content-Type", "")
    if not media_type.startswith(EVENT_STREAM):
        raise UnexpectedAnswerError(
            f"{asked} was answered with {media_type or 'nothing'}, "
            f"expected {EVENT_STREAM}"
        )


def _decode(data: str, declared: type[_T]) -> _T:
    try:
        value = wire_json.loads(data, declared)
    except (OverflowError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise UnexpectedAnswerError(f"an event has the data {data!r}")
    return value
