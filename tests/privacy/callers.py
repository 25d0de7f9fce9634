"""Callers of a guarded service who keep what they were answered, by gRPC and through the HTTP gateway."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from matcher.v1 import customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2
from tests.web.gateway import Gateway

SECONDS: Final = 120.0
"""Longer than any call takes on a busy machine; also the deadline that the gateway is given."""
METHODS: Final[dict[str, MethodDescriptor]] = {
    method.name: method
    for module in (customers_pb2, feedback_pb2, keys_pb2, roster_pb2, routing_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class Failed(Exception):
    """A call was refused."""


@dataclass
class Caller:
    """Somebody with a key: `answers` and `errors` are the bytes that came back."""

    channel: grpc.aio.Channel
    key: str
    gateway: Gateway
    answers: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    _turns: Any = field(default_factory=itertools.count)

    async def ask(self, method: str, request: Message, *, seconds: float = SECONDS, more: tuple[Any, ...] = ()) -> Any:
        """Call a method, in turn by gRPC and through the gateway; `more`: further metadata. Raises Failed."""
        called = METHODS[method]
        path = f"/{called.containing_service.full_name}/{method}"
        kind = message_factory.GetMessageClass(called.output_type)
        if next(self._turns) % 2 and not called.server_streaming:
            deadline = {"Grpc-Timeout": f"{round(seconds * 1_000)}m"}
            return await self._by_the_gateway(path, request, kind, deadline | dict(more))
        metadata = (("authorization", f"Bearer {self.key}"), *more)
        try:
            if called.server_streaming:
                stream: Any = self.channel.unary_stream(path, type(request).SerializeToString, kind.FromString)
                answer = await stream(request, metadata=metadata, timeout=seconds).read()
            else:
                one: Any = self.channel.unary_unary(path, type(request).SerializeToString, kind.FromString)
                answer = await one(request, metadata=metadata, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            self.errors.append(f"{error.details()} {tuple(error.trailing_metadata() or ())}".encode())
            self.errors += [value for _, value in error.trailing_metadata() or () if isinstance(value, bytes)]
            raise Failed(method, error.details()) from error
        self.answers.append(answer.SerializeToString())
        return answer

    async def _by_the_gateway(self, path: str, request: Message, kind: Any, more: dict[str, str]) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"} | more
        got = await self.gateway.ask("POST", path, json_format.MessageToDict(request), headers)
        kept = self.answers if got.code == 200 else self.errors
        kept.append(f"{got.text} {got.headers}".encode())
        if got.code != 200:
            raise Failed(path, got.text)
        return json_format.ParseDict(got.json, kind())

    async def try_to(self, method: str, request: Message, *, more: tuple[Any, ...] = ()) -> bool:
        """Call a method that may be refused; return whether it was answered."""
        try:
            await self.ask(method, request, more=more)
        except Failed:
            return False
        return True
