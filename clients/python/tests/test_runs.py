"""Runs are recorded, read again and watched."""

from __future__ import annotations

import csv
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from batches import CONFIDENT_LABEL, CONFIDENT_LOGITS, KNOWN_LABEL, KNOWN_LOGITS
from names import NAMES
from relay import Answer, CutAnswer, Relay, Stream, comes_true
from service import free_port

from lossmeter import (
    Client,
    DeletedEvent,
    ProblemError,
    Run,
    RunEvent,
    StepEvent,
    UnexpectedAnswerError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service import Service

    from lossmeter import Event
    from lossmeter.schemas import BulkItem

EVENT_STREAM = {"Content-Type": "text/event-stream"}


@pytest.fixture
def run(client: Client, request: pytest.FixtureRequest) -> Run:
    """A run that does not exist yet, named after the test."""
    return client.run(request.node.name.partition("[")[0][-100:])


# Recording.


def test_a_run_is_what_is_said_of_it(run: Run) -> None:
    labels: dict[str, str | float | bool] = {
        "model": "gpt-1b",
        "learning_rate": 3e-4,
        "resumed": False,
        "note": "NaN",
    }

    made = run.describe(expected_ranks=2, labels=labels)

    assert made["run"] == run.name
    assert (made["labels"], made["expected_ranks"]) == (labels, 2)
    assert (made["steps"], made["batches"], made["sparkline"]) == (0, 0, [])
    assert run.summary()["labels"] == labels


def test_what_is_not_said_again_stays(run: Run) -> None:
    run.describe(expected_ranks=2, labels={"model": "a"})

    assert run.describe(labels={"model": "b"})["expected_ranks"] == 2
    assert run.describe(expected_ranks=4)["labels"] == {"model": "b"}


def test_a_run_has_a_life(client: Client, run: Run) -> None:
    run.record_pair(0, 0, 1.0, 1.0)

    said = run.describe(state="finished", notes="ä\nb", tags=["a", "b"], archived=True)

    assert (said["state"], said["notes"]) == ("finished", "ä\nb")
    assert (said["tags"], said["archived"]) == (["a", "b"], True)
    client.run("taken").describe()
    with pytest.raises(ProblemError, match="name_taken"):
        run.rename("taken")
    old = run.name
    assert run.rename("a new/name")["run"] == run.name == "a new/name"
    assert run.steps()[0]["loss"] == 1
    with pytest.raises(ProblemError, match="not_found"):
        client.run(old).summary()


@pytest.mark.parametrize("name", ["NaN", "Infinity"])
def test_a_run_may_be_named_like_a_number(client: Client, name: str) -> None:
    run = client.run(name)
    run.record_pair(0, 0, math.nan, 1.0)

    assert run.summary()["run"] == name
    assert run.step(0)["run"] == name
    assert name in [listed["run"] for listed in client.runs()]


def test_a_batch_is_evaluated_and_recorded(run: Run) -> None:
    evaluation = run.record(
        7, 0, CONFIDENT_LOGITS, CONFIDENT_LABEL, outputs=["lse"], semantics="torch"
    )

    assert evaluation.loss == pytest.approx(67)
    assert evaluation.outputs["lse"].tolist() == pytest.approx([72])
    (step,) = run.steps()
    assert (step["step"], step["loss"]) == (7, evaluation.loss)


def test_reruns_other_attempts_and_differences_of_runs_are_read(
    client: Client, run: Run
) -> None:
    again = client.run(run.name, attempt=1)
    other = client.run(f"{run.name}-other")
    for rank in range(3):
        run.record_pair(5, rank, 3.0 + rank, 2.0)
        other.record_pair(5, rank, 3.0 + rank + (rank == 2), 2.0)
    run.record_pair(6, 0, 1.0, 1.0)
    difference = run.compare(other.name)
    for rank in range(3):
        again.record_pair(5, rank, 3.0, 2.0)

    reruns = run.reruns(5)
    within = run.reruns(5, tolerance=1.0)

    assert difference["same"] == 2
    assert difference["difference"]["rank"] == 2
    assert [rerun["same_bits"] for rerun in reruns] == [True, False, False]
    assert {rerun["verdict"] for rerun in within} == {"undetermined"}
    assert [step["step"] for step in run.steps(attempt=0)] == [5, 6]
    assert [step["attempt"] for step in run.steps(attempt=1)] == [1]
    assert run.step(5)["normalisation"]["token_mean"] == 1.5
    assert run.step(5)["disagreement"] == []


def test_a_step_of_many_micro_batches_is_read_whole(run: Run) -> None:
    for rank in range(3):
        for micro_batch in range(250):
            run.record_pair(
                step=0, rank=rank, micro_batch=micro_batch, numerator=1, denominator=1
            )

    step = run.step(0)

    assert [rank["rank"] for rank in step["rank_details"]] == [0, 1, 2]
    assert [
        [batch["micro_batch"] for batch in rank["micro_batches"]]
        for rank in step["rank_details"]
    ] == [list(range(250))] * 3
    assert step["batches"] == 750
    assert "next" not in step


def test_ranks_and_micro_batches_make_a_step(run: Run) -> None:
    run.describe(expected_ranks=2)
    losses = np.log(np.exp(KNOWN_LOGITS).sum(-1)) - KNOWN_LOGITS[range(3), KNOWN_LABEL]

    run.record(0, 0, KNOWN_LOGITS[:1], KNOWN_LABEL[:1], micro_batch=0)
    run.record(0, 0, KNOWN_LOGITS[1:2], KNOWN_LABEL[1:2], [3], micro_batch=1)
    assert not run.steps()[0]["complete"]
    run.record(0, 1, KNOWN_LOGITS[2:], KNOWN_LABEL[2:], weight=np.full(5, 2.0))

    step = run.step(0)
    assert step["complete"]
    assert step["numerator"] == pytest.approx(losses @ [1, 3, 2])
    assert step["denominator"] == 6
    assert (step["ranks"], step["missing_ranks"]) == (2, [])
    numbers = [
        [b["micro_batch"] for b in r["micro_batches"]] for r in step["rank_details"]
    ]
    assert numbers == [[0, 1], [0]]


def test_the_same_again_changes_nothing(run: Run) -> None:
    first = run.record(0, 0, KNOWN_LOGITS, KNOWN_LABEL)
    second = run.record(0, 0, KNOWN_LOGITS, KNOWN_LABEL)

    assert first.numerator == second.numerator
    assert run.summary()["batches"] == 1


def test_something_else_in_its_place_is_a_conflict(run: Run) -> None:
    run.record_pair(0, 0, 6.0, 2.0)

    with pytest.raises(ProblemError) as raised:
        run.record_pair(0, 0, 6.5, 2.0)

    assert (raised.value.code, raised.value.status) == ("conflict", 409)
    assert run.steps()[0]["loss"] == 3


def test_a_later_attempt_takes_the_place_of_an_earlier_one(
    run: Run, client: Client
) -> None:
    resumed = client.run(run.name, attempt=1)
    run.record_pair(0, 0, 6.0, 2.0)
    resumed.record_pair(0, 0, 5.0, 2.0)

    (step,) = run.steps()
    assert (step["loss"], step["attempt"]) == (2.5, 1)
    with pytest.raises(ProblemError, match=r"\(superseded, 409\)"):
        run.record_pair(0, 0, 6.0, 2.0)


def test_a_pair_is_recorded_without_its_batch(run: Run) -> None:
    pair = run.record_pair(np.int64(3), 0, np.float32(6), np.int64(4))  # type: ignore[arg-type]

    assert (pair.loss, pair.numerator, pair.denominator) == (1.5, 6, 4)
    assert isinstance(pair.loss, float)
    assert pair.verdict == "finite"
    assert "step 3, rank 0" in pair.summary


@pytest.mark.parametrize("numerator", [math.nan, math.inf, -math.inf])
def test_a_pair_that_is_not_finite_is_a_float_everywhere(
    run: Run, client: Client, numerator: float
) -> None:
    run = client.run(f"{run.name}.{numerator}")

    pair = run.record_pair(0, 0, numerator, 1.0)

    step, summary = run.step(0), run.summary()
    got = [pair.loss, pair.numerator, run.steps()[0]["loss"], step["loss"]]
    got += [step["rank_details"][0]["micro_batches"][0]["numerator"]]
    got += [summary["last_loss"]]
    assert got == pytest.approx([numerator] * 6, nan_ok=True)
    assert pair.verdict == "non_finite"
    assert step["non_finite"]
    assert summary["non_finite_steps"] == 1


@pytest.mark.parametrize(
    ("step", "rank", "micro_batch"), [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, 2**20, 0)]
)
def test_a_place_that_there_is_not_is_refused(
    run: Run, step: int, rank: int, micro_batch: int
) -> None:
    with pytest.raises(ProblemError):
        run.record_pair(step, rank, 1.0, 1.0, micro_batch=micro_batch)


