"""Requests as values: the content to send, and the decoder of the answer.

Nothing here uses the network: each client sends requests in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, NewType, TypeVar
from urllib.parse import quote, urlencode

import msgpack

from lossmeter import safetensors, wire_json
from lossmeter.batch import without_none
from lossmeter.body import Body
from lossmeter.comparison import Comparison, decode_comparison
from lossmeter.errors import UnexpectedAnswerError, UnreachableError, problem_of
from lossmeter.evaluation import (
    Evaluation,
    RecordedPair,
    decode_evaluation,
    decode_pair,
)
from lossmeter.run_fields import parameters_of
from lossmeter.schemas import (
    AttemptList,
    BulkResults,
    Diagnosis,
    Info,
    LogprobComparison,
    RerunList,
    RunComparison,
    RunList,
    RunSummary,
    ScalarCurve,
    ScalarList,
    StepDetail,
    StepList,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lossmeter.answer import Outcome
    from lossmeter.batch import Batch
    from lossmeter.logprobs import Logprobs
    from lossmeter.pair import Pair
    from lossmeter.run_fields import RunDescription, RunFilters
    from lossmeter.schemas import BulkItem, Options

_T = TypeVar("_T")

JSON = "application/json"
MSGPACK = "application/vnd.msgpack"

EXPORTS = {"csv": "text/csv", "jsonl": "application/jsonl"}

Partial = NewType("Partial", bytes)
"""What is known of rows over a shard of the vocabulary; about 60 opaque bytes a row."""


@dataclass(frozen=True)
class Request(Generic[_T]):
    """A request, with the decoder of its answer."""

    method: str
    path: str
    decode: Callable[[bytearray], _T]
    accept: str | None = JSON
    body: Body | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are not the same for all requests."""
        headers = {} if self.accept is None else {"Accept": self.accept}
        if self.body is not None:
            headers["Content-Type"] = self.body.content_type
            headers["Content-Length"] = str(self.body.length)
        return headers

    def settle(self, outcome: Outcome, *, repeated: bool = False) -> _T:
        """Returns the decoded answer.

        Args:
            outcome: The outcome of the last attempt.
            repeated: True when the answer of an earlier attempt may have been lost.

        Raises:
            UnreachableError: There was no answer.
            ProblemError: The service refused.
            UnexpectedAnswerError: The answer is not one that this client knows.
        """
        if isinstance(outcome, UnreachableError):
            raise outcome
        status, content = outcome.status, outcome.content
        if repeated and self.method == "DELETE" and status == HTTPStatus.NOT_FOUND:
            return self.decode(content)
        if status >= HTTPStatus.BAD_REQUEST:
            raise problem_of(status, content)
        asked = f"{self.method} {self.path}"
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            where = f"to {outcome.location}" if outcome.location else "elsewhere"
            raise UnexpectedAnswerError(
                f"{asked} is redirected {where} ({status}), which is not followed: "
                "give the URL that it leads to"
            )
        shown = f"{outcome.media_type or 'nothing'}: {bytes(content[:100])!r}"
        if self.accept is not None and outcome.media_type != self.accept:
            raise UnexpectedAnswerError(f"{asked} was answered with {shown}")
        try:
            return self.decode(content)
        except (KeyError, OverflowError, TypeError, ValueError) as cause:
            raise UnexpectedAnswerError(f"{asked} was answered with {shown}") from cause


def cross_entropy(batch: Batch) -> Request[Evaluation]:
    """Evaluates a batch."""
    path = "/v1/cross-entropy"
    accept = safetensors.MEDIA_TYPE
    return Request("POST", path, decode_evaluation, accept, batch.body())


def diagnose(batch: Batch) -> Request[Diagnosis]:
    """Surveys a tensor."""
    decode = _object_with("verdict", Diagnosis)
    return Request("POST", "/v1/diagnose", decode, body=batch.body())


def compare_logits(pair: Pair) -> Request[Comparison]:
    """Compares two sets of logits."""
    path = "/v1/kl-divergence"
    accept = safetensors.MEDIA_TYPE
    return Request("POST", path, decode_comparison, accept, pair.body())


