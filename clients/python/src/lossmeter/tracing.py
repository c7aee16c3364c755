"""The trace of the caller, which requests pass on to the service."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """The headers that carry the current context of OpenTelemetry.

    Its propagators decide which: `traceparent` by default, as in W3C Trace Context.
    There is no context in a program that has not imported OpenTelemetry, so this
    does not import it for its own sake.
    """
    if "opentelemetry.context" not in sys.modules:
        return {}
    from opentelemetry.propagate import inject  # noqa: PLC0415

    headers: dict[str, str] = {}
    inject(headers)
    return headers
