"""The trace of the caller, which requests pass on to the service."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """The headers that carry the current context of OpenTelemetry.

    Its propagators choose the headers: by default `traceparent` of W3C Trace Context. A
    program that has not imported OpenTelemetry has no context, so this function does
    not import it either.
    """
    if "opentelemetry.context" not in sys.modules:
        return {}
    from opentelemetry.propagate import inject  # noqa: PLC0415

    headers: dict[str, str] = {}
    inject(headers)
    return headers
