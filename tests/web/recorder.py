"""A gRPC backend that keeps every request and answers by the number of the case: the same through every gateway."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from matcher.client.failure import DETAILS_KEY
from matcher.web.bindings import Method, table
from tests.web.random_messages import fill

CASE: Final = "x-request-id"
FAILS: Final = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
)


@dataclass(slots=True)
class Recorder(grpc.GenericRpcHandler):
    """Takes every method of the API; `seen` holds the method's path and the request of each case, for each gateway."""

    seen: dict[str, tuple[str, Message]] = field(default_factory=dict)
    port: int = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method."""
        method = table().methods.get(details.method)
        if method is None or method.imports:
            return None
        case = str(dict(details.invocation_metadata).get(CASE, ""))
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(
                self._streamed(method, case), method.request.FromString, method.answer.SerializeToString
            )
        return grpc.unary_unary_rpc_method_handler(
            self._answered(method, case), method.request.FromString, method.answer.SerializeToString
        )

    def _answered(self, method: Method, case: str) -> Any:
        async def answer(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            self.seen[case] = (method.path, request)
            rng = random.Random(_number(case))
            if rng.random() < 0.15:
                await _fail(rng, context)
            return fill(method.answer(), rng)

        return answer

    def _streamed(self, method: Method, case: str) -> Any:
        async def answers(request: Message, _: object) -> AsyncIterator[Message]:
            self.seen[case] = (method.path, request)
            rng = random.Random(_number(case))
            for _ in range(rng.randint(1, 3)):
                yield fill(method.answer(), rng)

        return answers


def _number(case: str) -> str:
    """Return the number of a case without the name of its gateway."""
    return case.partition("-")[2]


async def _fail(rng: random.Random, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    code = rng.choice(FAILS)
    status = status_pb2.Status(code=code.value[0], message='not "so"\né')
    info = error_details_pb2.ErrorInfo(reason="AGENT_NOT_FOUND", domain="matcher.v1", metadata={"agent": "é/1"})
    for detail in (info, error_details_pb2.BadRequest(field_violations=[{"field": "name", "description": "is wrong"}])):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    await context.abort(code, "not so")


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """Run the backend during the block."""
    server, recorder = grpc.aio.server(), Recorder()
    server.add_generic_rpc_handlers((recorder,))
    recorder.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield recorder
    finally:
        await server.stop(0)
