"""A call of the client carries on its caller's trace, where the caller has one."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from matcher.client.caller_trace import traceparent
from matcher.telemetry import begin_call
from matcher.telemetry.calls import TRACE_HEADER


def test_the_header_is_that_of_the_span_in_which_the_call_is_made() -> None:
    """The service reads the same trace from it; outside of a span there is no header."""
    assert traceparent() == ""
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("platform").start_as_current_span("a customer writes") as span:
        header = traceparent()
    assert begin_call([(TRACE_HEADER, header)]).trace == f"{span.get_span_context().trace_id:032x}"
    assert traceparent() == ""
