"""Cards of a desk: an agent's offers, conversations and wrap-ups, without why the agent was chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.v1 import roster_pb2
from matcher.v1 import routing_pb2 as pb
from matcher.web.console.render import last_part

STATUSES: Final[Mapping[int, str]] = {
    roster_pb2.ONLINE: "online",
    roster_pb2.AWAY: "away",
    roster_pb2.DRAINING: "finishing",
    roster_pb2.OFFLINE: "offline",
}


class Kind(StrEnum):
    """What a reservation is at a desk."""

    OFFER = "offer"
    CONVERSATION = "conversation"
    WRAP_UP = "wrap-up"


KINDS: Final[Mapping[int, Kind]] = {
    pb.PENDING: Kind.OFFER,
    pb.ACCEPTED: Kind.CONVERSATION,
    pb.WRAPPING: Kind.WRAP_UP,
}
ENDED: Final[Mapping[int, str]] = {
    pb.COMPLETED: "is over",
    pb.DECLINED: "was declined",
    pb.EXPIRED: "ran out of time",
    pb.CANCELED: "was withdrawn or canceled",
}


@dataclass(frozen=True, slots=True)
class Opener:
    """Words to begin with: an interest of the agent, and what of the customer met it.

    start, end: where the words stand in the customer's message, in characters; both 0 where an interest that the
    customer left met it. words: those words, "" where the desk does not know them.
    """

    interest: str
    start: int
    end: int
    words: str = ""

    @property
    def of_message(self) -> bool:
        """Whether words of the message met the interest."""
        return self.end > self.start


@dataclass(frozen=True, slots=True)
class Card:
    """A live reservation. Times are seconds since 1970 by the clock of the store.

    until: when it ends by itself. heading: what it is, for people. clock: what the end means.
    """

    reservation: str
    fence: int
    contact: str
    channel: str
    pool: str
    kind: Kind
    heading: str
    clock: str
    begun: float
    until: float
    first_answer: bool
    idle: bool
    assigned_by: str
    openers: tuple[Opener, ...]

    @property
    def version(self) -> str:
        """A digest of all that the card shows but words that were pasted: a card of the same digest may stay."""
        plain = tuple((one.interest, one.start, one.end) for one in self.openers)
        shown = (self.fence, self.kind, self.heading, self.until, self.first_answer, self.idle, plain)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def card_of(reservation: pb.Reservation, decision: pb.Decision | None, text: str = "") -> Card:
    """Return the card of a live reservation; text: the customer's message, where the agent pasted it."""
    kind = KINDS[reservation.state]
    due = reservation.first_response_due
    return Card(
        reservation=last_part(reservation.name),
        fence=reservation.fence,
        contact=last_part(reservation.contact),
        channel=reservation.channel,
        pool=last_part(reservation.pool),
        kind=kind,
        heading=_heading(reservation),
        clock=CLOCKS[kind] if not due else "to the first answer",
        begun=seconds(reservation.accept_time if reservation.HasField("accept_time") else reservation.create_time),
        until=seconds(reservation.expire_time),
        first_answer=due,
        idle=reservation.HasField("idle_since"),
        assigned_by=reservation.actor,
        openers=openers_of(decision, reservation.agent, text) if decision is not None else (),
    )


CLOCKS: Final[Mapping[Kind, str]] = {
    Kind.OFFER: "until the offer lapses",
    Kind.CONVERSATION: "until the conversation ends by itself",
    Kind.WRAP_UP: "of the wrap-up left",
}


def openers_of(decision: pb.Decision, agent: str, text: str = "") -> tuple[Opener, ...]:
    """Return what an agent can begin with: reasons that are strong enough to be shown, the strongest first.

    An interest that the customer did not agree to have shown comes without its text, and is left out.
    """
    reasons = next((one.reasons for one in decision.candidates if one.agent == agent), ())
    return tuple(
        Opener(reason.interest, reason.start, reason.end, text[reason.start : reason.end].strip())
        for reason in reasons
        if reason.interest and not reason.weak
    )


def in_order(cards: Iterable[Card]) -> tuple[Card, ...]:
    """Return offers first, then conversations, then wrap-ups; of each what ends first."""
    order = tuple(Kind)
    return tuple(sorted(cards, key=lambda card: (order.index(card.kind), card.until, card.reservation)))


def ended_words(reservation: pb.Reservation) -> str:
    """Return what became of a reservation that is over, in a sentence; "" of one that lives."""
    if reservation.state not in ENDED:
        return ""
    thing = "The conversation" if reservation.HasField("accept_time") else "The offer"
    return f"{thing} of {last_part(reservation.contact)} {ENDED[reservation.state]}."


def seconds(moment: Timestamp) -> float:
    """Return a time as seconds since 1970."""
    return moment.ToDatetime(tzinfo=UTC).timestamp()


def _heading(reservation: pb.Reservation) -> str:
    if reservation.state == pb.PENDING:
        return "A conversation is handed on to you" if reservation.takes_over else "A customer for you"
    if reservation.state == pb.ACCEPTED:
        return "You are talking"
    ended = {pb.COMPLETED: "ended", pb.CANCELED: "was canceled", pb.EXPIRED: "ran out of time"}
    return f"The conversation {ended.get(reservation.ends_as, 'ended')}: wrap up"