def compare_logprobs(logprobs: Logprobs) -> Request[LogprobComparison]:
    """Compares two log-probabilities of the same tokens."""
    decode = _object_with("k1", LogprobComparison)
    return Request("POST", "/v1/logprobs/compare", decode, body=logprobs.body())


def partials(batch: Batch, vocab_start: int, vocab_size: int) -> Request[Partial]:
    """Evaluates a shard of the vocabulary."""
    path = "/v1/cross-entropy/partials"
    body = batch.body(vocab_start=vocab_start, vocab_size=vocab_size)
    return Request("POST", path, _decode_partial, MSGPACK, body)


def _decode_partial(content: bytearray) -> Partial:
    return Partial(bytes(content))


def combine(shards: Iterable[Partial], options: Options) -> Request[Evaluation]:
    """Merges shards, whose bytes are sent back unchanged."""
    shards = list(shards)
    packer = msgpack.Packer(default=wire_json.plain)
    head = packer.pack_map_header(2) + packer.pack("options")
    head += packer.pack(without_none(options)) + packer.pack("partials")
    head += packer.pack_array_header(len(shards))
    path = "/v1/cross-entropy/combine"
    body = Body(MSGPACK, [head, *shards])
    return Request("POST", path, decode_evaluation, safetensors.MEDIA_TYPE, body)


def record(path: str, batch: Batch, **fields: float | str) -> Request[Evaluation]:
    """Evaluates a micro-batch and records it."""
    accept = safetensors.MEDIA_TYPE
    return Request("PUT", path, decode_evaluation, accept, batch.body(**fields))


def record_pair(
    path: str, numerator: float, denominator: float
) -> Request[RecordedPair]:
    """Records a loss that was computed elsewhere."""
    pair = {"numerator": float(numerator), "denominator": float(denominator)}
    body = Body(MSGPACK, [msgpack.packb(pair)])
    return Request("PUT", path, decode_pair, body=body)


def record_many(run: str, items: Iterable[BulkItem]) -> Request[BulkResults]:
    """Records pairs and scalars."""
    packed = msgpack.packb(list(items), default=wire_json.plain)
    path = run_path(run, "batches")
    decode = _object_with("results", BulkResults)
    return Request("POST", path, decode, body=Body(MSGPACK, [packed]))


def list_scalars(run: str) -> Request[ScalarList]:
    """The scalars of a run."""
    return Request("GET", run_path(run, "scalars"), _object_with("scalars", ScalarList))


def get_scalar(
    run: str,
    name: str,
    first: int | str,
    last: int | None,
    max_points: int | None,
    attempt: int | None,
) -> Request[ScalarCurve]:
    """Points of a scalar, or the first page of them."""
    query = {"from": first, "to": last, "max_points": max_points, "attempt": attempt}
    path = run_path(run, "scalars", name, **query)
    return Request("GET", path, _object_with("points", ScalarCurve))


def list_attempts(run: str) -> Request[AttemptList]:
    """The attempts of a run."""
    path = run_path(run, "attempts")
    return Request("GET", path, _object_with("attempts", AttemptList))


def info() -> Request[Info]:
    """Version, kernel, options and limits of the service."""
    return Request("GET", "/v1/info", _object_with("version", Info))


def run_path(run: str, *more: object, **query: object) -> str:
    """A path of a run or below it, without parameters that are None.

    Raises:
        ValueError: The name would give a path of something else.
    """
    if run in {"", ".", ".."}:
        raise ValueError(f"the run has the name {run!r}, which no run can have")
    parts = ["/v1/runs", *(quote(str(part), safe="") for part in (run, *more))]
    return "/".join(parts) + _query(query)


