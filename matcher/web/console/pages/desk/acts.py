"""Acts of a desk: what each button of a card asks of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.visitor import Visitor

LONGEST_AGAIN: Final = 7 * 24 * 3600
YES_OR_NO: Final = {"yes": True, "no": False}


def accept(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """Accept an offer."""
    request = pb.AcceptReservationRequest(name=_name(visitor), fence=_fence(visitor))
    return visitor.ask(visitor.stubs.routing.AcceptReservation, request)


def decline(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """Decline an offer, with the reason, and with when it may be offered again."""
    request = pb.DeclineReservationRequest(
        name=_name(visitor), fence=_fence(visitor), reason=_typed(visitor, "reason").strip()
    )
    again = _typed(visitor, "again")
    if again.isascii() and again.isdigit() and 0 < int(again[:9]) <= LONGEST_AGAIN:
        request.retry_after.CopyFrom(Duration(seconds=int(again[:9])))
    return visitor.ask(visitor.stubs.routing.DeclineReservation, request)


def touch(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """Say that the conversation goes on: the first answer, or a word after a silence."""
    request = pb.TouchReservationRequest(name=_name(visitor), fence=_fence(visitor))
    return visitor.ask(visitor.stubs.routing.TouchReservation, request)


def renew(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """Give the conversation its whole time again."""
    request = pb.RenewReservationRequest(name=_name(visitor), fence=_fence(visitor))
    return visitor.ask(visitor.stubs.routing.RenewReservation, request)


def complete(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """End the conversation, or say how it went while it is wrapped up."""
    request = pb.CompleteReservationRequest(name=_name(visitor), fence=_fence(visitor))
    resolved, rating = _typed(visitor, "resolved"), _typed(visitor, "rating")
    if resolved in YES_OR_NO:
        request.resolved = YES_OR_NO[resolved]
    if rating in {"1", "2", "3", "4", "5"}:
        request.rating = int(rating)
    return visitor.ask(visitor.stubs.routing.CompleteReservation, request)


def cancel(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """End a conversation whose customer has left."""
    request = pb.CancelReservationRequest(name=_name(visitor), fence=_fence(visitor))
    return visitor.ask(visitor.stubs.routing.CancelReservation, request)


def wrapped(visitor: Visitor) -> Awaitable[pb.Reservation]:
    """End the wrap-up."""
    request = pb.EndWrapUpRequest(name=_name(visitor), fence=_fence(visitor))
    return visitor.ask(visitor.stubs.routing.EndWrapUp, request)


ACTS: Final[Mapping[str, Callable[[Visitor], Awaitable[pb.Reservation]]]] = {
    act.__name__: act for act in (accept, decline, touch, renew, complete, cancel, wrapped)
}


def _typed(visitor: Visitor, field: str) -> str:
    value = visitor.form.get(field, "")
    return value if isinstance(value, str) else ""


def _name(visitor: Visitor) -> str:
    return f"{visitor.site_name}/reservations/{_typed(visitor, 'reservation')}"


def _fence(visitor: Visitor) -> int:
    """Return the fence of the card: another tab may have an older one of the same reservation."""
    typed = _typed(visitor, "fence")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else 0
