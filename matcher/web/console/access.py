"""Access to the service with a visitor's rights: calls and streams, typed by the generated stubs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from matcher.v1.customers_pb2_grpc import CustomerServiceStub
from matcher.v1.feedback_pb2_grpc import FeedbackServiceStub
from matcher.v1.keys_pb2_grpc import KeyServiceStub
from matcher.v1.roster_pb2_grpc import RosterServiceStub
from matcher.v1.routing_pb2_grpc import RoutingServiceStub
from matcher.web.calls import Service
from matcher.web.faults import Fault, of_call
from matcher.web.headers import CALL_HEADER

if TYPE_CHECKING:
    from matcher.v1.customers_pb2_grpc import CustomerServiceAsyncStub
    from matcher.v1.feedback_pb2_grpc import FeedbackServiceAsyncStub
    from matcher.v1.keys_pb2_grpc import KeyServiceAsyncStub
    from matcher.v1.roster_pb2_grpc import RosterServiceAsyncStub
    from matcher.v1.routing_pb2_grpc import RoutingServiceAsyncStub

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The services of the API on one channel."""

    routing: RoutingServiceAsyncStub
    roster: RosterServiceAsyncStub
    customers: CustomerServiceAsyncStub
    feedback: FeedbackServiceAsyncStub
    keys: KeyServiceAsyncStub

    @classmethod
    def on(cls, channel: grpc.aio.Channel) -> Stubs:
        """Return the services on a channel."""
        return cls(
            RoutingServiceStub(channel),
            RosterServiceStub(channel),
            CustomerServiceStub(channel),
            FeedbackServiceStub(channel),
            KeyServiceStub(channel),
        )


@dataclass(frozen=True, slots=True)
class Access:
    """The service as somebody with a credential reaches it; credential: a key or a token, "": none."""

    service: Service
    stubs: Stubs
    channel: grpc.aio.Channel
    credential: str

    async def ask(self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, seconds: float | None = None) -> A:
        """Return the answer of a call. seconds: its deadline, None: that of its kind. Raises Fault."""
        fields = cast("Any", request)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not fields.request_id:
            fields.request_id = uuid.uuid4().hex
        deadline = seconds or self.service.seconds_of(request.DESCRIPTOR.name.removesuffix("Request"))
        try:
            return await method(request, timeout=deadline, metadata=self.metadata())
        except grpc.aio.AioRpcError as error:
            raise of_call(error) from None

    async def follow(self, method: grpc.aio.UnaryStreamMultiCallable[Q, A], request: Q) -> AsyncGenerator[A, None]:
        """Yield the answers of a stream until the service ends it. Raises Fault; closing it closes the stream."""
        stream = method(request, metadata=self.metadata())
        try:
            async for answer in stream:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise of_call(error) from None
        finally:
            stream.cancel()

    async def exchange(
        self, method: grpc.aio.StreamStreamMultiCallable[Q, A], requests: Iterable[Q]
    ) -> AsyncIterator[A]:
        """Send requests and yield the answers until the service ends the stream. Raises Fault."""
        stream = method(iter(requests), metadata=self.metadata())
        try:
            async for answer in stream:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise of_call(error) from None
        finally:
            stream.cancel()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the credential and an id of the call, by which the log of the service finds it."""
        call = (CALL_HEADER, f"console-{uuid.uuid4().hex}")
        return (("authorization", f"Bearer {self.credential}"), call) if self.credential else (call,)


def reason_of(fault: Fault) -> str:
    """Return the reason of a fault, a name of ErrorReason; "" where no service answered."""
    info = error_details_pb2.ErrorInfo()
    for detail in fault.status.details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def violations_of(fault: Fault) -> dict[str, str]:
    """Return what is wrong with each field, by the field's name in the request."""
    bad = error_details_pb2.BadRequest()
    for detail in fault.status.details:
        if detail.Unpack(bad):
            return {one.field: one.description for one in bad.field_violations}
    return {}
