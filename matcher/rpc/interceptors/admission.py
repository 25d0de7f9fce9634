"""Interceptor that admits a call, or refuses it before its body is read."""

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
LIMITED: Final = frozenset(
    f"/{_SERVICE.full_name}/{method}" for method in ("RouteMessage", "RouteMessages", "SuggestAgents")
)
"""The methods that begin new work. A call that ends a conversation frees capacity, and is never refused."""


class _AdmittedCall:
    """A call that was admitted, and leaves the admission once."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._left = False

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._admission.leave()


_CALL: Final[ContextVar[_AdmittedCall | None]] = ContextVar("admitted_call", default=None)


def leave_admission() -> None:
    """Let the current call leave the admission before its end: it waits for something other than this machine."""
    call = _CALL.get()
    if call is not None:
        call.leave()


class AdmissionInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the error interceptor, whose handlers read the body: so a refused call costs little."""

    def __init__(
        self, admission: Admission, health: Health, *, on_arrival: Callable[[], None] = lambda: None, worker: str = ""
    ) -> None:
        """Limit calls by `admission` while `health` is SERVING; else let them through, to learn what is wrong."""
        self._admission = admission
        self._health = health
        self._on_arrival = on_arrival
        refusal = status.status_of(ServiceOverloaded())
        self._code, self._sentence = status.code_of(refusal), str(refusal.message)
        self._trailers: tuple[tuple[str, str | bytes], ...] = (*status.trailers_of(refusal), *worker_metadata(worker))
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, limited where the method begins new work."""
        method = handler_call_details.method
        limited = self._handlers.get(method)
        if limited is None:
            handler = await continuation(handler_call_details)
            if handler is None or method not in LIMITED:
                return handler
            limited = self._handlers[method] = self._limit(handler)
        return limited

    def _limit(self, handler: Handler) -> Handler:
        work: Any = handler.stream_unary  # the error interceptor makes every unary method a stream_unary

        async def call(requests: AsyncIterator[bytes], context: Context) -> Any:
            self._on_arrival()
            if not self._health.serving:
                return await work(requests, context)
            if not await self._admission.enter():
                await context.abort(self._code, self._sentence, self._trailers)
            admitted = _AdmittedCall(self._admission)
            _CALL.set(admitted)
            try:
                return await work(requests, context)
            finally:
                admitted.leave()

        return grpc.stream_unary_rpc_method_handler(call)
