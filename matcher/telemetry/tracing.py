"""Traces by OpenTelemetry: a span for each call, and within it one for each step of a decision.

OpenTelemetry is an extra. Where the settings ask for no traces it is not imported, and a step costs one comparison.
Where a call is not sampled, only the span of the call is made. Names are those of the stable conventions for RPC.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal

from matcher.telemetry.calls import TRACE_HEADER, CallIds

Choice = Literal["off", "api", "otlp"]
SERVICE: Final = "affinity-matcher"
DURATION: Final = "rpc.server.call.duration"
STATUS: Final = "rpc.response.status_code"
UNKNOWN_METHOD: Final = "_OTHER"
"""What the conventions call a method that is not served: the caller's own words must not become a name."""
_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds that the conventions advise, in seconds."""
_SERVER_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes by which the span of a call is a failed one, as the conventions say of the server's side."""
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


class TracingUnusable(Exception):
    """OpenTelemetry cannot be used, for the reason given."""


class Tracer:
    """Makes the spans of this process by OpenTelemetry."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        """Use these providers, or those that the process was started with. Raises TracingUnusable."""
        try:
            from opentelemetry import context, metrics, propagate, trace
        except ImportError as fault:
            raise TracingUnusable("install affinity-matcher[otel]") from fault
        self._trace, self._context, self._propagate = trace, context, propagate
        self._providers = tracer_provider, meter_provider
        self._tracer = trace.get_tracer(SERVICE, tracer_provider=tracer_provider)
        self._seconds = metrics.get_meter(SERVICE, meter_provider=meter_provider).create_histogram(
            DURATION,
            unit="s",
            description="Measures the duration of an incoming Remote Procedure Call (RPC).",
            explicit_bucket_boundaries_advisory=_BOUNDS,
        )

    @contextmanager
    def call(self, method: str, ids: CallIds) -> Iterator[ServerCall]:
        """Make the span of a call, within the trace that its caller began."""
        parent = self._propagate.extract({TRACE_HEADER: ids.parent}) if ids.parent else None
        described = {"rpc.system.name": "grpc", "rpc.method": method}
        # A call begins a trace of its own where its caller began none, whatever the task that accepted it stood in.
        span = self._tracer.start_span(
            method, parent or self._context.Context(), self._trace.SpanKind.SERVER, attributes=described
        )
        made, since = ServerCall(), time.perf_counter()
        known = span.get_span_context()
        if known.is_valid:
            ids.trace = self._trace.format_trace_id(known.trace_id)
        token = self._context.attach(self._trace.set_span_in_context(span)) if span.is_recording() else None
        try:
            yield made
        finally:
            if token is not None:
                self._context.detach(token)
                span.set_attribute(STATUS, made.code)
                if made.code in _SERVER_FAULTS:
                    span.set_attribute("error.type", made.code)
                    span.set_status(self._trace.StatusCode.ERROR)
            span.end()
            failed = {"error.type": made.code} if made.code in _SERVER_FAULTS else {}
            self._seconds.record(time.perf_counter() - since, {**described, STATUS: made.code, **failed})

    def step(self, name: str, attributes: Mapping[str, Any] | None) -> AbstractContextManager[Any]:
        """Make the span of a step of the call that is being answered; nothing where that is not recorded."""
        if not self._trace.get_current_span().is_recording():
            return _NOTHING
        return self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )

    def offered(self, waiting: str, since_ns: int, attributes: Mapping[str, Any]) -> None:
        """Make the span of an offer to a contact that waited, with a link to the span in which it began to wait."""
        began = self._trace.get_current_span(self._propagate.extract({TRACE_HEADER: waiting})).get_span_context()
        if began.is_valid:
            links = [self._trace.Link(began)]
            own = self._context.Context()
            self._tracer.start_span("offer", own, attributes=attributes, links=links, start_time=since_ns).end()

    def parent_to_keep(self) -> str:
        """Return the current span as a traceparent, for a record that outlives the call; "": it is not recorded."""
        if not self._trace.get_current_span().is_recording():
            return ""
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier)
        return carrier.get(TRACE_HEADER, "")

    def close(self) -> None:
        """Send what was not sent yet; blocks for seconds where nobody takes it."""
        for provider in self._providers:
            if provider is not None:
                provider.shutdown()


class ServerCall:
    """A call whose span is open; `code`: the name of the status that it ends with."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code = "UNKNOWN"


_tracer: Tracer | None = None


def use_tracer(tracer: Tracer | None) -> Tracer | None:
    """Make the spans of this process by a tracer, or by none; return the one before."""
    global _tracer
    before, _tracer = _tracer, tracer
    return before


def current_tracer() -> Tracer | None:
    """Return what makes the spans of this process; None: nothing does."""
    return _tracer


def step(name: str, attributes: Mapping[str, Any] | None = None) -> AbstractContextManager[Any]:
    """Make the span of a step of a decision, where the call is recorded."""
    return _NOTHING if _tracer is None else _tracer.step(name, attributes)


def offered(waiting: str, since_ns: int, attributes: Mapping[str, Any]) -> None:
    """Make the span of an offer to a contact that waited.

    waiting: the traceparent that was kept of it, "" for none. since_ns: when the offer was begun, since 1970.
    """
    if _tracer is not None and waiting:
        _tracer.offered(waiting, since_ns, attributes)


def parent_to_keep() -> str:
    """Return the current span as a traceparent, for a contact that may wait; "" where it is not recorded."""
    return "" if _tracer is None else _tracer.parent_to_keep()


def open_tracer(choice: Choice) -> Tracer | None:
    """Return the tracer of a setting. Raises TracingUnusable.

    api: by the providers that the process was started with, as by `opentelemetry-instrument`. otlp: by the SDK, to
    where the variables OTEL_EXPORTER_OTLP_* say, sampled as OTEL_TRACES_SAMPLER says; OTEL_METRICS_EXPORTER=none sends
    no metrics.
    """
    if choice == "off":
        return None
    if choice == "api":
        return Tracer()
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as fault:
        raise TracingUnusable("install affinity-matcher[otel]") from fault
    resource = Resource.create({"service.name": SERVICE})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    wanted = os.environ.get("OTEL_METRICS_EXPORTER") != "none"
    readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if wanted else []
    return Tracer(spans, MeterProvider(readers, resource=resource, shutdown_on_exit=False))
