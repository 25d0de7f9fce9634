"""Interceptor that names the worker process in every unary answer."""

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
    """Adds the worker to the trailing metadata of every unary answer; the innermost interceptor."""

    def __init__(self, worker: str) -> None:
        self._metadata = worker_metadata(worker)
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, whose answers name the worker."""
        wrapped = self._handlers.get(handler_call_details.method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or handler.unary_unary is None:
                return handler
            wrapped = self._handlers[handler_call_details.method] = self._wrap(handler)
        return wrapped

    def _wrap(self, handler: Handler) -> Handler:
        work: Any = handler.unary_unary

        async def call(request: Any, context: Context) -> Any:
            context.set_trailing_metadata(self._metadata)
            return await work(request, context)

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)
