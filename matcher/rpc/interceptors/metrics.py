"""Interceptor that counts every call, with its status code and its duration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache, partial
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool

from matcher.rpc.grpc_types import Context, Handler
from matcher.telemetry import Telemetry, begin_call, current_call
from matcher.telemetry.tracing import UNKNOWN_METHOD, ServerCall, current_tracer

_UNKNOWN: Final = ("unary", "unknown", "unknown")
"""The labels of a method that is not served: a name that a caller made up must not become a label."""


class MetricsInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the error interceptor, so that it counts the code that the caller gets."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the method's handler, whose calls are counted."""
        method = handler_call_details.method
        begin_call(handler_call_details.invocation_metadata or ())  # gRPC goes on in this task with the handler
        counted = self._handlers.get(method)
        if counted is None:
            handler = await continuation(handler_call_details)
            assert handler is not None  # the error interceptor answers unknown methods
            labels = _labels(method)
            counted = self._count(handler, labels, method)
            if labels != _UNKNOWN:
                self._handlers[method] = counted
        return counted

    def _count(self, handler: Handler, labels: tuple[str, str, str], method: str) -> Handler:
        work: Any = handler.stream_unary or handler.stream_stream
        started = self._telemetry.calls_started.labels(*labels)
        seconds = self._telemetry.call_seconds.labels(*labels)
        handled = cache(partial(self._telemetry.calls_handled.labels, *labels))
        traced_as = UNKNOWN_METHOD if labels == _UNKNOWN else method.removeprefix("/")

        async def call(requests: AsyncIterator[bytes], context: Context) -> Any:
            tracer, ids = current_tracer(), current_call()
            if ids is not None:
                ids.method, ids.peer = method, context.peer
            if tracer is None or ids is None:
                return await counted(requests, context, ServerCall())
            with tracer.call(traced_as, ids) as traced:
                return await counted(requests, context, traced)

        async def counted(requests: AsyncIterator[bytes], context: Context, traced: ServerCall) -> Any:
            started.inc()
            since = time.perf_counter()
            code = grpc.StatusCode.UNKNOWN
            try:
                answer = await work(requests, context)
                code = grpc.StatusCode.OK
            except asyncio.CancelledError:
                late = context.time_remaining() == 0
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = context.code()
                raise
            finally:
                traced.code = code.name
                handled(code.name).inc()
                seconds.observe(time.perf_counter() - since)
            return answer

        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(call)
        return grpc.stream_stream_rpc_method_handler(call, None, handler.response_serializer)


def _labels(method: str) -> tuple[str, str, str]:
    service, _, name = method.removeprefix("/").partition("/")
    try:
        described = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
    except KeyError:
        return _UNKNOWN
    types = {
        (False, False): "unary",
        (True, False): "client_stream",
        (False, True): "server_stream",
        (True, True): "bidi_stream",
    }
    return types[described.client_streaming, described.server_streaming], service, name