def test_what_is_refused_is_not_recorded(run: Run) -> None:
    run.describe()

    with pytest.raises(ProblemError, match="invalid_label"):
        run.record(0, 0, KNOWN_LOGITS, [1, 5, 0])
    with pytest.raises(ProblemError, match="non_finite_loss"):
        run.record(0, 0, KNOWN_LOGITS * np.nan, KNOWN_LABEL, on_non_finite="reject")

    assert run.steps() == []


# Reading.


@pytest.fixture(scope="module")
def long(service: Service) -> Run:
    """A run of 5200 steps, which the service lists in two pages."""
    run = Client(service.url).run("long")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda step: run.record_pair(step, 0, step, 1.0), range(5200)))
    return run


def test_the_curve_is_all_pages_of_it(long: Run) -> None:
    steps = long.steps()

    assert [step["step"] for step in steps] == list(range(5200))
    assert [step["loss"] for step in steps] == list(range(5200))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 2, [0, 1, 2]),
        (5198, None, [5198, 5199]),
        (5100, 5101, [5100, 5101]),
        (5200, None, []),
        (3, 2, []),
    ],
)
def test_the_curve_is_that_of_a_range(
    long: Run, first: int, last: int | None, expected: list[int]
) -> None:
    assert [step["step"] for step in long.steps(first, last)] == expected


