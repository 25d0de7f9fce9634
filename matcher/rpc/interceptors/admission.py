"""Lets calls in, or refuses them, before their body is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final

import grpc

from matcher.errors import ServiceOverloaded
from matcher.rpc import status
from matcher.rpc.admission_queue import Admission
from matcher.rpc.grpc_types import Context, Handler
from matcher.rpc.health import Health
from matcher.rpc.interceptors.worker import worker_metadata
from matcher.v1 import routing_pb2

_SERVICE: Final = routing_pb2.DESCRIPTOR.services_by_name["RoutingService"]
ADMITTED: Final = frozenset(
    f"/{_SERVICE.full_name}/{method}" for method in ("RouteMessage", "RouteMessages", "SuggestAgents")
)
"""The calls that begin new work. What ends a conversation makes room, and is never refused."""


class _Place:
    """The place of a call that was let in, given up once."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._left = False

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._admission.leave()


_PLACE: Final[ContextVar[_Place | None]] = ContextVar("place", default=None)


def step_aside() -> None:
    """Give the place of this call up before its end: it waits for something else than the machine."""
    place = _PLACE.get()
    if place is not None:
        place.leave()


class AdmissionInterceptor(grpc.aio.ServerInterceptor):
    """Stands around the error interceptor, whose handlers read the body: a call that is refused costs little."""

    def __init__(
        self, admission: Admission, health: Health, *, arrived: Callable[[], None] = lambda: None, worker: str = ""
    ) -> None:
        """Admit by `admission` while `health` says SERVING: else calls are let through to be told what is wrong."""
        self._admission = admission
        self._health = health
        self._arrived = arrived
        told = status.status_of(ServiceOverloaded())
        self._code, self._sentence = status.code_of(told), str(told.message)
        self._trailers: tuple[tuple[str, str | bytes], ...] = (*status.trailers_of(told), *worker_metadata(worker))
        self._admitting: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, behind the gate where it begins new work."""
        method = handler_call_details.method
        admitting = self._admitting.get(method)
        if admitting is None:
            handler = await continuation(handler_call_details)
            if handler is None or method not in ADMITTED:
                return handler
            admitting = self._admitting[method] = self._admit(handler)
        return admitting

    def _admit(self, handler: Handler) -> Handler:
        work: Any = handler.stream_unary  # what the error interceptor makes of every unary method

        async def call(requests: AsyncIterator[bytes], context: Context) -> Any:
            self._arrived()
            if not self._health.serving:
                return await work(requests, context)
            if not await self._admission.enter():
                await context.abort(self._code, self._sentence, self._trailers)
            place = _Place(self._admission)
            _PLACE.set(place)
            try:
                return await work(requests, context)
            finally:
                place.leave()

        return grpc.stream_unary_rpc_method_handler(call)
