"""Bodies that are no message of the method: every call is answered, with a status of the service's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from matcher.rpc.body_limits import GRPC_BYTES, LIMITS, ROUTE_BYTES, limit_of
from matcher.rpc.interceptors.errors import ErrorInterceptor
from matcher.rpc.server import drain
from matcher.rpc.validation import feedback
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2, keys_pb2
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as routing
from tests.rpc.conftest import Service, failure, failure_of
from tests.rpc.raw_http2 import RawCall, framed

ROUTE = "/matcher.v1.RoutingService/RouteMessage"
IMPORT = "/matcher.v1.RosterService/ImportAgents"
GOOD = routing.RouteMessageRequest(
    parent="sites/default", message=routing.Message(text="My shoes have a hole.")
).SerializeToString()
BAD_UTF8 = b"\x0a\x02\xff\xfe"  # field 1 (parent), two bytes that are not UTF-8

CUT_OFF = {
    "an empty body": b"",
    "half a prefix": b"\0\0",
    "a prefix with a length beyond the body": framed(GOOD[:5], length=len(GOOD)),
    "only a prefix": framed(b"", length=9),
}


@pytest.mark.parametrize("method", [ROUTE, "/matcher.v1.RosterService/GetAgent"])
@pytest.mark.parametrize("body", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_body_that_is_cut_off_is_answered_without_a_deadline(
    service: Service, method: str, body: bytes
) -> None:
    """An empty or truncated unary body that ends its stream gets INVALID_ARGUMENT MESSAGE_MALFORMED."""
    answer = failure_of(await (await RawCall.open(service.port, method, body)).answer())
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MALFORMED")
    assert answer.metadata == {"method": method}
    assert service.calls() == []


async def test_a_whole_body_written_by_hand_is_answered(service: Service) -> None:
    """The hand-written call works with a valid body: so it is the body that fails above."""
    call = await RawCall.open(service.port, ROUTE, framed(GOOD))
    assert (await call.answer()).code == grpc.StatusCode.OK.value[0]
    assert routing.RouteMessageResponse.FromString(call.body[5:]).reservation.agent == "sites/default/agents/maya"


async def test_an_empty_message_is_a_message(service: Service) -> None:
    """A message of zero bytes is complete: its fields are missing."""
    answer = failure_of(await (await RawCall.open(service.port, ROUTE, framed(b""))).answer())
    assert answer.reason == "FIELDS_INVALID"


async def test_a_call_whose_body_never_comes_is_answered() -> None:
    """A unary call without a body is answered after `body_seconds`, and does not stay open forever."""

    async def handler(_request: bytes, _context: object) -> bytes:
        raise AssertionError("the handler must not be reached")

    server = grpc.aio.server(interceptors=(ErrorInterceptor(asyncio.Event(), body_seconds=0.01),))
    kind: Any = grpc.unary_unary_rpc_method_handler(handler)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", {"M": kind}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    answer = failure_of(await (await RawCall.open(port, "/s/M", b"", end=False)).answer())
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MALFORMED")
    await server.stop(None)


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", BAD_UTF8, GOOD[:-3]], ids=["garbage", "not UTF-8", "cut off"])
@pytest.mark.parametrize("method", [ROUTE, IMPORT])
async def test_a_body_that_is_no_message_is_malformed(service: Service, method: str, body: bytes) -> None:
    """Garbage, bad UTF-8 and half a message get MESSAGE_MALFORMED, on a unary call and on a stream."""
    if method == ROUTE:
        answer = await failure(service.raw(method, body))
    else:
        if body == GOOD[:-3]:
            body = people.ImportAgentsRequest(config=people.ImportConfig(parent="sites/x")).SerializeToString()[:-3]
        stream: Any = service.channel.stream_stream(method)
        answer = await failure(stream(_once(body)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MALFORMED")
    assert answer.metadata == {"method": method}
    assert service.calls() == []


METHODS = {
    f"/{kind.full_name}/{method.name}": method
    for file in (
        routing.DESCRIPTOR,
        people.DESCRIPTOR,
        customers.DESCRIPTOR,
        keys_pb2.DESCRIPTOR,
        feedback_pb2.DESCRIPTOR,
    )
    for kind in file.services_by_name.values()
    for method in kind.methods
}
PADDING = b"\xfa\xff\xff\xff\x0f"  # the tag of field 2^29 - 1, which no message has: whatever follows means nothing


def padded(size: int) -> bytes:
    """Return a body of exactly so many bytes that every method can decode, and that says nothing."""
    length = size - len(PADDING) - 1
    while True:
        prefix = _varint(length)
        if len(PADDING) + len(prefix) + length <= size:
            break
        length -= 1
    body = PADDING + prefix + b"x" * length
    assert len(body) == size
    return body


def test_every_method_has_a_limit_of_its_own() -> None:
    """A method that is added to the API without a limit of its body fails here, and none is above gRPC's own."""
    assert set(LIMITS) == set(METHODS)
    assert max(LIMITS.values()) < GRPC_BYTES


