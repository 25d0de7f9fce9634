"""Failed calls: the errors that the client raises and its repeats, with real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from matcher.client import MatcherCallError, MatcherClient, Violation
from matcher.client.retry import SAFE_TO_REPEAT
from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2
from matcher.v1 import routing_pb2 as pb

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Context], Awaitable[Message]]


class Flaky:
    """Answers like a service that stops at a bad moment, and counts the calls."""

    def __init__(self) -> None:
        self.routed: list[pb.RouteMessageRequest] = []
        self.completed = 0

    async def route(self, request: pb.RouteMessageRequest, context: Context) -> pb.RouteMessageResponse:
        """Refuse the first two calls."""
        self.routed.append(request)
        if len(self.routed) < 3:
            code = grpc.StatusCode.CANCELLED if len(self.routed) == 1 else grpc.StatusCode.UNAVAILABLE
            await context.abort(code, "going away")
        return pb.RouteMessageResponse(contact="sites/default/contacts/c-1")

    async def complete(self, _: pb.CompleteReservationRequest, context: Context) -> pb.Reservation:
        """Complete the reservation and lose the answer."""
        self.completed += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "done, but the answer is lost")
        return pb.Reservation()

    async def reservation(self, request: pb.GetReservationRequest, _: Context) -> pb.Reservation:
        """Answer with the completed reservation."""
        return pb.Reservation(name=request.name, state=pb.WRAPPING)


async def refuse(_: pb.GetContactRequest, context: Context) -> pb.Contact:
    """Fail with every detail that an error can have."""
    status = status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message="two fields are wrong")
    wrong = error_details_pb2.BadRequest()
    wrong.field_violations.add(field="name", description="is empty")
    wrong.field_violations.add(field="site", description="is unknown")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    info = error_details_pb2.ErrorInfo(reason="FIELDS_INVALID", domain="matcher.v1", metadata={"site": "acme"})
    for detail in (info, wrong, retry):
        status.details.add().Pack(detail)
    await context.abort_with_status(rpc_status.to_status(status))
    return pb.Contact()


async def say_nothing(_: pb.GetContactRequest, __: Context) -> pb.Contact:
    """Never answer."""
    await asyncio.Event().wait()
    return pb.Contact()


@asynccontextmanager
async def serving(**methods: Method) -> AsyncIterator[MatcherClient]:
    """Serve methods of RoutingService on a free port, with a client that is open."""
    described = pb.DESCRIPTOR.services_by_name["RoutingService"].methods_by_name
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=GetMessageClass(described[name].input_type).FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
        for name, method in methods.items()
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("matcher.v1.RoutingService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with MatcherClient(f"127.0.0.1:{port}") as client:
            yield client
    finally:
        await server.stop(None)


async def test_an_error_carries_reason_fields_metadata_and_when_to_try_again() -> None:
    """The exception has every detail of the status as data."""
    async with serving(GetContact=refuse) as client:
        with pytest.raises(MatcherCallError) as raised:
            await client.contact("c-1")
    error = raised.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "FIELDS_INVALID"
    assert error.violations == (Violation("name", "is empty"), Violation("site", "is unknown"))
    assert error.metadata == {"site": "acme"}
    assert error.retry_after == 1.5


async def test_a_route_is_repeated_under_one_request_id_when_servers_stop() -> None:
    """After two failures the caller gets the answer, and every attempt had the same generated request_id."""
    flaky = Flaky()
    async with serving(RouteMessage=flaky.route) as client:
        answer = await client.route("My tent leaks.")
    assert answer.contact == "sites/default/contacts/c-1"
    assert len(flaky.routed) == 3
    assert len({request.request_id for request in flaky.routed}) == 1
    assert flaky.routed[0].request_id


async def test_a_completion_whose_answer_was_lost_is_not_repeated() -> None:
    """Where a pool keeps the former way, a repeat would cut the wrap-up short: so the client reads first."""
    flaky = Flaky()
    async with serving(CompleteReservation=flaky.complete, GetReservation=flaky.reservation) as client:
        reservation = await client.complete("r-1")
    assert reservation.state == pb.WRAPPING
    assert flaky.completed == 1


async def test_no_service_is_unavailable_without_a_reason() -> None:
    """Where no service answers, the error has no reason, and the call ends by itself."""
    async with MatcherClient("127.0.0.1:1") as client:
        with pytest.raises(MatcherCallError) as raised:
            await client.contact("c-1")
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert raised.value.reason == ""


async def test_a_call_without_an_answer_ends_at_its_deadline() -> None:
    """A call to a server that never answers ends at the deadline."""
    async with serving(GetContact=say_nothing) as client:
        with pytest.raises(MatcherCallError) as raised:
            await client.contact("c-1", deadline=0.05)
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_closed_client_says_how_to_open_it() -> None:
    """A client without `async with` raises an error that names it, and does not fail inside gRPC."""
    with pytest.raises(RuntimeError, match="async with"):
        await MatcherClient().contact("c-1")


def test_every_call_that_is_repeated_by_grpc_exists() -> None:
    """A method that was renamed would silently lose its retries."""
    files = (
        pb.DESCRIPTOR,
        roster_pb2.DESCRIPTOR,
        customers_pb2.DESCRIPTOR,
        feedback_pb2.DESCRIPTOR,
        keys_pb2.DESCRIPTOR,
    )
    services = {service.full_name: service for file in files for service in file.services_by_name.values()}
    for name, methods in SAFE_TO_REPEAT.items():
        assert set(methods) <= set(services[name].methods_by_name)
