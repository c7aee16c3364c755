"""The asynchronous client behaves as the synchronous one does."""

from __future__ import annotations

import asyncio
import math
import pickle
import socket
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import numpy as np
import pytest
import safetensors.numpy
import torch
from batches import (
    CONFIDENT_LABEL,
    CONFIDENT_LOGITS,
    CONFIDENT_LOSS,
    KNOWN_LABEL,
    KNOWN_LOGITS,
    large_logits,
)
from names import NAMES
from relay import Answer, CutAnswer, CutUpload, Pause, Relay, Silence, comes_true
from service import free_port

from lossmeter import (
    Client,
    DeletedEvent,
    NonFiniteLossError,
    ProblemError,
    RunEvent,
    StepEvent,
    UnexpectedAnswerError,
    UnreachableError,
)
from lossmeter.aio import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from relay import Fault
    from service import Service

    from lossmeter import Event
    from lossmeter.aio import AsyncRun

JSON = {"Content-Type": "application/json; charset=utf-8"}
OVERLOADED = Answer(429, b'{"code": "overloaded"}')


@pytest.fixture
async def twin(service: Service) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url) as made:
        yield made


@pytest.fixture
def run(twin: AsyncClient, request: pytest.FixtureRequest) -> AsyncRun:
    """A run that does not exist yet, named after the test."""
    return twin.run("aio." + request.node.name.partition("[")[0][-100:])


async def evaluates(client: AsyncClient) -> bool:
    evaluation = await client.cross_entropy(CONFIDENT_LOGITS, CONFIDENT_LABEL)
    return evaluation.loss == pytest.approx(CONFIDENT_LOSS, abs=1e-8)


async def steps_until(events: AsyncIterator[Event], last: int) -> list[int]:
    """The steps of the events, up to this one."""
    told: list[int] = []
    watched = aclosing(cast("AsyncGenerator[Event]", events))
    async with asyncio.timeout(5), watched as stream:
        async for event in stream:
            if isinstance(event, StepEvent):
                told.append(event.step["step"])
                if event.step["step"] == last:
                    break
    return told


async def it_comes_true(condition: Callable[[], bool], seconds: float = 2) -> bool:
    """Waits for a condition; see `comes_true`."""
    return await asyncio.to_thread(comes_true, condition, seconds)