def test_a_range_of_several_pages_ends_where_it_should(long: Run) -> None:
    steps = [step["step"] for step in long.steps(50, 5150)]

    assert steps == list(range(50, 5151))


def test_a_curve_for_showing_has_about_as_many_points_as_it_should(long: Run) -> None:
    steps = [step["step"] for step in long.steps(1000, 4999, max_points=100)]

    assert 50 <= len(steps) <= 110
    assert (min(steps), max(steps)) == (1000, 4999)
    assert steps == sorted(steps)


def test_a_run_is_exported_as_text(run: Run) -> None:
    run.record_pair(0, 0, 6.0, 2.0)
    run.record_pair(0, 1, 8.0, 2.0)
    run.record_pair(1, 0, math.nan, 2.0)

    rows = list(csv.DictReader(run.export().splitlines()))
    lines = [json.loads(line) for line in run.export("jsonl").splitlines()]
    batches = list(csv.DictReader(run.export("csv", of="batches").splitlines()))

    assert [(row["step"], row["loss"]) for row in rows] == [("0", "3.5"), ("1", "NaN")]
    assert [(line["step"], line["loss"]) for line in lines] == [(0, 3.5), (1, "NaN")]
    places = [(batch["step"], batch["rank"]) for batch in batches]
    assert places == [("0", "0"), ("0", "1"), ("1", "0")]


def test_a_long_run_is_exported_whole(long: Run) -> None:
    assert len(long.export().splitlines()) == 5201