def _query(parameters: Mapping[str, object]) -> str:
    """The query of an address, without the parameters that are None."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""


def batch_path(run: str, step: int, rank: int, micro_batch: int, attempt: int) -> str:
    """The path of a micro-batch."""
    query = {"micro_batch": micro_batch, "attempt": attempt}
    return run_path(run, "steps", step, "ranks", rank, **query)


def list_runs(filters: RunFilters, cursor: str | None = None) -> Request[RunList]:
    """A page of runs."""
    query = _query({**parameters_of(filters), "cursor": cursor})
    return Request("GET", f"/v1/runs{query}", _object_with("runs", RunList))


def get_run(run: str) -> Request[RunSummary]:
    """The summary of a run."""
    return Request("GET", run_path(run), _object_with("run", RunSummary))


def describe_run(run: str, description: RunDescription) -> Request[RunSummary]:
    """Describes a run."""
    said = {name: value for name, value in description.items() if value is not None}
    return _about_run(run, "PUT", run_path(run), said)


def rename_run(run: str, name: str) -> Request[RunSummary]:
    """Gives a run another name."""
    return _about_run(run, "POST", run_path(run, "rename"), {"name": name})


def _about_run(
    run: str, method: str, path: str, said: Mapping[str, object]
) -> Request[RunSummary]:
    content = Body(JSON, [wire_json.dumps(run, dict(said)).encode()])
    return Request(method, path, _object_with("run", RunSummary), body=content)


def delete_run(run: str) -> Request[None]:
    """Deletes a run."""
    return Request("DELETE", run_path(run), lambda _: None, accept=None)


def list_steps(
    run: str,
    first: int,
    last: int | None,
    max_points: int | None,
    attempt: int | None,
) -> Request[StepList]:
    """Steps, or the first page of them."""
    query = {
        "from": first,
        "to": last,
        "max_points": max_points,
        "attempt": attempt,
    }
    path = run_path(run, "steps", **query)
    return Request("GET", path, _object_with("steps", StepList))


def more_steps(
    run: str, last: int | None, cursor: str, attempt: int | None
) -> Request[StepList]:
    """A page of steps that is not the first."""
    path = run_path(run, "steps", to=last, cursor=cursor, attempt=attempt)
    return Request("GET", path, _object_with("steps", StepList))


def get_step(run: str, step: int, cursor: str | None = None) -> Request[StepDetail]:
    """A step with a page of its micro-batches."""
    path = run_path(run, "steps", step, cursor=cursor)
    return Request("GET", path, _object_with("rank_details", StepDetail))


def list_reruns(
    run: str, step: int, tolerance: float, cursor: str | None = None
) -> Request[RerunList]:
    """A page of the micro-batches of a step that were computed again."""
    query = {"tolerance": tolerance or None, "cursor": cursor}
    path = run_path(run, "steps", step, "reruns", **query)
    return Request("GET", path, _object_with("reruns", RerunList))


def compare_runs(run: str, other: str, cursor: str | None) -> Request[RunComparison]:
    """The first difference of two runs from a given place on."""
    path = run_path(run, "comparison", **{"with": other, "cursor": cursor})
    return Request("GET", path, _object_with("same", RunComparison))


def add_page(detail: StepDetail, page: StepDetail) -> None:
    """Adds a page of micro-batches to a step. A rank may have some on both pages."""
    ranks = detail["rank_details"]
    for rank in page["rank_details"]:
        if ranks and ranks[-1]["rank"] == rank["rank"]:
            ranks[-1]["micro_batches"] += rank["micro_batches"]
        else:
            ranks.append(rank)
    if "next" in page:
        detail["next"] = page["next"]


def export_run(run: str, format: str, of: str) -> Request[str]:  # noqa: A002 -- the service's name
    """A run as text."""
    path = run_path(run, "export", format=format, of=of)
    return Request("GET", path, lambda text: text.decode(), EXPORTS[format])


def _object_with(key: str, declared: type[_T]) -> Callable[[bytearray], _T]:
    """Reads an object of JSON that must have a key, as its declared type."""

    def decode(content: bytearray) -> _T:
        value = wire_json.loads(content, declared)
        if not isinstance(value, dict) or key not in value:
            raise ValueError(f"no object with {key}")
        return value

    return decode