def open_files() -> int:
    """Number of open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


# Evaluating.


async def test_a_batch_is_evaluated_as_the_client_does(
    twin: AsyncClient, client: Client
) -> None:
    batch = (KNOWN_LOGITS, KNOWN_LABEL, [1, 0, 2], np.arange(1.0, 6.0))

    assert await twin.cross_entropy(*batch) == client.cross_entropy(*batch)


async def test_outputs_are_arrays_that_can_be_written(twin: AsyncClient) -> None:
    logits: Any = torch.tensor(KNOWN_LOGITS, dtype=torch.bfloat16, requires_grad=True)

    evaluation = await twin.cross_entropy(
        logits, KNOWN_LABEL, outputs=["gradient", "lse"], semantics="torch"
    )

    gradient, lse = evaluation.outputs["gradient"], evaluation.outputs["lse"]
    assert (str(gradient.dtype), str(lse.dtype)) == ("bfloat16", "float64")
    lse += 1
    loss: Any = torch.nn.CrossEntropyLoss()(logits.float(), torch.tensor([1, 4, 0]))
    loss.backward()
    np.testing.assert_allclose(gradient.astype(float), logits.grad.float(), atol=2**-9)


async def test_a_tensor_is_diagnosed(twin: AsyncClient, client: Client) -> None:
    assert await twin.diagnose(KNOWN_LOGITS) == client.diagnose(KNOWN_LOGITS)


async def test_log_probabilities_are_compared(
    twin: AsyncClient, client: Client
) -> None:
    old, new = np.array([-0.5, -1.25, -2.0]), np.array([-0.5, -1.5, -1.75])

    comparison = await twin.compare_logprobs(old, new, mask=[1, 1, 0], segments=[2, 1])

    assert comparison == client.compare_logprobs(old, new, [1, 1, 0], [2, 1])
    assert comparison["k1"] == 0.125


async def test_partials_combine_to_the_whole(twin: AsyncClient) -> None:
    shards = await asyncio.gather(
        *(
            twin.partials(
                KNOWN_LOGITS[:, start:end], KNOWN_LABEL, vocab_start=start, vocab_size=5
            )
            for start, end in [(0, 2), (2, 5)]
        )
    )

    whole = await twin.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL)
    assert (await twin.combine(shards)).loss == pytest.approx(whole.loss)


async def test_files_are_evaluated(twin: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "batch.safetensors"
    tensors: dict[str, Any] = {
        "logits": CONFIDENT_LOGITS,
        "label": CONFIDENT_LABEL.astype(np.int8),
    }
    safetensors.numpy.save_file(tensors, path, {"options": '{"semantics": "torch"}'})

    (first, second) = await twin.evaluate_files([path, path], reduction="sum")

    assert first == second == await twin.evaluate_file(path, reduction="sum")
    assert first.loss == pytest.approx(67)


async def test_a_loss_that_is_not_finite_is_a_float(twin: AsyncClient) -> None:
    evaluation = await twin.cross_entropy([[-math.inf, 0.0]], [0])

    assert evaluation.loss == math.inf


async def test_refusals_are_errors_that_carry_the_problem(twin: AsyncClient) -> None:
    options: dict[str, Any] = {"reducton": "sum"}

    with pytest.raises(ProblemError, match="did you mean reduction") as raised:
        await twin.cross_entropy(KNOWN_LOGITS, KNOWN_LABEL, **options)
    assert (raised.value.code, raised.value.status) == ("invalid_option", 422)

    with pytest.raises(NonFiniteLossError) as rejected:
        await twin.cross_entropy([[math.nan, 0]], [0], on_non_finite="reject")
    assert rejected.value.diagnostics["verdict"] == "non_finite"


async def test_a_refusal_that_comes_before_the_body_is_sent_is_read(
    service: Service,
) -> None:
    logits = large_logits(64)
    options: dict[str, Any] = {"reducton": "sum"}
    label = np.zeros(len(logits), int)

    with Relay(service) as relay:
        async with AsyncClient(relay.url) as client:
            for _ in range(3):
                with pytest.raises(ProblemError, match="did you mean reduction"):
                    await client.cross_entropy(logits, label, **options)
            assert (await client.info())["name"] == "lossmeter"
        assert await it_comes_true(lambda: relay.open == 0)


async def test_what_answers_and_is_no_lossmeter_is_said_to_be_none(
    service: Service,
) -> None:
    with Relay(service, Answer(200, b"<html>Hi</html>")) as relay:
        async with AsyncClient(relay.url) as client:
            with pytest.raises(UnexpectedAnswerError, match="<html>"):
                await client.info()


# Runs.


async def test_a_run_is_recorded_and_read_again(run: AsyncRun) -> None:
    described = await run.describe(expected_ranks=2, labels={"note": "NaN"})
    evaluation = await run.record(
        0, 0, CONFIDENT_LOGITS, CONFIDENT_LABEL, semantics="torch"
    )
    pair = await run.record_pair(0, 1, 5.0, 1.0)
    again = await run.record_pair(0, 1, 5.0, 1.0)

    assert described["labels"] == {"note": "NaN"}
    assert evaluation.loss == pytest.approx(67)
    assert pair == again
    (step,) = await run.steps()
    assert step["loss"] == pytest.approx(36)
    assert step["complete"]
    assert (await run.step(0))["ranks"] == 2
    assert (await run.summary())["batches"] == 2
    assert len((await run.export("jsonl", of="batches")).splitlines()) == 2
    assert run.name in [listed["run"] async for listed in run.client.runs()]
    sought = run.client.runs(search=f"note=nan {run.name}", sort="updated")
    assert [listed["run"] async for listed in sought] == [run.name]
    assert [listed async for listed in run.client.runs(search="no such run")] == []
    await run.describe(tags=["twin"], state="finished")
    assert (await run.rename("twin/renamed"))["run"] == run.name == "twin/renamed"
    tagged = run.client.runs(tags=["twin"], state="finished")
    assert [listed["run"] async for listed in tagged] == ["twin/renamed"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_run_has_any_name(twin: AsyncClient, name: str) -> None:
    run = twin.run(name)

    await run.record_pair(7, 0, 6.0, 2.0)

    assert (await run.summary())["run"] == name
    assert '"step":7' in await run.export("jsonl")
    event = await anext(run.watch(after=0))
    assert isinstance(event, StepEvent)
    assert name in [listed["run"] async for listed in twin.runs(sort="name")]
    await run.delete()


async def test_conflicts_and_ends_are_errors(run: AsyncRun, twin: AsyncClient) -> None:
    await run.record_pair(0, 0, 6.0, 2.0)
    with pytest.raises(ProblemError, match="conflict"):
        await run.record_pair(0, 0, 7.0, 2.0)
    await twin.run(run.name, attempt=1).record_pair(0, 0, 7.0, 2.0)
    with pytest.raises(ProblemError, match="superseded"):
        await run.record_pair(0, 0, 6.0, 2.0)

    await run.delete()
    with pytest.raises(ProblemError, match="not_found"):
        await run.summary()


async def test_all_pages_of_a_curve_are_read(service: Service) -> None:
    pages = [
        Answer(200, b'{"steps": [{"step": 5}, {"step": 6}], "next": "7"}', JSON),
        Answer(200, b'{"steps": [{"step": 8}]}', JSON),
    ]
    with Relay(service, *pages) as relay:
        async with AsyncClient(relay.url) as client:
            steps = await client.run("a").steps(5, 9)

    assert [step["step"] for step in steps] == [5, 6, 8]
    paths = [head.path for head in relay.heads]
    assert paths == [f"/v1/runs/a/steps?{q}" for q in ("from=5&to=9", "to=9&cursor=7")]


async def test_what_changes_in_a_run_is_told_at_once(run: AsyncRun) -> None:
    await run.describe()
    events = run.watch(after=0)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.3)

    started = time.monotonic()
    await run.record_pair(0, 0, math.nan, 1.0)
    step = await first
    assert time.monotonic() - started < 5
    await run.describe(labels={"note": "NaN"})
    described = await anext(events)
    await run.delete()

    assert isinstance(step, StepEvent)
    assert math.isnan(step.step["loss"])
    assert isinstance(described, RunEvent)
    assert [event async for event in events] == [DeletedEvent()]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"event: step", id="in the name of an event"),
        pytest.param(b"event: step\nid: ", id="in the id of an event"),
        pytest.param(b'{"step":0', id="in the data of the first event"),
        pytest.param(b'{"step":3', id="in the data of an event"),
        pytest.param(b'{"step":5', id="in the data of the last event"),
    ],
)
async def test_a_broken_connection_loses_and_doubles_no_step(
    service: Service, twin: AsyncClient, text: bytes
) -> None:
    run = twin.run(f"aio.broken.{text.hex()}")
    for step in range(6):
        await run.record_pair(step, 0, float(step), 1.0)

    with Relay(service, CutAnswer(text), CutAnswer(0)) as relay:
        async with AsyncClient(relay.url) as cut_off:
            told = await steps_until(cut_off.run(run.name).watch(after=0), 5)

    assert told == list(range(6))
    assert len(relay.heads) == 3


async def test_a_quiet_run_may_be_watched_over_any_number_of_breaks(
    service: Service, run: AsyncRun
) -> None:
    await run.describe()
    with Relay(service, *[CutAnswer(b"retry: 1000\nid: ")] * 4) as relay:
        async with AsyncClient(relay.url, retries=1) as client:
            events = client.run(run.name).watch(after=0)
            step = asyncio.ensure_future(anext(events))
            await it_comes_true(lambda: len(relay.heads) == 5 or step.done())
            await run.record_pair(0, 0, 6.0, 2.0)
            assert isinstance(await step, StepEvent)


async def test_watching_ends_with_the_errors_of_the_service(service: Service) -> None:
    with Relay(service, *[Answer(502)] * 9) as relay:
        async with AsyncClient(relay.url, retries=1) as client:
            with pytest.raises(UnreachableError):
                await anext(client.run("a").watch())
        async with AsyncClient(service.url) as client:
            with pytest.raises(ProblemError, match="not_found"):
                await anext(client.run("there-is-none").watch())

    assert len(relay.heads) == 2


async def test_who_no_longer_watches_leaves_no_connection(
    service: Service, run: AsyncRun
) -> None:
    await run.record_pair(0, 0, 6.0, 2.0)
    with Relay(service) as relay:
        async with AsyncClient(relay.url) as client:
            assert await steps_until(client.run(run.name).watch(after=0), 0) == [0]
            assert await it_comes_true(lambda: relay.open == 0)


# Retries.


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(CutUpload(after=0), id="before the body"),
        pytest.param(CutUpload(after=100), id="in the body"),
        pytest.param(CutAnswer(after=0), id="before the answer"),
        pytest.param(CutAnswer(after=30), id="in the head of the answer"),
        pytest.param(CutAnswer(after=b"\r\n\r\n"), id="after the head of the answer"),
        pytest.param(CutAnswer(after=b'"numerator'), id="in the answer"),
        pytest.param(OVERLOADED, id="too much to do"),
        pytest.param(Answer(502, b"<html></html>"), id="not there behind a proxy"),
    ],
)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
async def test_a_request_that_was_lost_is_sent_again_and_succeeds(
    service: Service, fault: Fault, used: bool
) -> None:
    with Relay(service) as relay:
        async with AsyncClient(relay.url, retries=2) as client:
            if used:
                await client.info()
            relay.faults.append(fault)
            async with asyncio.timeout(5):
                assert await evaluates(client)

    assert len(relay.heads) == 2 + used


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("fault", [CutUpload(after=0), CutAnswer(after=0)], ids=repr)
async def test_what_was_recorded_before_the_answer_was_lost_is_recorded_once(
    service: Service, twin: AsyncClient, fault: Fault, used: bool
) -> None:
    run = twin.run(f"aio.twice-{used}-{type(fault).__name__}")
    with Relay(service) as relay:
        async with AsyncClient(relay.url) as client:
            if used:
                await client.info()
            relay.faults.append(fault)
            async with asyncio.timeout(5):
                await client.run(run.name).record_pair(0, 0, 6.0, 2.0)

    assert (await run.summary())["batches"] == 1
    assert (await run.steps())[0]["loss"] == 3


async def test_an_upload_that_breaks_off_is_sent_again_from_its_start(
    service: Service, twin: AsyncClient
) -> None:
    logits = large_logits(16)
    logits[0, 0] = 5
    label = np.zeros(len(logits), int)
    with Relay(service, CutUpload(after=2**20)) as relay:
        async with AsyncClient(relay.url) as client:
            evaluation = await client.cross_entropy(logits, label)

    assert evaluation == await twin.cross_entropy(logits, label)
    assert relay.connections == 2


async def test_a_pause_that_was_asked_for_is_waited_for_while_others_go_on(
    service: Service,
) -> None:
    with Relay(service, Answer(429, b"{}", {"Retry-After": "1"})) as relay:
        async with AsyncClient(relay.url) as client:
            started = time.monotonic()
            asked = asyncio.create_task(evaluates(client))
            await asyncio.sleep(0.1)
            assert not asked.done()
            assert await asked

    assert 1 <= time.monotonic() - started < 10


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
async def test_it_is_tried_as_often_as_was_said(service: Service, used: bool) -> None:
    with Relay(service) as relay:
        async with AsyncClient(relay.url, retries=1) as client:
            if used:
                await evaluates(client)
            relay.faults.extend([CutAnswer(0)] * 9)
            with pytest.raises(UnreachableError, match=f"^GET {relay.url}/v1/info: ."):
                await client.info()

    assert len(relay.heads) == 2 + used


async def test_who_gives_up_on_a_refusal_has_the_problem(service: Service) -> None:
    with Relay(service, *[OVERLOADED] * 9) as relay:
        async with AsyncClient(relay.url, retries=1) as client:
            with pytest.raises(ProblemError, match="overloaded, 429"):
                await client.info()

    assert len(relay.heads) == 2


async def test_where_nobody_listens_it_is_tried_again() -> None:
    started = time.monotonic()
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", retries=2) as client:
        with pytest.raises(UnreachableError, match="connect"):
            await client.info()

    assert 0.3 <= time.monotonic() - started < 10


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Silence(), id="no answer"),
        pytest.param(Pause(after=0, seconds=30), id="nothing is read"),
        pytest.param(Pause(after=2**20, seconds=30), id="nothing more is read"),
    ],
)
async def test_a_time_out_is_not_repeated(service: Service, fault: Fault) -> None:
    logits = large_logits(16)
    with Relay(service, fault) as relay:
        async with AsyncClient(relay.url, timeout=0.5) as client:
            async with asyncio.timeout(10):
                with pytest.raises(UnreachableError, match=r"[Tt]ime") as raised:
                    await client.cross_entropy(logits, np.zeros(len(logits), int))

    assert not raised.value.repeatable
    assert len(relay.heads) == 1


async def test_a_slow_upload_is_no_time_out_while_it_goes_on(service: Service) -> None:
    logits = large_logits(16)
    with Relay(service, Pause(after=2**20, seconds=0.6)) as relay:
        async with AsyncClient(relay.url, timeout=3, retries=0) as client:
            await client.cross_entropy(logits, np.zeros(len(logits), int))


# Connections.


async def test_connections_are_kept(service: Service) -> None:
    with Relay(service) as relay:
        async with AsyncClient(relay.url) as client:
            for step in range(5):
                await evaluates(client)
                await client.run("aio.kept").record_pair(step, 0, 1.0, 1.0)
                await client.info()
                with pytest.raises(ProblemError):
                    await client.cross_entropy(CONFIDENT_LOGITS, [10])
            await client.run("aio.kept").delete()

    assert len(relay.heads) == 21
    assert relay.connections == 1


async def test_a_body_is_sent_with_its_length_and_not_in_chunks(
    service: Service,
) -> None:
    logits = large_logits(2)
    with Relay(service) as relay:
        async with AsyncClient(relay.url, "a-key") as client:
            await client.cross_entropy(logits, np.zeros(len(logits), int))
            await client.run("aio.length").record_pair(0, 0, 1.0, 1.0)

    evaluated, recorded = relay.heads
    assert int(evaluated.fields["content-length"]) > logits.nbytes
    assert int(recorded.fields["content-length"]) > 0
    for head in relay.heads:
        assert "transfer-encoding" not in head.fields
        assert head.fields["authorization"] == "Bearer a-key"
        assert head.fields["user-agent"].startswith("lossmeter-python/")


async def test_no_encoding_is_accepted_that_is_not_decoded(service: Service) -> None:
    with Relay(service) as relay:
        async with AsyncClient(relay.url) as client:
            await client.info()

    (head,) = relay.heads
    assert head.fields.get("accept-encoding", "identity") == "identity"


async def test_requests_at_the_same_time_are_each_answered_their_own(
    twin: AsyncClient,
) -> None:
    rows = np.eye(20, dtype=np.float32)

    evaluations = await asyncio.gather(
        *(twin.cross_entropy(rows[i : i + 1] * i, [i]) for i in range(20))
    )

    losses = [evaluation.loss for evaluation in evaluations]
    expected = [math.log(math.exp(i) + 19) - i for i in range(20)]
    assert losses == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("fault", [Silence(), Pause(after=2**20, seconds=30)], ids=repr)
async def test_after_a_request_was_cancelled_the_client_goes_on(
    service: Service, fault: Fault
) -> None:
    logits = large_logits(16)
    with Relay(service, fault) as relay:
        async with AsyncClient(relay.url) as client:
            asked = asyncio.create_task(
                client.cross_entropy(logits, np.zeros(len(logits), int))
            )
            assert await it_comes_true(lambda: len(relay.heads) == 1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert await evaluates(client)

    assert relay.connections == 2


async def test_an_upload_that_was_given_up_leaves_no_connection() -> None:
    logits = large_logits(16)
    label = np.zeros(len(logits), int)
    # It accepts connections, and reads nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncClient(url, timeout=0.3) as client:
            before = open_files()
            with pytest.raises(UnreachableError):
                await client.cross_entropy(logits, label)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.cross_entropy(logits, label), 0.1)
            assert await it_comes_true(lambda: open_files() <= before)


async def test_a_closed_client_opens_connections_anew(service: Service) -> None:
    client = AsyncClient(service.url)
    await client.close()
    await client.info()
    await client.close()
    await client.info()
    await client.close()


async def test_a_session_of_the_callers_is_not_closed(service: Service) -> None:
    async with aiohttp.ClientSession(headers={"X-Trace": "1"}) as session:
        with Relay(service) as relay:
            async with AsyncClient(relay.url, session=session) as client:
                assert await evaluates(client)
        assert not session.closed

    assert relay.heads[0].fields["x-trace"] == "1"


async def test_the_address_is_that_of_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSMETER_URL", service.url + "/")
    async with AsyncClient() as client:
        assert client.url == service.url
        assert await evaluates(client)
    with pytest.raises(ValueError, match="the URL of the service is"):
        AsyncClient("loss.example")


async def test_the_key_is_not_shown_and_not_saved() -> None:
    client = AsyncClient("http://loss.example", "a-secret")

    assert "a-secret" not in repr(client) + repr(client.run("a")) + repr(vars(client))
    assert b"a-secret" not in pickle.dumps(client)