def test_a_run_whose_deletion_was_not_heard_of_is_deleted(
    run: Run, service: Service
) -> None:
    run.describe()
    with Relay(service, CutAnswer(0)) as relay, Client(relay.url) as client:
        client.run(run.name).delete()

    assert len(relay.heads) == 2
    with pytest.raises(ProblemError, match="not_found"):
        run.summary()


def test_a_deleted_run_is_gone(run: Run) -> None:
    run.record_pair(0, 0, 6.0, 2.0)

    run.delete()

    for ask in (run.summary, run.steps, run.export, run.delete, lambda: run.step(0)):
        with pytest.raises(ProblemError, match=f"{run.name}.*not_found, 404"):
            ask()


def test_a_step_that_there_is_not_is_an_error(run: Run) -> None:
    run.record_pair(0, 0, 6.0, 2.0)

    with pytest.raises(ProblemError, match="not_found"):
        run.step(1)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_has_any_name(client: Client, name: str) -> None:
    run = client.run(name)

    run.record_pair(7, 0, 6.0, 2.0)

    assert run.describe(labels={"kind": "named"})["run"] == name
    assert run.summary()["last_step"] == 7
    assert run.step(7)["run"] == name
    assert '"step":7' in run.export("jsonl")
    event = next(run.watch(after=0))
    assert isinstance(event, StepEvent)
    assert event.step["step"] == 7
    assert name in [listed["run"] for listed in client.runs(sort="name")]
    run.delete()


@pytest.mark.parametrize("name", [" a", "a\n", "a/../b", "~removed 1", "😀" * 257])
def test_what_is_no_name_is_refused_with_its_reason(client: Client, name: str) -> None:
    with pytest.raises(ProblemError, match=r"space|control|`\.\.`|reserved|256"):
        client.run(name).record_pair(7, 0, 6.0, 2.0)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_name_asks_for_nothing_else(client: Client, name: str) -> None:
    # Such a name gives another path: /v1/runs/./steps is that of the run "steps".
    client.run("steps").describe()
    client.run("export").describe()
    run = client.run(name)

    for ask in (run.summary, run.steps, run.export, run.delete):
        with pytest.raises(
            (ProblemError, ValueError), match=r"name|not_found|must match"
        ):
            ask()


def test_a_run_shows_its_name_and_attempt(client: Client) -> None:
    assert repr(client.run("a", attempt=2)) == "Run('a', attempt=2)"


# Watching.


def steps_until(events: Iterable[Event], last: int) -> list[int]:
    """The steps of the events, up to this one."""
    told: list[int] = []
    for event in events:
        if isinstance(event, StepEvent):
            told.append(event.step["step"])
            if event.step["step"] == last:
                break
    return told


def record_steps(run: Run, steps: Iterable[int]) -> None:
    for step in steps:
        run.record_pair(step, 0, float(step), 1.0)


def test_what_is_recorded_is_told_within_a_second(run: Run) -> None:
    run.describe()

    def record() -> float:
        time.sleep(0.3)
        now = time.monotonic()
        run.record_pair(4, 0, 6.0, 2.0)
        return now

    events = run.watch(after=0)
    with ThreadPoolExecutor(1) as thread:
        recorded = thread.submit(record)
        event = next(events)
        assert time.monotonic() - recorded.result() < 5

    assert isinstance(event, StepEvent)
    assert (event.step["step"], event.step["loss"]) == (4, 3)


def test_after_0_all_steps_that_there_are_come_first(run: Run) -> None:
    record_steps(run, range(450))

    assert steps_until(run.watch(after=0), 449) == list(range(450))


def test_without_after_only_what_changes_from_now_on_is_told(run: Run) -> None:
    record_steps(run, range(3))
    told = threading.Event()

    def record() -> None:
        for step in range(3, 1000):
            if told.wait(0.1):
                break
            run.record_pair(step, 0, 1.0, 1.0)

    events = run.watch()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(record)
        event = next(events)
        told.set()

    assert isinstance(event, StepEvent)
    assert event.step["step"] >= 3


