"""Ids of a call: every line that is logged while a call is answered names the call and its trace."""

from __future__ import annotations

import io
import json
from typing import Any

import grpc
import pytest
import structlog

from matcher.telemetry import begin_call, configure_logs, leave_call
from matcher.telemetry.calls import CallIds
from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service, service

__all__ = ["service"]

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = PARENT.split("-")[1]


def logged(*metadata: tuple[str, str | bytes]) -> dict[str, Any]:
    """Return a line that is logged during a call with these headers."""
    out = io.StringIO()
    configure_logs("json", stream=out)
    begin_call(metadata)
    structlog.get_logger("test").info("something")
    structlog.get_logger("test").info("something else")
    leave_call()
    structlog.get_logger("test").info("afterwards")
    first, second, last = map(json.loads, out.getvalue().splitlines())
    assert (first["request_id"], first["trace_id"]) == (second["request_id"], second["trace_id"])
    assert not {"request_id", "trace_id"} & last.keys()
    return dict(first)


def test_a_line_names_the_callers_request_and_trace() -> None:
    """So a platform finds the service's lines by the ids that it logged itself."""
    line = logged(("traceparent", PARENT), ("x-request-id", "platform-17"))
    assert (line["request_id"], line["trace_id"]) == ("platform-17", TRACE)


@pytest.mark.parametrize(
    "header",
    [
        ("x-request-id", "My tent leaks."),
        ("x-request-id", "a" * 65),
        ("x-request-id", b"bytes"),
        ("traceparent", "00-4bf92f"),
        ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01"),
    ],
)
def test_a_header_that_is_no_id_is_not_logged(header: tuple[str, str | bytes]) -> None:
    """A text could be a customer's; the service makes an id of its own."""
    line = logged(header)
    assert str(header[1]) not in json.dumps(line)
    assert len(line["trace_id"]) == 32
    assert line["request_id"]


def test_two_calls_have_two_ids() -> None:
    """Also where the callers gave none."""
    one, other = CallIds(), CallIds()
    assert one.request != other.request
    assert one.trace != other.trace
    assert one.trace == one.trace


async def test_a_refusal_tells_its_caller_the_id_that_the_log_has(service: Service) -> None:
    """A caller can name a failed call; an internal fault's line has the same id and the trace."""
    out = io.StringIO()
    configure_logs("json", stream=out)

    async def fault(*_: object) -> None:
        raise RuntimeError("a fault")

    service.doubles.router.route = fault  # type: ignore[method-assign, assignment]
    request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="hello"))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await service.routing.RouteMessage(request, metadata=(("x-request-id", "p-1"), ("traceparent", PARENT)))
    assert dict(failed.value.trailing_metadata())["x-request-id"] == "p-1"
    (line,) = [json.loads(text) for text in out.getvalue().splitlines() if "call_failed" in text]
    assert (line["request_id"], line["trace_id"]) == ("p-1", TRACE)
