"""Server-sent events of a run (WHATWG HTML, 9.2)."""

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
        step: The step after the change.
        kind: Kind of the event.
    """

    step: StepPoint
    kind: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """The description of the run changed.

    Attributes:
        run: The summary of the run.
        kind: Kind of the event.
    """

    run: RunSummary
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class DeletedEvent:
    """The run was deleted; no event follows.

    Attributes:
        kind: Kind of the event.
    """

    kind: Literal["deleted"] = "deleted"


Event = StepEvent | RunEvent | DeletedEvent


class EventReader:
    """Reads events from a stream that arrives in chunks.

    Attributes:
        ended: True after the last event.
        pause: Seconds to wait before the next connection, set by the service.
    """

    def __init__(self, after: int | None) -> None:
        """Begins after the given change of the history; None: with future changes."""
        self.ended = False
        self.pause = 0.0
        self._last_id = None if after is None else str(after)
        self.restart()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that resume a stream where the last one ended."""
        return {} if self._last_id is None else {"Last-Event-ID": self._last_id}

    def restart(self) -> None:
        """Drops the incomplete event at the end of a broken stream."""
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._next_id = self._last_id

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that this chunk completes."""
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
        # Only the id of a complete event: a new stream resumes after it.
        self._last_id = self._next_id
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        # A newer service may send kinds of events that this client does not know.
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
    """Checks that an answer is a stream of events.

    Args:
        asked: Description of the request, for messages.
        status: The status of the answer.
        headers: Its headers.
        content: Its body, if the status is 400 or more.

    Raises:
        UnreachableError: The service is overloaded or unavailable.
        ProblemError: The service refused the request.
        UnexpectedAnswerError: The answer is not a stream of events.
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
        raise UnexpectedAnswerError(
            f"an event has the data {data!r}, expected a JSON object"
        )
    return value