def test_what_is_said_of_a_run_and_its_end_are_told(run: Run) -> None:
    run.record_pair(0, 0, math.nan, 1.0)
    events = run.watch(after=0)

    step = next(events)
    run.describe(labels={"note": "NaN"})
    described = next(events)
    run.delete()

    assert isinstance(step, StepEvent)
    assert math.isnan(step.step["loss"])
    assert isinstance(described, RunEvent)
    assert described.run["labels"] == {"note": "NaN"}
    assert list(events) == [DeletedEvent()]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"retry", id="before the first event"),
        pytest.param(b"event: step", id="in the name of an event"),
        pytest.param(b"event: step\nid: ", id="in the id of an event"),
        pytest.param(b'{"step":0', id="in the data of the first event"),
        pytest.param(b'{"step":3', id="in the data of an event"),
        pytest.param(b'{"step":5', id="in the data of the last event"),
    ],
)
def test_a_broken_connection_loses_and_doubles_no_step(
    run: Run, service: Service, client: Client, text: bytes
) -> None:
    run = client.run(f"{run.name[-60:]}.{text.hex()}")
    record_steps(run, range(6))

    def record_last(relay: Relay) -> None:
        comes_true(lambda: len(relay.heads) == 3)
        run.record_pair(6, 0, 6.0, 1.0)

    with (
        Relay(service, CutAnswer(text), CutAnswer(0)) as relay,
        Client(relay.url) as cut_off,
        ThreadPoolExecutor(1) as thread,
    ):
        thread.submit(record_last, relay)
        told = steps_until(cut_off.run(run.name).watch(after=0), 6)

    assert told == list(range(7))


def test_after_a_break_a_stream_goes_on_where_it_was(
    run: Run, service: Service
) -> None:
    record_steps(run, range(2))

    cut = CutAnswer(b'"step":1')
    with Relay(service, cut) as relay, Client(relay.url) as cut_off:
        assert steps_until(cut_off.run(run.name).watch(after=0), 1) == [0, 1]

    first, second = (head.fields["last-event-id"] for head in relay.heads)
    assert first == "0"
    assert int(second) > 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(503, b'{"code": "shutting_down"}'), id="shutting down"),
        pytest.param(Answer(502), id="an empty refusal"),
        pytest.param(Answer(200, b"", EVENT_STREAM), id="an empty stream"),
        pytest.param(Answer(200, b"retry: 1\nid: 0\n\n", EVENT_STREAM), id="its end"),
    ],
)
def test_a_service_that_is_not_there_for_a_moment_is_asked_again(
    run: Run, service: Service, answer: Answer
) -> None:
    record_steps(run, [0])
    with (
        Relay(service, answer, answer) as relay,
        Client(relay.url, retries=2) as client,
    ):
        assert steps_until(client.run(run.name).watch(after=0), 0) == [0]


@pytest.mark.parametrize("data", [b"{broken", b"\xff", b"[]"])
def test_events_that_are_none_of_a_lossmeter_are_said_to_be_none(
    service: Service, data: bytes
) -> None:
    stream = Answer(200, b"event: step\ndata: " + data + b"\n\n", EVENT_STREAM)
    with (
        Relay(service, *[stream] * 9) as relay,
        Client(relay.url) as client,
        pytest.raises(UnexpectedAnswerError),
    ):
        next(client.run("a").watch())


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, b"<html>Hi</html>")])
def test_who_is_not_there_for_longer_is_given_up(
    service: Service, answer: Answer
) -> None:
    with (
        Relay(service, *[answer] * 9) as relay,
        Client(relay.url, retries=2) as client,
        pytest.raises((UnreachableError, UnexpectedAnswerError), match="/v1/runs/a/"),
    ):
        next(client.run("a").watch())

    assert len(relay.heads) <= 3


def test_where_nobody_listens_nothing_can_be_watched() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", retries=1) as client,
        pytest.raises(UnreachableError, match="refused"),
    ):
        next(client.run("a").watch())


