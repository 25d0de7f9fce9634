"""Registered methods of the gRPC server, and calls that are requested ahead of time for the busiest of them.

grpc.aio keeps one pending request for a call for each method that is registered by its name, and one for all other
methods; at every call it looks at every pending request again (40 registered methods cost 40 µs a call, measured with
grpcio 1.85). And it accepts the calls of a method one at a time: the next call is requested four passes of the event
loop later, and arrives when one of gRPC's threads has had a core. Where the cores are full, that accepted 430 calls a
second of 900 that came, and even a refusal took 1.5 s.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import grpc

from matcher.rpc.grpc_types import Handler

T = TypeVar("T")

BUSIEST: Final = "/matcher.v1.RoutingService/RouteMessage"
REGISTERED: Final = frozenset(
    {
        BUSIEST,
        "/matcher.v1.RoutingService/AcceptReservation",
        "/matcher.v1.RoutingService/CompleteReservation",
        "/grpc.health.v1.Health/Check",
    }
)
"""The methods that are called for every conversation, and the health check, which must answer under any load."""
MOST_PREFETCHED: Final = 128
"""Calls requested at once for the busiest method. At 900 calls a second p50 was 1.5 s with one and 0.24 s with 4 (one
run each); at three times the peak p99 was 335 ms with 16, 271 with 64 and 244 with 256 (medians of four runs), and in a
later hour 262 with 64, 232 with 128 and 244 with 256 (three runs)."""
PASSES_TO_HAND_OUT: Final = 4 * MOST_PREFETCHED
"""Passes of the event loop that a stop leaves for the calls that have arrived already: each call takes three."""


class MethodRegistrar:
    """Receives the handlers that the generated code registers, instead of the server itself."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers
        self._server = server

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Register by name only the methods of REGISTERED."""
        registered = {name: handler for name, handler in handlers.items() if f"/{service}/{name}" in REGISTERED}
        self._server.add_registered_method_handlers(service, registered)


class Prefetch(Generic[T]):
    """Requests several calls at once, and hands them out one by one in the order of their arrival."""

    def __init__(self, request: Callable[[], Coroutine[Any, Any, T]], most: int) -> None:
        self._request = request
        self._most = most
        self._requested: set[asyncio.Task[T]] = set()
        self._arrived: deque[T] = deque()
        self._next: asyncio.Future[T] | None = None

    @property
    def arrived(self) -> int:
        """Count the calls that have arrived and were not handed out yet."""
        return len(self._arrived)

    def next(self) -> asyncio.Future[T]:
        """Return a future of the next call, or of the exception that a request for a call raised."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._arrived:
            future.set_result(self._arrived.popleft())
        else:
            self._next = future
        while len(self._requested) + len(self._arrived) < self._most:
            task = asyncio.get_running_loop().create_task(self._request())
            self._requested.add(task)
            task.add_done_callback(self._answered)
        return future

    def close(self) -> None:
        """Request no more calls than the one that `next` waits for."""
        self._most = 1

    def drop(self) -> None:
        """Drop the calls that have arrived, and those that arrive later: no handler will take them."""
        self._most = 0
        self._arrived.clear()

    def _answered(self, task: asyncio.Task[T]) -> None:
        self._requested.discard(task)
        if task.cancelled():
            return
        fault, waiting = task.exception(), self._next
        if waiting is None or waiting.done():
            if fault is None and self._most:
                self._arrived.append(task.result())
            return
        self._next = None
        if fault is not None:
            waiting.set_exception(fault)
        else:
            waiting.set_result(task.result())


def prefetch_fits() -> bool:
    """Return whether this version of grpc.aio has the private parts by which calls are requested ahead of time."""
    server = getattr(importlib.import_module("grpc._cython.cygrpc"), "AioServer", None)
    return all(hasattr(server, name) for name in ("_make_request_call_future", "_request_registered_call"))


@contextmanager
def prefetching() -> Iterator[None]:
    """Let a server that is created within this context prefetch the calls of the busiest method.

    grpc.aio has no setting for it: so the class of its inner server is replaced by a subclass that answers from a
    Prefetch when grpc.aio requests the next call of a method. A version of grpc.aio without the private parts that this
    needs keeps its own class, and accepts calls one at a time.
    """
    inner: Any = importlib.import_module("grpc._cython.cygrpc")
    plain = getattr(inner, "AioServer", None)
    if prefetch_fits():
        inner.AioServer = _prefetching_server(plain)
    try:
        yield
    finally:
        if plain is not None:
            inner.AioServer = plain


def _prefetching_server(plain: Any) -> Any:
    class PrefetchingServer(plain):  # type: ignore[misc]  # mypy does not know the class
        prefetch: Prefetch[Any] | None = None

        def _make_request_call_future(self, method: bytes | None) -> Any:
            if method is None or method.decode() != BUSIEST:
                return super()._make_request_call_future(method)
            if self.prefetch is None:
                self.prefetch = Prefetch(lambda: self._request_registered_call(method), MOST_PREFETCHED)
            return self.prefetch.next()

        async def shutdown(self, grace: float | None) -> None:
            if self.prefetch is not None:
                self.prefetch.close()
                for _ in range(PASSES_TO_HAND_OUT):
                    if not self.prefetch.arrived:
                        break
                    await asyncio.sleep(0)
                self.prefetch.drop()
            await super().shutdown(grace)

    return PrefetchingServer
