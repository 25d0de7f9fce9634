"""Gate of the calls that begin new work: a call whose body is read is admitted, or refused before it is decoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from matcher.auth.principal import NOBODY, current_principal
from matcher.errors import FieldsInvalid, FieldViolation, ServiceOverloaded
from matcher.rpc.admission_queue import Admission
from matcher.rpc.call_cost import MOST_MESSAGES, CallCost, call_cost
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

    def __init__(self, admission: Admission, cost: CallCost) -> None:
        self._admission = admission
        self._cost = cost
        self._left = False

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._admission.leave(self._cost)


_CALL: Final[ContextVar[_AdmittedCall | None]] = ContextVar("admitted_call", default=None)


def leave_admission() -> None:
    """Let the current call leave the admission before its end: it waits for something other than this machine."""
    call = _CALL.get()
    if call is not None:
        call.leave()


class AdmissionGate:
    """Admits the calls that begin new work, once their body is read; a body that is awaited takes no place."""

    def __init__(
        self,
        admission: Admission,
        health: Health,
        *,
        batches: Admission | None = None,
        follows: Callable[[str], bool] = lambda _: True,
        fair_by_peer: bool = False,
        on_arrival: Callable[[], None] = lambda: None,
    ) -> None:
        """Limit calls by `admission` while `health` is SERVING; else let them through, to learn what is wrong.

        batches: limits large batches, so that they take no place from single calls; None: they count as calls.
        follows: tells whether this process follows a site: sites that a caller makes up share one place in the line.
        fair_by_peer: take the address of a caller for the caller, where callers are not asked who they are. Behind a
        proxy all callers have one address.
        """
        self._admission = admission
        self._batches = batches or admission
        self._health = health
        self._follows = follows
        self._fair_by_peer = fair_by_peer
        self._on_arrival = on_arrival

    async def run(
        self, work: Callable[[bytes, Context], Awaitable[T]], method: str, body: bytes, context: Context
    ) -> T:
        """Return what `work` makes of a body when the call is admitted; raise ServiceOverloaded if not.

        Raises FieldsInvalid where a batch has far too many messages: decoding millions of empty ones takes a gigabyte.
        """
        self._on_arrival()
        cost = self._cost(method, body, context)
        if cost.unread > MOST_MESSAGES:
            wrong = f"has more than {cost.unread} entries; at most {MOST_MESSAGES} are allowed"
            raise FieldsInvalid([FieldViolation("requests", wrong)])
        if not self._health.serving:
            return await work(body, context)
        admission = self._batches if cost.batch else self._admission
        if not await admission.enter(cost):
            raise ServiceOverloaded
        admitted = _AdmittedCall(admission, cost)
        _CALL.set(admitted)
        try:
            return await work(body, context)
        finally:
            admitted.leave()

    def _cost(self, method: str, body: bytes, context: Context) -> CallCost:
        cost = call_cost(method, body)
        if not self._follows(cost.site):
            cost = cost._replace(site="")
        if (principal := current_principal()) is not NOBODY:
            return cost._replace(caller=principal.name)
        return cost._replace(caller=host_of(context.peer())) if self._fair_by_peer else cost


def host_of(peer: str) -> str:
    """Return the host of a peer as gRPC names it ("ipv4:10.0.0.7:51000"), without the port, which is new each time."""
    return peer.rpartition(":")[0]
