"""Requests are retried only if a retry may succeed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from batches import CONFIDENT_LABEL, CONFIDENT_LOGITS, CONFIDENT_LOSS, large_logits
from relay import Answer, CutAnswer, CutUpload, Pause, Relay, Silence
from service import free_port

from lossmeter import Client, ProblemError, UnreachableError
from lossmeter.answer import Answer as Answered
from lossmeter.answer import retry_after
from lossmeter.retry import backoff, next_delay

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay import Fault
    from service import Service

LOST = UnreachableError("lost", repeatable=True)
TIMED_OUT = UnreachableError("timed out", repeatable=False)

OVERLOADED = Answer(429, b'{"code": "overloaded", "detail": "too much to do"}')
UNAVAILABLE = Answer(503, b'{"code": "shutting_down"}')
BAD_GATEWAY = Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})


def answered(status: int, after: float | None = None) -> Answered:
    return Answered(status, bytearray(), after)


@pytest.mark.parametrize("attempt", range(8))
def test_pauses_double_up_to_ten_seconds_and_a_quarter_more_at_random(
    attempt: int,
) -> None:
    seconds = min(0.1 * 2**attempt, 10)

    pauses = [backoff(attempt) for _ in range(100)]

    assert seconds <= min(pauses) < max(pauses) <= 1.25 * seconds


def test_a_pause_is_no_shorter_than_what_was_asked_for() -> None:
    assert 3 <= backoff(0, 3) <= 3.75
    assert 6.4 <= backoff(6, 3) <= 8


def test_the_pause_after_very_many_attempts_is_still_ten_seconds() -> None:
    assert 10 <= backoff(5000) <= 12.5


@pytest.mark.parametrize("outcome", [LOST, *map(answered, (429, 502, 503, 504))])
def test_what_may_succeed_later_is_sent_again_up_to_the_number_of_retries(
    outcome: Answered | UnreachableError,
) -> None:
    delays = [next_delay(2, attempt, outcome) for attempt in range(4)]

    assert delays[0] is not None
    assert delays[1] is not None
    assert delays[2:] == [None, None]


@pytest.mark.parametrize(
    "outcome",
    [
        TIMED_OUT,
        *map(answered, (200, 201, 204, 301, 400, 401, 404, 408, 409, 422, 500)),
    ],
)
def test_what_would_come_out_the_same_is_not_sent_again(
    outcome: Answered | UnreachableError,
) -> None:
    assert next_delay(5, 0, outcome) is None


def test_no_retries_are_no_second_attempt() -> None:
    assert next_delay(0, 0, LOST) is None


def test_the_pause_that_the_service_asks_for_is_made() -> None:
    delay = next_delay(5, 0, answered(429, 4))

    assert delay is not None
    assert 4 <= delay <= 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("60", 60), ("86400", 60), ("9" * 30, 60)],
)
def test_the_seconds_of_retry_after_are_read_up_to_a_minute(
    text: str, seconds: float
) -> None:
    assert retry_after({"Retry-After": text}) == seconds


@pytest.mark.parametrize(("after", "seconds"), [(20, 20), (-20, 0), (86400, 60)])
def test_the_date_of_retry_after_is_read(after: float, seconds: float) -> None:
    date = datetime.now(UTC) + timedelta(seconds=after)

    read = retry_after({"Retry-After": format_datetime(date, usegmt=True)})

    assert read == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-1", "1.5", "Wed, 99 Foo 2026"),
        *("Fri, 01 Jan 99999 00:00:00 GMT", "9" * 5000),
    ],
    ids=lambda text: text[:30],
)
def test_a_retry_after_that_is_none_asks_for_no_pause_that_is_not_made(
    text: str,
) -> None:
    assert retry_after({"Retry-After": text}) in {None, 60}


def test_without_retry_after_nothing_is_asked_for() -> None:
    assert retry_after({}) is None


def evaluates(client: Client) -> bool:
    evaluation = client.cross_entropy(CONFIDENT_LOGITS, CONFIDENT_LABEL)
    return evaluation.loss == pytest.approx(CONFIDENT_LOSS, abs=1e-8)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(CutUpload(after=0), id="before the body"),
        pytest.param(CutUpload(after=100), id="in the body"),
        pytest.param(CutAnswer(after=0), id="before the answer"),
        pytest.param(CutAnswer(after=10), id="in the first line of the answer"),
        pytest.param(CutAnswer(after=30), id="in the head of the answer"),
        pytest.param(CutAnswer(after=b"\r\n\r\n"), id="after the head of the answer"),
        pytest.param(CutAnswer(after=b'"numerator'), id="in the answer"),
        pytest.param(OVERLOADED, id="too much to do"),
        pytest.param(UNAVAILABLE, id="not there"),
        pytest.param(BAD_GATEWAY, id="not there behind a proxy"),
        pytest.param(Answer(504), id="lost behind a proxy"),
    ],
)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_request_that_was_lost_is_sent_again_and_succeeds(
    service: Service, fault: Fault, used: bool
) -> None:
    with Relay(service) as relay, Client(relay.url, retries=2) as client:
        if used:
            client.info()
        relay.faults.append(fault)

        assert evaluates(client)

    assert len(relay.heads) == 2 + used


def test_an_upload_that_breaks_off_is_sent_again_from_its_start(
    service: Service,
) -> None:
    logits = large_logits(16)
    logits[0, 0] = 5
    with Relay(service, CutUpload(after=2**20)) as relay, Client(relay.url) as client:
        evaluation = client.cross_entropy(logits, np.zeros(len(logits), int))

    with Client(service.url) as direct:
        expected = direct.cross_entropy(logits, np.zeros(len(logits), int))
    assert evaluation.numerator == expected.numerator
    assert relay.connections == 2


def test_a_pause_that_was_asked_for_is_waited_for(service: Service) -> None:
    asks = Answer(429, OVERLOADED.content, {"Retry-After": "1"})
    with Relay(service, asks) as relay, Client(relay.url) as client:
        started = time.monotonic()
        assert evaluates(client)

    assert 1 <= time.monotonic() - started < 10


def test_an_answer_that_broke_off_in_its_head_is_not_taken_for_an_empty_one(
    service: Service,
) -> None:
    run = Client(service.url).run("exported")
    run.record_pair(0, 0, 6.0, 2.0)
    cut = CutAnswer(after=b"content-type: text/csv")
    with Relay(service, cut) as relay, Client(relay.url) as client:
        assert client.run(run.name).export() == run.export()


def test_pauses_grow(service: Service) -> None:
    with Relay(service, *[UNAVAILABLE] * 3) as relay, Client(relay.url) as client:
        started = time.monotonic()
        assert evaluates(client)

    assert 0.7 <= time.monotonic() - started < 10


def test_who_gives_up_on_a_lost_connection_says_so(service: Service) -> None:
    with (
        Relay(service, *[CutAnswer(after=0)] * 9) as relay,
        Client(relay.url, retries=2) as client,
        pytest.raises(UnreachableError, match=f"^GET {relay.url}/v1/info: ") as raised,
    ):
        client.info()

    assert len(relay.heads) == 3
    assert raised.value.repeatable
    assert raised.value.__cause__ is not None


def test_who_gives_up_on_a_refusal_has_the_problem(service: Service) -> None:
    with (
        Relay(service, *[OVERLOADED] * 9) as relay,
        Client(relay.url, retries=1) as client,
        pytest.raises(ProblemError, match=r"^too much to do \(overloaded, 429\)$"),
    ):
        client.info()

    assert len(relay.heads) == 2


def test_who_gives_up_on_a_proxy_has_what_it_said(service: Service) -> None:
    with (
        Relay(service, *[BAD_GATEWAY] * 9) as relay,
        Client(relay.url, retries=1) as client,
        pytest.raises(ProblemError) as raised,
    ):
        client.info()

    assert (raised.value.status, raised.value.code) == (502, "http_502")
    assert raised.value.detail == "<html>Bad Gateway</html>"


def test_where_nobody_listens_it_is_tried_again() -> None:
    started = time.monotonic()
    with (
        Client(f"http://127.0.0.1:{free_port()}", retries=2) as client,
        pytest.raises(UnreachableError, match="refused"),
    ):
        client.info()

    assert 0.3 <= time.monotonic() - started < 10


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Silence(), id="no answer"),
        pytest.param(Pause(after=0, seconds=5), id="nothing is read"),
    ],
)
def test_a_time_out_is_not_repeated(service: Service, fault: Fault) -> None:
    logits = large_logits(16)
    with Relay(service, fault) as relay, Client(relay.url, timeout=0.5) as client:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="timed out") as raised:
            client.cross_entropy(logits, np.zeros(len(logits), int))
        assert time.monotonic() - started < 10

    assert not raised.value.repeatable
    assert len(relay.heads) == 1


def test_a_slow_upload_is_no_time_out_while_it_goes_on(service: Service) -> None:
    logits = large_logits(16)
    with (
        Relay(service, Pause(after=2**20, seconds=0.6)) as relay,
        Client(relay.url, timeout=3, retries=0) as client,
    ):
        client.cross_entropy(logits, np.zeros(len(logits), int))


@pytest.mark.parametrize("label", [[10], [-1]])
def test_what_the_service_does_not_take_is_not_repeated(
    service: Service, label: list[int]
) -> None:
    with (
        Relay(service) as relay,
        Client(relay.url) as client,
        pytest.raises(ProblemError, match="invalid_label"),
    ):
        client.cross_entropy(CONFIDENT_LOGITS, label)

    assert len(relay.heads) == 1


def record_pair(client: Client) -> None:
    client.run("recorded-twice").record_pair(0, 0, 6.0, 2.0)


def record_batch(client: Client) -> None:
    run = client.run("evaluated-twice")
    run.record(0, 0, CONFIDENT_LOGITS, CONFIDENT_LABEL, semantics="torch")


@pytest.mark.parametrize(
    ("record", "name", "loss"),
    [(record_pair, "recorded-twice", 3.0), (record_batch, "evaluated-twice", 67.0)],
)
def test_what_was_recorded_before_the_answer_was_lost_is_recorded_once(
    client: Client,
    service: Service,
    record: Callable[[Client], None],
    name: str,
    loss: float,
) -> None:
    cuts = [CutAnswer(after=0), CutAnswer(after=b"\r\n\r\n")]
    with Relay(service, *cuts) as relay, Client(relay.url) as cut_off:
        record(cut_off)

    assert len(relay.heads) == 3
    assert client.run(name).summary()["batches"] == 1
    (step,) = client.run(name).steps()
    assert step["loss"] == pytest.approx(loss)
    assert step["ranks"] == 1