def test_a_quiet_run_may_be_watched_over_any_number_of_breaks(
    run: Run, service: Service
) -> None:
    run.describe()
    cuts = [CutAnswer(b"retry: 1000\nid: ")] * 4
    with (
        Relay(service, *cuts) as relay,
        Client(relay.url, retries=1) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        step = thread.submit(next, client.run(run.name).watch(after=0))
        comes_true(lambda: len(relay.heads) == 5 or step.done())
        run.record_pair(0, 0, 6.0, 2.0)
        assert isinstance(step.result(), StepEvent)


def test_events_come_at_once_also_where_the_stream_is_not_in_chunks(
    service: Service,
) -> None:
    stream = Stream(b'event: step\nid: 1\ndata: {"step": 0}\n\n', EVENT_STREAM)
    with (
        ThreadPoolExecutor(1) as thread,
        Relay(service, stream) as relay,
        Client(relay.url) as client,
    ):
        event = thread.submit(next, client.run("a").watch())
        assert isinstance(event.result(timeout=2), StepEvent)


def test_a_run_that_there_is_not_cannot_be_watched(service: Service) -> None:
    with Relay(service) as relay, Client(relay.url) as client:
        with pytest.raises(
            ProblemError, match=r"no run there-is-none \(not_found, 404\)"
        ):
            next(client.run("there-is-none").watch())
        client.info()

    assert (len(relay.heads), relay.connections) == (2, 1)


def test_who_no_longer_watches_leaves_no_connection(run: Run, service: Service) -> None:
    record_steps(run, range(3))
    with Relay(service) as relay, Client(relay.url) as client:
        watched = client.run(run.name)
        assert len(list(islice(watched.watch(after=0), 2))) == 2
        for _ in watched.watch(after=0):
            break
        assert comes_true(lambda: relay.open == 0)


def test_a_run_can_be_recorded_while_it_is_watched(run: Run) -> None:
    run.record_pair(0, 0, 0.0, 1.0)
    told = []
    for event in islice(run.watch(after=0), 5):
        assert isinstance(event, StepEvent)
        told.append(event.step["step"])
        run.record_pair(told[-1] + 1, 0, 1.0, 1.0)

    assert told == list(range(5))


# Scalars, and many recordings at once.


def test_pairs_and_scalars_of_many_steps_are_recorded_and_read(run: Run) -> None:
    items: list[BulkItem] = [
        {
            "step": step,
            "rank": rank,
            "numerator": float(np.float32(step)),
            "denominator": 2.0,
            "scalars": {"grad_norm/a b": math.nan if step == 3 else step + rank},
        }
        for step in range(5)
        for rank in range(2)
    ]

    assert [one["status"] for one in run.record_many(items)] == [201] * 10
    assert [one["status"] for one in run.record_many(items)] == [200] * 10
    (wrong,) = run.record_many([{"step": 1, "numerator": 5.0, "denominator": 1.0}])
    assert (wrong["status"], wrong.get("code")) == (409, "conflict")

    assert [point["loss"] for point in run.steps()] == [0, 0.5, 1, 1.5, 2]
    (scalar,) = run.scalars()
    assert scalar["name"] == "grad_norm/a b"
    assert (scalar["points"], scalar.get("last_step")) == (10, 4)
    points = run.scalar("grad_norm/a b", 1)
    assert [point["step"] for point in points] == [1, 2, 3, 4]
    assert [point["ranks"] for point in points] == [2] * 4
    assert points[0]["value"] == 1.5
    assert points[2]["non_finite"]
    assert math.isnan(points[2]["value"])
    assert len(run.scalar("grad_norm/a b", max_points=8)) == 5
    assert run.attempts() == [{"attempt": 0, "first_step": 0}]
    assert "grad_norm/a b" in run.export(of="scalars")
    with pytest.raises(ProblemError, match="has no scalar x"):
        run.scalar("x")
