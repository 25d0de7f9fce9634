"""Calls of the service, made with a visitor's own credentials: the gateway itself has none."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from matcher.client.connection import CHANNEL_OPTIONS, Deadlines
from matcher.client.retry import service_config
from matcher.web.bindings import Method
from matcher.web.faults import Violation, fields_invalid, of_call
from matcher.web.headers import Asked

_LONG: Final = ("GetImpactReport", "GetCoverage", "GetInterestMap")
"""The first coverage and the first map of a process wait until the entries are encoded."""
_ROUTES: Final = ("Route", "Suggest")
_READS: Final = ("Get", "List", "Lookup")


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is; credentials: of TLS, None: the connection is not encrypted."""

    target: str
    credentials: grpc.ChannelCredentials | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)

    def channel(self) -> grpc.aio.Channel:
        """Return a channel to it; it repeats the calls that may be repeated, as the Python client's does."""
        options = [("grpc.service_config", service_config()), *CHANNEL_OPTIONS]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.target, options=options)
        return grpc.aio.secure_channel(self.target, self.credentials, options=options)

    def seconds(self, method: Method) -> float:
        """Return how long a call may take whose caller sets no deadline."""
        return self.seconds_of(method.name)

    def seconds_of(self, name: str) -> float:
        """Return how long a call of the method of a name may take whose caller sets no deadline."""
        if name in _LONG:
            return self.deadlines.report
        if name.startswith("Forget"):
            return self.deadlines.forget
        if name.startswith(_READS):
            return self.deadlines.read
        return self.deadlines.route if name.startswith(_ROUTES) else self.deadlines.write


async def call(channel: grpc.aio.Channel, method: Method, request: Message, asked: Asked, seconds: float) -> Message:
    """Return the answer of a call. Raises Fault."""
    try:
        answer: Message = await channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )(request, timeout=asked.seconds or seconds, metadata=asked.metadata())
    except grpc.aio.AioRpcError as error:
        raise of_call(error) from None
    return answer


def begin_stream(
    channel: grpc.aio.Channel, method: Method, request: Message, asked: Asked
) -> grpc.aio.UnaryStreamCall[Message, Message]:
    """Begin a stream; it waits for a service that restarts, because a browser's EventSource gives up on an error."""
    return channel.unary_stream(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.answer.FromString,
    )(request, timeout=asked.seconds, metadata=asked.metadata(), wait_for_ready=True)


def give_request_id(request: Message, asked: Asked) -> str:
    """Give a request its id, so that the call may be repeated; return the id, or "" where the request has none.

    The header's id goes into the request itself. Where nothing gives an id, this makes one, as the Python client does.
    Raises Fault where body and header differ.
    """
    fields: Any = request
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        if fields.request_id and asked.request_id and fields.request_id != asked.request_id:
            raise fields_invalid([Violation("request_id", "is another one in the body than in Idempotency-Key")])
        fields.request_id = fields.request_id or asked.request_id or uuid.uuid4().hex
        return str(fields.request_id)
    if asked.request_id:
        raise fields_invalid([Violation("idempotency-key", "belongs to no field of this request")])
    if "requests" in request.DESCRIPTOR.fields_by_name:
        for part in fields.requests:
            if "request_id" in part.DESCRIPTOR.fields_by_name:
                part.request_id = part.request_id or uuid.uuid4().hex
    return ""