@pytest.mark.parametrize("method", METHODS)
async def test_a_body_above_the_limit_of_its_method_is_refused_before_it_is_decoded(
    service: Service, method: str
) -> None:
    """One byte more than the method's limit gets MESSAGE_TOO_LARGE with size and limit; the limit itself is decoded.

    The body above the limit is no message at all: so a server that decodes it first answers MESSAGE_MALFORMED.
    """
    limit = limit_of(method)

    def call(body: bytes) -> Any:
        kind = METHODS[method]
        if kind.client_streaming:
            stream: Any = service.channel.stream_stream(method)
            return stream(_once(body))
        if kind.server_streaming:
            watch: Any = service.channel.unary_stream(method)
            return watch(body)
        return service.raw(method, body)

    answer = await failure(call(b"\xff" * (limit + 1)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE")
    assert answer.metadata == {"bytes": str(limit + 1), "limit": str(limit)}
    if not method.endswith(("/ListSites", "/ListKeys")):  # their empty requests are valid
        assert (await failure(call(padded(limit)))).reason == "FIELDS_INVALID"
    assert service.calls() == []


def test_the_largest_outcomes_that_are_accepted_fit_into_the_limit_of_their_batch() -> None:
    """500 outcomes with everything that may be said of each, in letters of four bytes."""
    batch = feedback_pb2.RecordOutcomesRequest(parent=f"sites/{'s' * 63}")
    for _ in range(500):
        one = batch.requests.add(contact=f"sites/{'s' * 63}/contacts/{'c' * 128}")
        one.outcome.source = "s" * 63
        one.outcome.csat = one.outcome.nps = 5
        one.outcome.observed_time.GetCurrentTime()
        one.outcome.returned_within.FromSeconds(86_400)
        one.contact_create_time.GetCurrentTime()
        one.outcome.metrics.update({f"{number:02}" + "m" * 61: 1.5 for number in range(16)})
        one.praise.text, one.praise.agreed = "😀" * 1_000, True
    assert feedback.batch(batch)
    assert batch.ByteSize() <= limit_of("/matcher.v1.FeedbackService/RecordOutcomes")


async def test_a_message_of_a_batch_has_the_limit_of_a_message_alone(service: Service) -> None:
    """In a batch a message of more than 512 KiB is refused, and the message beside it is routed."""
    large = routing.RouteMessageRequest(contact_id="large", message=routing.Message(text="x" * ROUTE_BYTES))
    small = routing.RouteMessageRequest(contact_id="small", message=routing.Message(text="My shoes have a hole."))
    answer = await service.routing.RouteMessages(
        routing.RouteMessagesRequest(parent="sites/default", requests=[large, small])
    )
    refused, routed = answer.results
    assert failure_of(refused.status).reason == "MESSAGE_TOO_LARGE"
    assert routed.response.reservation.agent == "sites/default/agents/maya"


@pytest.mark.parametrize("method", ["/matcher.v1.RoutingService/Rout", "/matcher.v2.Nobody/Nothing", "/x"])
async def test_an_unknown_method_is_unimplemented(service: Service, method: str) -> None:
    """An unknown method gets UNIMPLEMENTED METHOD_NOT_FOUND with its name, with or without a body."""
    answer = await failure(service.raw(method, b""))
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND")
    assert answer.metadata == {"method": method}
    empty = failure_of(await (await RawCall.open(service.port, method, b"")).answer())
    assert empty.reason == "METHOD_NOT_FOUND"


async def test_a_cut_off_body_does_not_hold_up_a_drain(service: Service) -> None:
    """After cut-off bodies of every kind a drain with an endless grace ends: no call stays open."""
    for body in CUT_OFF.values():
        await (await RawCall.open(service.port, ROUTE, body)).answer()
    await drain(service.server, service.health, grace=86_400.0)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes(encoded) + bytes([number])
