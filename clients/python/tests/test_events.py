"""Server-sent events are read for any division into chunks."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from lossmeter import DeletedEvent, RunEvent, StepEvent
from lossmeter.events import EventReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lossmeter import Event

BEGIN = b"retry: 1000\nid: 0\n\n"


def step(number: int, loss: float | str = 1.5) -> bytes:
    """The event of a step; the id of the change is its number."""
    data = json.dumps({"step": number, "loss": loss})
    return f"event: step\nid: {number}\ndata: {data}\n\n".encode()


STREAM = b"".join(
    [
        BEGIN,
        step(1),
        b": nothing new\n\n",
        step(2),
        b'event: run\ndata: {"run": "a", "labels": {}}\n\n',
        step(3),
        b"event: deleted\ndata: {}\n\n",
    ]
)


def read(chunks: Iterable[bytes], after: int | None = 0) -> list[Event]:
    reader = EventReader(after)
    return [event for chunk in chunks for event in reader.feed(chunk)]


def steps_of(events: Iterable[Event]) -> list[int]:
    return [event.step["step"] for event in events if isinstance(event, StepEvent)]


def test_a_stream_is_its_events_in_their_order() -> None:
    events = read([STREAM])

    kinds = ["step", "step", "run", "step", "deleted"]
    assert [event.kind for event in events] == kinds
    assert steps_of(events) == [1, 2, 3]
    assert isinstance(events[2], RunEvent)
    assert events[2].run["run"] == "a"
    assert events[-1] == DeletedEvent()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_it_is_the_same_events_in_chunks_of_any_size(size: int) -> None:
    chunks = [STREAM[i : i + size] for i in range(0, len(STREAM), size)]

    assert read(chunks) == read([STREAM])


def test_lines_may_end_as_those_of_windows() -> None:
    stream = STREAM.replace(b"\n", b"\r\n")

    assert read([stream]) == read([STREAM])
    assert read(bytes([byte]) for byte in stream) == read([STREAM])


def test_letters_of_several_bytes_may_be_cut_apart() -> None:
    data = json.dumps({"run": "a", "labels": {"ε": "λ"}}, ensure_ascii=False)
    stream = f"event: run\ndata: {data}\n\n".encode()

    (event,) = read(bytes([byte]) for byte in stream)

    assert isinstance(event, RunEvent)
    assert event.run["labels"] == {"ε": "λ"}


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b": nothing new\n\n", id="a comment"),
        pytest.param(b":\n", id="an empty comment"),
        pytest.param(b"\n\n\n", id="empty lines"),
        pytest.param(b"retry: 1000\n\n", id="a pause"),
        pytest.param(b"event: later\ndata: {not json\n\n", id="an unknown event"),
        pytest.param(b"data: of no event\n\n", id="data without a name"),
        pytest.param(b"unknown: 1\n\n", id="an unknown field"),
        pytest.param(b"event\n\n", id="a field without a value"),
    ],
)
def test_what_is_no_event_of_a_run_is_passed_over(noise: bytes) -> None:
    assert steps_of(read([noise, step(1), noise, step(2), noise])) == [1, 2]


def test_a_space_after_the_colon_may_be_missing() -> None:
    assert steps_of(read([b'event:step\nid:1\ndata:{"step":1}\n\n'])) == [1]


def test_data_of_several_lines_is_one_text() -> None:
    assert steps_of(read([b'event: step\ndata: {"step":\ndata: 1}\n\n'])) == [1]


def test_an_event_is_told_when_it_is_whole_and_not_before() -> None:
    reader = EventReader(0)

    assert list(reader.feed(step(1)[:-1])) == []
    assert steps_of(reader.feed(b"\n")) == [1]


def test_numbers_that_are_not_finite_are_floats() -> None:
    (event,) = read([step(1, "NaN")])

    assert isinstance(event, StepEvent)
    assert math.isnan(event.step["loss"])


def test_after_the_last_event_the_reader_has_ended() -> None:
    reader = EventReader(0)

    list(reader.feed(step(1)))
    assert not reader.ended
    list(reader.feed(b"event: deleted\ndata: {}\n\n"))
    assert reader.ended


@pytest.mark.parametrize(
    ("after", "headers"), [(7, {"Last-Event-ID": "7"}), (None, {})]
)
def test_a_stream_begins_after_the_given_change(
    after: int | None, headers: dict[str, str]
) -> None:
    assert EventReader(after).headers == headers


def test_a_stream_goes_on_after_the_last_event_that_was_told() -> None:
    reader = EventReader(None)

    list(reader.feed(BEGIN + step(1) + step(2)))

    assert reader.headers == {"Last-Event-ID": "2"}


def test_half_an_event_is_forgotten_when_the_stream_begins_again() -> None:
    reader = EventReader(0)
    list(reader.feed(step(1)[:-8]))

    reader.restart()

    assert steps_of(reader.feed(step(2))) == [2]


def streams(reader: EventReader, cut: int) -> Iterator[Event]:
    """A stream that breaks off, then one that resumes as the service would."""
    told = b"".join(step(number) for number in (1, 2, 3))
    yield from reader.feed((BEGIN + told)[:cut])
    reader.restart()
    after = int(reader.headers["Last-Event-ID"])
    more = b"".join(step(number) for number in (1, 2, 3) if number > after)
    yield from reader.feed(f"retry: 1000\nid: {after}\n\n".encode() + more)


def test_wherever_a_stream_breaks_off_each_step_is_told_once() -> None:
    length = len(BEGIN + step(1) + step(2) + step(3))

    wrong = {
        cut: told
        for cut in range(length + 1)
        if (told := steps_of(streams(EventReader(0), cut))) != [1, 2, 3]
    }

    assert wrong == {}
