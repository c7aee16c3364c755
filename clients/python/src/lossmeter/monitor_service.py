"""A monitor's recordings, sent to a service."""

from __future__ import annotations

import codecs
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lossmeter import request as requests
from lossmeter.body import Body
from lossmeter.client import Client
from lossmeter.errors import LossmeterError, ProblemError, UnreachableError, problem_of
from lossmeter.monitor_items import MOST_BODY_BYTES, line_of
from lossmeter.monitor_sink import TAKEN, Later, Refused, Result
from lossmeter.request import Request
from lossmeter.retry import REPEATED_STATUSES
from lossmeter.wire_json import with_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lossmeter.answer import Outcome
    from lossmeter.evaluation import Evaluation
    from lossmeter.monitor_items import Flagged, Item, Origin

# Connections import this codec. A process that is forked while another thread imports
# it would wait forever for the end of the import.
codecs.lookup("idna")

NDJSON = "application/x-ndjson"

_REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses that say that the request itself is at fault."""

_RECORDED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})


class ServiceSink:
    """A run of a service, as one rank and attempt records it.

    Args:
        client: Client of the service; None for a new one made from the environment.
        run: Name of the run.
        origin: Rank, attempt and device.
    """

    takes_logits = True

    def __init__(self, client: Client | None, run: str, origin: Origin) -> None:
        self._own = client is None
        self._client = client or Client(progress=False)
        self.place = f"run {run!r} of {self._client.url}"
        self._run = run
        self._origin = origin
        self._path = requests.run_path(run, "batches")

    def record(self, items: Sequence[Item]) -> list[Result] | Later | Refused:
        """Sends items in one request."""
        lines = b"".join(line_of(item, self._origin) for item in items)
        if len(lines) > MOST_BODY_BYTES and len(items) > 1:
            return Refused("too large for a request")
        body = Body(NDJSON, [lines])
        request = Request("POST", self._path, _results, body=body)
        answer: list[Result] | Later | Refused = self._ask(request)
        if isinstance(answer, list) and len(answer) != len(items):
            return Later(f"{len(answer)} results for {len(items)} items")
        return answer

    def explain(self, flagged: Flagged) -> Evaluation | Later | Refused:
        """Sends the logits of a step, to be evaluated and recorded."""
        item, origin = flagged.item, self._origin
        path = requests.batch_path(
            self._run, item.step, origin.rank, item.micro_batch, origin.attempt
        )
        try:
            fields = {"declared_loss": with_text(flagged.declared_loss)}
            if origin.device is not None:
                fields["device"] = origin.device
            request = requests.record(path, flagged.batch, **fields)
        except (TypeError, ValueError) as error:  # A dtype, or an option.
            return Refused(str(error))
        try:
            outcome = self._client.transport.attempt(request)
            return _later_or_refused(outcome) or request.settle(outcome)
        except ProblemError as problem:
            # The pair waits in place of the logits.
            for_good = problem.status == HTTPStatus.CONFLICT
            return Refused(str(problem), for_good=for_good)
        except Exception as error:  # noqa: BLE001 -- nothing may end the thread
            return Refused(repr(error))

    def close(self) -> None:
        """Closes the connections, unless the client is the caller's."""
        if self._own:
            self._client.close()

    def _ask(self, request: Request[Any]) -> Any:  # noqa: ANN401 -- as it decodes
        try:
            outcome = self._client.transport.attempt(request)
            return _later_or_refused(outcome) or request.settle(outcome)
        except LossmeterError as error:
            # A key, an address or the service may be repaired later.
            return Later(str(error))
        except Exception as error:  # noqa: BLE001 -- nothing may end the thread
            return Later(repr(error))


def _later_or_refused(outcome: Outcome) -> Later | Refused | None:
    if isinstance(outcome, UnreachableError):
        return Later(str(outcome))
    if outcome.status in REPEATED_STATUSES:
        problem = problem_of(outcome.status, outcome.content)
        return Later(str(problem), outcome.retry_after or 0)
    if outcome.status in _REFUSED:
        return Refused(str(problem_of(outcome.status, outcome.content)))
    return None


def _results(content: bytearray) -> list[Result]:
    return [_result(found) for found in json.loads(content)["results"]]


def _result(found: dict[str, Any]) -> Result:
    if found["status"] in _RECORDED:
        return TAKEN
    detail = found.get("detail", "refused")
    return Result(f"{detail} ({found.get('code', 'unknown')}, {found['status']})")
