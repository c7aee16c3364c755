"""The attempt of a starting trainer, and the last explanations at its end."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from lossmeter import request as requests
from lossmeter.client import Client
from lossmeter.errors import LossmeterError, ProblemError
from lossmeter.request import Request

if TYPE_CHECKING:
    from lossmeter.explanation import Explanation
    from lossmeter.monitor import Monitor

SECONDS = 5.0
"""Most seconds that a trainer waits at its start for the attempts of its run."""

log = logging.getLogger("lossmeter")


def next_attempt(
    run: str | None,
    client: Client | None = None,
    *,
    path: object = None,
    resumed: bool,
) -> int:
    """The attempt of a trainer that starts now.

    It is one more than the last attempt of the run, and 0 for a new run. A trainer that
    resumes twice from one checkpoint thus gets a new attempt each time.

    Args:
        run: Name of the run.
        client: Client of the service; by default one made from the environment.
        path: File that is written in place of a service, if any.
        resumed: True when the trainer resumes from a checkpoint. Without an answer of
            the service, the attempt is 1 if it resumes, and 0 otherwise.
    """
    if run is None or path is not None:
        return int(resumed)
    asked = client or Client(progress=False)
    try:
        return asked.transport.brief(SECONDS).send(_last_attempt(run)) + 1
    except LossmeterError as error:
        if isinstance(error, ProblemError) and error.status == HTTPStatus.NOT_FOUND:
            return 0
        attempt = int(resumed)
        message = "attempts of run %r cannot be read, %d is used: %s"
        log.warning(message, run, attempt, error)
        return attempt
    finally:
        if client is None:
            asked.close()


def last_explanations(monitor: Monitor, step: int) -> list[Explanation]:
    """Explanations that arrive while a monitor sends its waiting items.

    Raises:
        NonFiniteStepError: As `Monitor.step`.
    """
    monitor.flush()
    # A step without loss and scalars records nothing.
    return monitor.step(step)


def _last_attempt(run: str) -> Request[int]:
    def decode(content: bytearray) -> int:
        attempts = json.loads(content)["attempts"]
        return max(int(each["attempt"]) for each in attempts)

    return Request("GET", requests.run_path(run, "attempts"), decode)
