"""A double of the service, over real gRPC, whose answers a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from matcher.errors import MatcherError
from matcher.rpc.status import code_of, status_of, trailers_of
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc

HELD: Final = pb.RouteMessageResponse(
    reservation=pb.Reservation(name="sites/s/reservations/r", fence=7, basis=pb.AFFINITY)
)
NOBODY: Final = pb.RouteMessageResponse(unmatched=pb.Unmatched(reason=pb.CONSTRAINT_CAPACITY))

# The generated servicer answers every other method with UNIMPLEMENTED; its type stub declares all methods abstract.
_Unimplemented: Any = routing_pb2_grpc.RoutingServiceServicer

Answer = pb.RouteMessageResponse | MatcherError | grpc.StatusCode


@dataclass
class ServiceDouble(_Unimplemented):  # type: ignore[misc]
    """Returns its answers in a cycle, once it has received `patience` requests."""

    answers: Sequence[Answer] = (HELD,)
    patience: int = 0
    completion: pb.Reservation | MatcherError = field(default_factory=pb.Reservation)
    routed: list[pb.RouteMessageRequest] = field(default_factory=list)
    completed: list[pb.CompleteReservationRequest] = field(default_factory=list)
    _enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def RouteMessage(self, request: pb.RouteMessageRequest, context: Any) -> Any:  # noqa: N802
        """Answer once there are `patience` requests."""
        self.routed.append(request)
        answer = self.answers[(len(self.routed) - 1) % len(self.answers)]
        if len(self.routed) >= self.patience:
            self._enough.set()
        await self._enough.wait()
        return await _returned(answer, context)

    async def CompleteReservation(self, request: pb.CompleteReservationRequest, context: Any) -> Any:  # noqa: N802
        """Record the completion."""
        self.completed.append(request)
        return await _returned(self.completion, context)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve, and yield the address."""
        server = grpc.aio.server()
        routing_pb2_grpc.add_RoutingServiceServicer_to_server(self, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


async def _returned(answer: Any, context: Any) -> Any:
    if isinstance(answer, MatcherError):
        status = status_of(answer)
        context.set_trailing_metadata(trailers_of(status))
        await context.abort(code_of(status), status.message)
    if isinstance(answer, grpc.StatusCode):
        await context.abort(answer, "no details")
    return answer
