"""Hand-made histories: a pool, two agents, and a few calls. Times are seconds from the beginning of the day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import Cause, ContactState, ReservationState

OFFER, ACCEPTED, WAIT = 5.0, 120.0, 60.0
POOL = h.PoolTerms(id="care", offer=OFFER, accepted=ACCEPTED, wait=WAIT, wait_weight=0.5)
"""Nobody is overtaken by a contact that came more than 2 s later."""
FIRST = h.PoolTerms(id="first", offer=OFFER, accepted=ACCEPTED, wait=WAIT, wait_weight=0.5, head_start=10.0)
BEA = h.Desk(agent="bea", pools=("care", "first"), total=100, channels={"chat": (30, 1), "voice": (100, 1)})
TOM = h.Desk(agent="tom", pools=("care",), total=100, channels={"chat": (30, 2)}, skills={"law": 2}, languages=("de",))
SETTING: list[h.Record] = [POOL, FIRST, BEA, TOM]
WISH = h.Wish(pool="care", channel="chat")
LAG = 0.1
"""What a call takes."""


def held(reservation: str, contact: str, at: float, *, agent: str = "bea", fence: int = 0, **other: Any) -> h.Held:
    """Return an offer as it was made."""
    given: dict[str, Any] = {
        "pool": "care",
        "channel": "chat",
        "cost": 30,
        "state": ReservationState.PENDING,
        "expires": at + OFFER,
        **other,
    }
    return h.Held(
        reservation=reservation, agent=agent, contact=contact, fence=fence or round(at * 1e6), created=at, **given
    )


def routed(contact: str, at: float, one: h.Held | None = None, **other: Any) -> h.Routed:
    """Return a route that was answered: held, where there is a reservation, else queued."""
    given: dict[str, Any] = {
        "request": f"request-{contact}",
        "wish": WISH,
        "contact": contact,
        "wait": WAIT,
        "outcome": Outcome.QUEUED if one is None else Outcome.HELD,
        "held": one,
        **other,
    }
    return h.Routed(began=at - LAG / 2, ended=at + LAG / 2, **given)


def did(verb: Verb, one: h.Held, at: float, *, ending: Ending = Ending.OK, reason: str = "") -> h.Answered:
    """Return what a desk did."""
    lasts = {Verb.ACCEPT: at + ACCEPTED}
    states = {Verb.ACCEPT: ReservationState.ACCEPTED, Verb.COMPLETE: ReservationState.COMPLETED}
    after = h.Held(
        reservation=one.reservation, agent=one.agent, contact=one.contact, pool=one.pool, channel=one.channel,
        cost=one.cost, state=states.get(verb, one.state), fence=one.fence, created=one.created,
        expires=lasts.get(verb, one.expires),
    )  # fmt: skip
    return h.Answered(
        began=at - LAG / 2,
        ended=at + LAG / 2,
        ending=ending,
        reason=reason,
        verb=verb,
        reservation=one.reservation,
        held=after if ending is Ending.OK else None,
    )


def talk(one: h.Held, accepted: float, completed: float) -> Iterator[h.Record]:
    """Return the acceptance and the end of a conversation."""
    yield did(Verb.READ, one, one.created + LAG)
    yield did(Verb.ACCEPT, one, accepted)
    yield did(Verb.COMPLETE, one, completed)


class Steps:
    """Tells the steps of contacts in order."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __call__(
        self, contact: str, state: ContactState, cause: Cause, at: float, one: h.Held | None = None
    ) -> h.Stepped:
        """Return the next step of a contact."""
        self._told[contact] = self._told.get(contact, 0) + 1
        return h.Stepped(
            contact=contact,
            sequence=self._told[contact],
            state=state,
            cause=cause,
            reservation=one.reservation if one else "",
            agent=one.agent if one else "",
            pool="care",
            at=at,
            heard=at + LAG,
        )

    def offered(self, one: h.Held) -> h.Stepped:
        """Return the step to an offer."""
        return self(one.contact, ContactState.RESERVED, Cause.OFFERED, one.created, one)

    def talked(self, one: h.Held, accepted: float, completed: float) -> Iterator[h.Stepped]:
        """Return the steps from the offer on."""
        yield self(one.contact, ContactState.ASSIGNED, Cause.ACCEPTED, accepted, one)
        yield self(one.contact, ContactState.CLOSED, Cause.COMPLETED, completed, one)

    def queued(self, contact: str, at: float) -> h.Stepped:
        """Return the step into the queue."""
        return self(contact, ContactState.QUEUED, Cause.NOBODY_FREE, at)


def served(steps: Steps, contact: str, at: float, reservation: str, until: float, **other: Any) -> list[h.Record]:
    """Return everything of a contact that is held at once and talked with."""
    one = held(reservation, contact, at, **other)
    return [
        routed(contact, at, one),
        steps.offered(one),
        *talk(one, at + 1, until),
        *steps.talked(one, at + 1, until),
    ]


def waited(
    steps: Steps, contact: str, came: float, at: float, reservation: str, until: float, **other: Any
) -> list[h.Record]:
    """Return everything of a contact that waits before it is offered and talked with."""
    one = held(reservation, contact, at, **other)
    return [
        routed(contact, came),
        steps.queued(contact, came),
        steps.offered(one),
        *talk(one, at + 1, until),
        *steps.talked(one, at + 1, until),
    ]
