"""Trace of the caller: a call of the client carries on the trace of the span in which it is made."""

from __future__ import annotations

import sys


def traceparent() -> str:
    """Return the caller's span as the header traceparent; "" where it has none.

    OpenTelemetry is not imported: a program that has spans has imported it.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return ""
    span = api.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}" if span.is_valid else ""
