"""Hand-made histories of two pools, two agents and a few calls; times are seconds from the start of the day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import Cause, ContactState, ReservationState

OFFER, ACCEPTED, WAIT = 5.0, 120.0, 60.0
POOL = h.PoolTerms(id="care", offer=OFFER, accepted=ACCEPTED, wait=WAIT, wait_weight=0.5)
"""With this wait_weight no contact may be overtaken by a contact that arrived more than 2 s later."""
FIRST = h.PoolTerms(id="first", offer=OFFER, accepted=ACCEPTED, wait=WAIT, wait_weight=0.5, head_start=10.0)
BEA = h.Desk(agent="bea", pools=("care", "first"), total=100, channels={"chat": (30, 1), "voice": (100, 1)})
TOM = h.Desk(agent="tom", pools=("care",), total=100, channels={"chat": (30, 2)}, skills={"law": 2}, languages=("de",))
SETTING: list[h.Record] = [POOL, FIRST, BEA, TOM]
WISH = h.Wish(pool="care", channel="chat")
LAG = 0.1
"""The duration of a call."""


def held(reservation: str, contact: str, at: float, *, agent: str = "bea", fence: int = 0, **other: Any) -> h.Held:
    """Return an offer at its creation."""
    fields: dict[str, Any] = {
        "pool": "care",
        "channel": "chat",
        "cost": 30,
        "state": ReservationState.PENDING,
        "expires": at + OFFER,
        **other,
    }
    return h.Held(
        reservation=reservation, agent=agent, contact=contact, fence=fence or round(at * 1e6), created=at, **fields
    )


def routed(contact: str, at: float, reservation: h.Held | None = None, **other: Any) -> h.Routed:
    """Return an answered route: held if there is a reservation, else queued."""
    fields: dict[str, Any] = {
        "request": f"request-{contact}",
        "wish": WISH,
        "contact": contact,
        "wait": WAIT,
        "outcome": Outcome.QUEUED if reservation is None else Outcome.HELD,
        "held": reservation,
        **other,
    }
    return h.Routed(began=at - LAG / 2, ended=at + LAG / 2, **fields)


def did(verb: Verb, reservation: h.Held, at: float, *, ending: Ending = Ending.OK, reason: str = "") -> h.Answered:
    """Return a call of a desk on a reservation."""
    lasts = {Verb.ACCEPT: at + ACCEPTED}
    states = {Verb.ACCEPT: ReservationState.ACCEPTED, Verb.COMPLETE: ReservationState.COMPLETED}
    after = msgspec.structs.replace(
        reservation,
        state=states.get(verb, reservation.state),
        expires=lasts.get(verb, reservation.expires),
    )
    return h.Answered(
        began=at - LAG / 2,
        ended=at + LAG / 2,
        ending=ending,
        reason=reason,
        verb=verb,
        reservation=reservation.reservation,
        held=after if ending is Ending.OK else None,
    )


def talk(reservation: h.Held, accepted: float, completed: float) -> Iterator[h.Record]:
    """Yield the acceptance and the end of a conversation."""
    yield did(Verb.READ, reservation, reservation.created + LAG)
    yield did(Verb.ACCEPT, reservation, accepted)
    yield did(Verb.COMPLETE, reservation, completed)


class Steps:
    """Makes the steps of contacts in order."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(
        self, contact: str, state: ContactState, cause: Cause, at: float, reservation: h.Held | None = None
    ) -> h.Stepped:
        """Return the next step of a contact."""
        self._numbers[contact] = self._numbers.get(contact, 0) + 1
        return h.Stepped(
            contact=contact,
            sequence=self._numbers[contact],
            state=state,
            cause=cause,
            reservation=reservation.reservation if reservation else "",
            agent=reservation.agent if reservation else "",
            pool="care",
            at=at,
            heard=at + LAG,
        )

    def offered(self, reservation: h.Held) -> h.Stepped:
        """Return the step of an offer."""
        return self(reservation.contact, ContactState.RESERVED, Cause.OFFERED, reservation.created, reservation)

    def talked(self, reservation: h.Held, accepted: float, completed: float) -> Iterator[h.Stepped]:
        """Yield the steps after the offer."""
        yield self(reservation.contact, ContactState.ASSIGNED, Cause.ACCEPTED, accepted, reservation)
        yield self(reservation.contact, ContactState.CLOSED, Cause.COMPLETED, completed, reservation)

    def queued(self, contact: str, at: float) -> h.Stepped:
        """Return the step of a contact into the queue."""
        return self(contact, ContactState.QUEUED, Cause.NOBODY_FREE, at)


def served(steps: Steps, contact: str, at: float, reservation: str, until: float, **other: Any) -> list[h.Record]:
    """Return all records of a contact that gets an agent at once and is served."""
    offer = held(reservation, contact, at, **other)
    return [
        routed(contact, at, offer),
        steps.offered(offer),
        *talk(offer, at + 1, until),
        *steps.talked(offer, at + 1, until),
    ]


def waited(
    steps: Steps, contact: str, arrived: float, at: float, reservation: str, until: float, **other: Any
) -> list[h.Record]:
    """Return all records of a contact that waits before it is offered and served."""
    offer = held(reservation, contact, at, **other)
    return [
        routed(contact, arrived),
        steps.queued(contact, arrived),
        steps.offered(offer),
        *talk(offer, at + 1, until),
        *steps.talked(offer, at + 1, until),
    ]
