"""Refusals reach clients that read no answer before they have sent everything."""

import http.client
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgpack
import numpy as np
import pytest
import requests
from service import Service
from tensors import to_msgpack

ROWS, CLASSES = 1024, 32_000
PATH = "/v1/cross-entropy"
MSGPACK = "application/vnd.msgpack"
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str | None
    content: Any
    seconds: float
    """From the first byte sent to the last one read."""


class Client(Protocol):
    def post(self, body: bytes, content_type: str | None = MSGPACK) -> Answer: ...

    def close(self) -> None: ...


class HttpClient:
    """http.client on one connection."""

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection(
            service.host, service.port, timeout=TIMEOUT_SECONDS
        )
        self._connection.connect()
        # Connecting anew in silence would hide that the service closed.
        self._connection.auto_open = 0

    def post(self, body: bytes, content_type: str | None = MSGPACK) -> Answer:
        started = time.perf_counter()
        self._connection.request("POST", PATH, body, _headers(content_type))
        response = self._connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        came = response.getheader("Content-Type")
        return Answer(response.status, came, json.loads(content), seconds)

    def close(self) -> None:
        self._connection.close()


class RequestsClient:
    """requests.post, which connects for every request."""

    def __init__(self, service: Service) -> None:
        self._url = service.url + PATH

    def post(self, body: bytes, content_type: str | None = MSGPACK) -> Answer:
        started = time.perf_counter()
        response = requests.post(
            self._url,
            data=body,
            headers=_headers(content_type),
            timeout=TIMEOUT_SECONDS,
        )
        seconds = time.perf_counter() - started
        came = response.headers.get("Content-Type")
        return Answer(response.status_code, came, response.json(), seconds)

    def close(self) -> None:
        """Nothing is kept."""


def _headers(content_type: str | None) -> dict[str, str]:
    return {} if content_type is None else {"Content-Type": content_type}


@pytest.fixture(
    params=[
        pytest.param(HttpClient, id="http.client"),
        pytest.param(RequestsClient, id="requests"),
    ]
)
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[Client]:
    client = request.param(service)
    yield client
    client.close()


def batch(
    wrong_label: tuple[int, int] | None = None,
    shape: tuple[int, int] = (ROWS, CLASSES),
    options: dict[str, Any] | None = None,
) -> bytes:
    """131 MB of logits that are all 0, behind everything else: so they stream."""
    label = np.zeros(ROWS, np.int64)
    if wrong_label is not None:
        row, value = wrong_label
        label[row] = value
    logits = {"dtype": "float32", "shape": shape, "data": bytes(4 * ROWS * CLASSES)}
    fields = {"options": options or {}, "label": to_msgpack(label), "logits": logits}
    return msgpack.packb(fields)


@dataclass(frozen=True)
class Refusal:
    status: int
    code: str
    detail: tuple[str, ...]
    """Words that the detail has: what came, and what was expected."""
    batch: dict[str, Any] = field(default_factory=dict)
    content_type: str | None = MSGPACK


REFUSALS = {
    "a label out of range": Refusal(
        422,
        "invalid_label",
        ("label[17] is 32000", "[0, 32000)"),
        batch={"wrong_label": (17, CLASSES)},
    ),
    "an unknown option": Refusal(
        422,
        "invalid_option",
        ('unknown option "reducton"', "did you mean reduction?"),
        batch={"options": {"reducton": "sum"}},
    ),
    "a shape that does not fit the length": Refusal(
        422,
        "invalid_tensor",
        ("131072000 bytes", "(1024, 32001)", "131076096 bytes"),
        batch={"shape": (ROWS, CLASSES + 1)},
    ),
    "no media type": Refusal(
        415,
        "unsupported_media_type",
        ("there is no Content-Type", MSGPACK),
        content_type=None,
    ),
    "a form's media type": Refusal(
        415,
        "unsupported_media_type",
        ("application/x-www-form-urlencoded", MSGPACK),
        content_type="application/x-www-form-urlencoded",
    ),
}

every_refusal = pytest.mark.parametrize(
    "refusal", [pytest.param(refusal, id=name) for name, refusal in REFUSALS.items()]
)


@every_refusal
def test_an_upload_of_131_mb_reads_its_refusal_within_a_second(
    client: Client, refusal: Refusal
) -> None:
    answer = client.post(batch(**refusal.batch), refusal.content_type)

    assert (answer.status, answer.content["code"]) == (refusal.status, refusal.code)
    assert answer.content_type == "application/problem+json"
    assert answer.content["status"] == refusal.status
    for words in refusal.detail:
        assert words in answer.content["detail"]
    assert answer.seconds < 1


@every_refusal
def test_a_refused_client_is_answered_when_it_posts_a_good_batch_next(
    client: Client, refusal: Refusal
) -> None:
    refused = client.post(batch(**refusal.batch), refusal.content_type)
    assert refused.status == refusal.status

    label = np.array([2])
    logits = np.array([[1, 2, 3]], np.float32)
    fields = {"label": to_msgpack(label), "logits": to_msgpack(logits)}
    answer = client.post(msgpack.packb(fields))

    assert answer.status == 200
    assert answer.content["loss"] == pytest.approx(0.40760596, abs=1e-6)


def test_the_same_upload_without_a_fault_is_evaluated(client: Client) -> None:
    answer = client.post(batch())

    assert answer.status == 200
    assert answer.content["rows"]["counted"] == ROWS
    assert answer.content["loss"] == pytest.approx(math.log(CLASSES), abs=2e-6)
