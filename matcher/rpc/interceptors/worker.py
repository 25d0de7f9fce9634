"""Says with every answer which worker gave it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from matcher.rpc.grpc_types import Context, Handler

WORKER_KEY: Final = "matcher-worker"
"""The trailing metadata of an answer: "2/4" is the second of four."""


def worker_metadata(worker: str) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata that names a worker; none for ""."""
    return ((WORKER_KEY, worker),) if worker else ()


class WorkerInterceptor(grpc.aio.ServerInterceptor):
    """Adds the worker to the trailing metadata of every unary answer; stands innermost."""

    def __init__(self, worker: str) -> None:
        self._metadata = worker_metadata(worker)
        self._named: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, named."""
        named = self._named.get(handler_call_details.method)
        if named is None:
            handler = await continuation(handler_call_details)
            if handler is None or handler.unary_unary is None:
                return handler
            named = self._named[handler_call_details.method] = self._name(handler)
        return named

    def _name(self, handler: Handler) -> Handler:
        work: Any = handler.unary_unary

        async def call(request: Any, context: Context) -> Any:
            context.set_trailing_metadata(self._metadata)
            return await work(request, context)

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)
