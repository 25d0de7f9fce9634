"""Traces: the span of a call has the stable names, and lies in the trace that its caller began."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from matcher.telemetry.tracing import Tracer, offered, parent_to_keep, step, use_tracer
from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service, service
from tests.telemetry.test_calls import PARENT, TRACE

__all__ = ["service"]

ROUTE = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="My tent leaks."))
METHOD = "matcher.v1.RoutingService/RouteMessage"


@dataclass
class Traced:
    """What a tracer has made."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def spans(self) -> dict[str, ReadableSpan]:
        """Return the finished spans by their names."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced(request: pytest.FixtureRequest) -> Iterator[Traced]:
    """Trace every call, or those that the sampler of a parameter takes."""
    sampler: Sampler = getattr(request, "param", ALWAYS_ON)
    made = Traced(InMemorySpanExporter(), InMemoryMetricReader())
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(made.exporter))
    tracer = Tracer(provider, MeterProvider([made.reader]))
    before = use_tracer(tracer)
    yield made
    use_tracer(before)
    tracer.close()


async def test_a_call_is_a_span_of_its_callers_trace(service: Service, traced: Traced) -> None:
    """It has the conventions' names, no text of the customer, and its status."""
    await service.routing.RouteMessage(ROUTE, metadata=(("traceparent", PARENT),))
    span = traced.spans()[METHOD]
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT.split("-")[2]
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
    }


async def test_a_method_that_is_not_served_leaves_no_name_in_a_trace(service: Service, traced: Traced) -> None:
    """Anybody can call /My.tent/leaks: neither a span nor a measurement has the caller's words."""
    unknown: Any = service.channel.unary_unary("/My.tent/leaks")
    with pytest.raises(grpc.aio.AioRpcError):
        await unknown(b"")
    (span,) = traced.exporter.get_finished_spans()
    assert (span.name, (span.attributes or {})["rpc.method"]) == ("_OTHER", "_OTHER")
    measured = traced.reader.get_metrics_data()
    assert measured is not None
    assert "tent" not in span.to_json() + measured.to_json()


async def test_a_call_that_fails_by_the_services_fault_is_a_failed_span(service: Service, traced: Traced) -> None:
    """A caller's mistake is none: the conventions count the server's own codes."""

    async def fault(*_: object) -> None:
        raise RuntimeError("My tent leaks.")

    service.doubles.router.route = fault  # type: ignore[method-assign, assignment]
    with pytest.raises(grpc.aio.AioRpcError):
        await service.routing.RouteMessage(ROUTE)
    failed = traced.exporter.get_finished_spans()[-1]
    assert (failed.attributes or {})["rpc.response.status_code"] == "INTERNAL"
    assert (failed.attributes or {})["error.type"] == "INTERNAL"
    assert failed.status.status_code is StatusCode.ERROR
    assert "tent" not in failed.to_json()
    with pytest.raises(grpc.aio.AioRpcError):
        await service.routing.RouteMessage(pb.RouteMessageRequest())
    refused = traced.exporter.get_finished_spans()[-1]
    assert (refused.attributes or {})["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert refused.status.status_code is StatusCode.UNSET


async def test_the_duration_of_calls_is_measured_under_its_stable_name(service: Service, traced: Traced) -> None:
    """rpc.server.call.duration in seconds, by method and status."""
    await service.routing.RouteMessage(ROUTE)
    data = traced.reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, metric.unit, getattr(point, "count", 0)) == ("rpc.server.call.duration", "s", 1)
    assert dict(point.attributes or {})["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize("traced", [ALWAYS_OFF], indirect=True)
async def test_a_call_that_is_not_sampled_makes_no_step(service: Service, traced: Traced) -> None:
    """Nothing is kept for a contact that waits, and nothing is sent."""
    kept: list[str] = []
    route = service.doubles.router.route

    async def within(*arguments: Any) -> object:
        with step("encode"):
            kept.append(parent_to_keep())
        return await route(*arguments)

    service.doubles.router.route = within  # type: ignore[method-assign, assignment]
    await service.routing.RouteMessage(ROUTE)
    assert kept == [""]
    assert traced.spans() == {}


def test_an_offer_is_a_trace_of_its_own_with_a_link_to_where_the_contact_began_to_wait(traced: Traced) -> None:
    """A contact that was not recorded, or whose record is damaged, has none."""
    for waiting in ("", "nonsense", PARENT):
        offered(waiting, 1_000_000_000, {"matcher.waited_seconds": 3.0})
    (span,) = traced.exporter.get_finished_spans()
    (link,) = span.links
    assert (span.name, span.parent, span.start_time) == ("offer", None, 1_000_000_000)
    assert f"{link.context.trace_id:032x}" == TRACE


def test_without_a_tracer_a_step_is_nothing() -> None:
    """The same object each time: no allocation, and no import of OpenTelemetry."""
    assert step("encode") is step("search")
    assert parent_to_keep() == ""
