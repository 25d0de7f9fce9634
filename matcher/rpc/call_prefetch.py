"""The doors at which gRPC lets calls in, and the calls that are asked for ahead at the busiest of them.

grpc.aio has a door for each method that is registered by its name, and one for all others; at every call it looks at
every door again (40 doors cost 40 µs a call, seen with 1.85). And at each door it lets one call in at a time: the next
is asked for four passes of the event loop later, and comes when one of gRPC's threads has had a core. Where the cores
are full, that let 430 calls a second in of 900 that came, and even a refusal took 1.5 s.
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
OWN_DOOR: Final = frozenset(
    {
        BUSIEST,
        "/matcher.v1.RoutingService/AcceptReservation",
        "/matcher.v1.RoutingService/CompleteReservation",
        "/grpc.health.v1.Health/Check",
    }
)
"""The methods that are called for every conversation, and the one that must answer however many are."""
MOST_AHEAD: Final = 128
"""Calls asked for at once at the busiest door. At 900 calls a second p50 was 1.5 s with one and 0.24 s with 4 (seen
once each); at three times the peak p99 was 335 ms with 16, 271 with 64 and 244 with 256 (medians of four runs), and in
a later hour 262 with 64, 232 with 128 and 244 with 256 (three runs)."""
PASSES_TO_TAKE_UP: Final = 4 * MOST_AHEAD
"""Passes of the loop that a stop leaves to the calls that were let in already: each takes three."""


class MethodRegistrar:
    """What the generated code registers its handlers with, in place of the server itself."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers
        self._server = server

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        """Give a door of their own to the methods that need one."""
        own = {name: handler for name, handler in handlers.items() if f"/{service}/{name}" in OWN_DOOR}
        self._server.add_registered_method_handlers(service, own)


class Prefetch(Generic[T]):
    """Asks for several calls at once, and hands them out one by one in the order in which they came."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]], most: int) -> None:
        self._ask = ask
        self._most = most
        self._asked: set[asyncio.Task[T]] = set()
        self._came: deque[T] = deque()
        self._next: asyncio.Future[T] | None = None

    @property
    def came(self) -> int:
        """Count the calls that came and were not handed out yet."""
        return len(self._came)

    def next(self) -> asyncio.Future[T]:
        """Return the next call, or the failure of having asked for one, as soon as it is there."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._came:
            future.set_result(self._came.popleft())
        else:
            self._next = future
        while len(self._asked) + len(self._came) < self._most:
            task = asyncio.get_running_loop().create_task(self._ask())
            self._asked.add(task)
            task.add_done_callback(self._answered)
        return future

    def close(self) -> None:
        """Ask for no more than the one that is waited for."""
        self._most = 1

    def drop(self) -> None:
        """Forget the calls that nobody will take up any more."""
        self._most = 0
        self._came.clear()

    def _answered(self, task: asyncio.Task[T]) -> None:
        self._asked.discard(task)
        if task.cancelled():
            return
        fault, waiting = task.exception(), self._next
        if waiting is None or waiting.done():
            if fault is None and self._most:
                self._came.append(task.result())
            return
        self._next = None
        if fault is not None:
            waiting.set_exception(fault)
        else:
            waiting.set_result(task.result())


@contextmanager
def asked_ahead() -> Iterator[None]:
    """Let a server that is made meanwhile ask for calls ahead at the busiest door.

    grpc.aio has no setting for it, so its inner server is replaced by one that answers otherwise where it is asked for
    the next call of a method. Another version of grpc.aio may ask nobody: then its own server is left as it is.
    """
    inner: Any = importlib.import_module("grpc._cython.cygrpc")
    plain = inner.AioServer
    if hasattr(plain, "_make_request_call_future"):
        inner.AioServer = _asking_ahead(plain)
    try:
        yield
    finally:
        inner.AioServer = plain


def _asking_ahead(plain: Any) -> Any:
    class AskingAhead(plain):  # type: ignore[misc]  # it is no class that mypy knows
        ahead: Prefetch[Any] | None = None

        def _make_request_call_future(self, method: bytes | None) -> Any:
            if method is None or method.decode() != BUSIEST:
                return super()._make_request_call_future(method)
            if self.ahead is None:
                self.ahead = Prefetch(lambda: self._request_registered_call(method), MOST_AHEAD)
            return self.ahead.next()

        async def shutdown(self, grace: float | None) -> None:
            if self.ahead is not None:
                self.ahead.close()
                for _ in range(PASSES_TO_TAKE_UP):
                    if not self.ahead.came:
                        break
                    await asyncio.sleep(0)
                self.ahead.drop()
            await super().shutdown(grace)

    return AskingAhead
