"""A trace continues from the program through the client to the service."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_span_id, format_trace_id
from service import Service, running_service

from lossmeter import Client, ProblemError
from lossmeter.aio import AsyncClient
from lossmeter.tracing import trace_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

LOGITS = np.zeros((2, 4), np.float32)
LABEL = [0, 3]

SERVER = 2
"""The kind of the span of a request."""

tracer = TracerProvider().get_tracer("tests")


class Collector(ThreadingHTTPServer):
    """Keeps the spans that come as OTLP in JSON."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def request_of(self, span: Span) -> dict[str, Any]:
        """Waits for the request span whose parent is this span."""
        parent = format_span_id(span.get_span_context().span_id)
        deadline = time.monotonic() + 15
        while True:
            for one in self.spans:
                if one["kind"] == SERVER and one.get("parentSpanId") == parent:
                    return one
            assert time.monotonic() < deadline, f"no request below {parent} came"
            time.sleep(0.02)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = json.loads(b"".join(self._chunks()))
        for resource in body["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                self.server.spans += scope["spans"]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _chunks(self) -> Iterator[bytes]:
        """The chunks of a body without a length."""
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traced(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    log = tmp_path_factory.mktemp("traced") / "log"
    with running_service(log, settings) as service:
        yield service


def test_a_request_belongs_to_the_span_of_the_program(
    collector: Collector, traced: Service
) -> None:
    with Client(traced.url) as client, tracer.start_as_current_span("step") as span:
        client.cross_entropy(LOGITS, LABEL)

    request = collector.request_of(span)
    assert request["name"] == "POST /v1/cross-entropy"
    assert request["traceId"] == format_trace_id(span.get_span_context().trace_id)


async def test_so_does_one_of_the_asynchronous_client(
    collector: Collector, traced: Service
) -> None:
    async with AsyncClient(traced.url) as client:
        with tracer.start_as_current_span("step") as span:
            await client.cross_entropy(LOGITS, LABEL)

    assert collector.request_of(span)["name"] == "POST /v1/cross-entropy"


def test_a_problem_has_the_id_of_the_trace(traced: Service) -> None:
    with (
        Client(traced.url) as client,
        tracer.start_as_current_span("step") as span,
        pytest.raises(ProblemError) as raised,
    ):
        client.cross_entropy(LOGITS, [0, 9])

    trace_id = format_trace_id(span.get_span_context().trace_id)
    assert raised.value.trace_id == trace_id


def test_a_service_that_does_not_trace_takes_the_context_too(client: Client) -> None:
    with tracer.start_as_current_span("step"), pytest.raises(ProblemError) as raised:
        client.cross_entropy(LOGITS, [0, 9])

    assert raised.value.trace_id is None


def test_without_a_span_no_context_is_sent() -> None:
    assert trace_headers() == {}


def test_the_client_imports_no_opentelemetry_by_itself(service: Service) -> None:
    program = f"""
import sys
from lossmeter import Client
with Client({service.url!r}) as client:
    client.cross_entropy([[0.0, 1.0]], [1])
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
