"""Gate of the calls that begin new work: a call whose body is read is admitted, or refused before it is decoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from matcher.errors import ServiceOverloaded
from matcher.rpc.admission_queue import Admission
from matcher.rpc.grpc_types import Context
from matcher.rpc.health import Health
from matcher.v1 import routing_pb2

T = TypeVar("T")

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


class AdmissionGate:
    """Admits the calls that begin new work, once their body is read; a body that is awaited takes no place."""

    def __init__(self, admission: Admission, health: Health, *, on_arrival: Callable[[], None] = lambda: None) -> None:
        """Limit calls by `admission` while `health` is SERVING; else let them through, to learn what is wrong."""
        self._admission = admission
        self._health = health
        self._on_arrival = on_arrival

    async def run(self, work: Callable[[bytes, Context], Awaitable[T]], body: bytes, context: Context) -> T:
        """Return what `work` makes of a body when the call is admitted; raise ServiceOverloaded if not."""
        self._on_arrival()
        if not self._health.serving:
            return await work(body, context)
        if not await self._admission.enter():
            raise ServiceOverloaded
        admitted = _AdmittedCall(self._admission)
        _CALL.set(admitted)
        try:
            return await work(body, context)
        finally:
            admitted.leave()
