"""The call of a reserve and its answer: values to what the store's verb takes, and back."""

from __future__ import annotations

from typing import Any, Final

from matcher.errors import PoolNotFound
from matcher.model import Constraint, Reservation
from matcher.model.lifecycle import ReservationState
from matcher.model.resource_names import pool_name
from matcher.store import verbs
from matcher.store.keys import Keys
from matcher.store.reserve_request import (
    Enqueued,
    Full,
    Lifetimes,
    Refusal,
    Refused,
    Replayed,
    ReservationRef,
    ReserveAnswer,
    Reserved,
    ReserveRequest,
    Shortlist,
)

GONE: Final = b"GONE"
"""What the store says of a candidate who does not exist."""


def reserve_call(
    request: ReserveRequest, shortlist: Shortlist, lifetimes: Lifetimes, *, or_wait: bool
) -> verbs.Reserve:
    """Return the call of the store that a request asks for; or_wait: as of `ReservationStore.reserve`."""
    keys, wait, old = Keys(request.site), request.waiting, request.handed_on
    return verbs.Reserve(
        step=verbs.ContactStep.of(keys, request.contact, lifetimes.keep_ms, lifetimes.events_kept),
        once=keys.once("route", request.request_id),
        reservation=keys.reservation(request.reservation),
        decision=keys.decision(request.decision),
        pool=keys.pool(request.pool),
        due=keys.due,
        roster=keys.roster,
        digest=request.digest,
        former_digests=" ".join(request.former_digests),
        once_ms=lifetimes.own_request_ms if request.own_request else lifetimes.request_window_ms,
        reservation_id=request.reservation,
        decision_id=request.decision,
        pool_id=request.pool,
        pool_uid=request.pool_uid,
        channel=request.channel,
        customer=request.customer,
        basis=shortlist.basis,
        hold_ms=request.hold_ms,
        state=ReservationState.ACCEPTED if request.accepted else ReservationState.PENDING,
        tolerance=repr(shortlist.tolerance),
        decision_record=shortlist.record,
        decision_ms=lifetimes.decision_ms,
        kind=request.how,
        wait_ms="" if wait is None else wait.most_ms,
        sealed=b"" if wait is None else wait.sealed,
        needs=request.requirements,
        only=request.only,
        head_start_ms=0 if wait is None else wait.head_start_ms,
        waits_if="full" if or_wait else "kept" if request.lines_up else "",
        idle_ms=request.idle_ms,
        handed_on=(
            None if old is None else handed_on(old, request.handed_on_wrap_up_ms, keeps_agent=request.keeps_agent)
        ),
        candidates=[
            verbs.Candidate(agent=keys.agent(agent), holds=keys.holds(agent), id=agent, affinity=repr(affinity))
            for agent, affinity in shortlist.candidates
        ],
    )


def handed_on(ref: ReservationRef, wrap_up_ms: int, *, keeps_agent: bool) -> verbs.HandedOn:
    """Return the reservation that a transfer ends, as the verbs take it."""
    keys = Keys(ref.site)
    return verbs.HandedOn(
        reservation=keys.reservation(ref.reservation),
        agent=keys.agent(ref.agent),
        holds=keys.holds(ref.agent),
        id=ref.reservation,
        wrap_up_ms=wrap_up_ms,
        release="ON_ACCEPT" if keeps_agent else "ON_HOLD",
    )


def reserve_answer(request: ReserveRequest, shortlist: Shortlist, answer: list[Any]) -> ReserveAnswer:
    """Return the store's answer to a request as a value. Raises PoolNotFound."""
    match answer:
        case [b"held", agent, fence, cost, created, deadline, event, agent_uid]:
            return Reserved(
                Reservation(
                    id=request.reservation,
                    agent=agent.decode(),
                    contact=request.contact,
                    decision=request.decision,
                    pool=request.pool,
                    channel=request.channel,
                    cost=int(cost),
                    state=ReservationState.ACCEPTED if request.accepted else ReservationState.PENDING,
                    fence=int(fence),
                    basis=shortlist.basis,
                    created_ms=int(created),
                    deadline_ms=int(deadline),
                    accepted_ms=int(created) if request.accepted else 0,
                    agent_uid=agent_uid.decode(),
                    takes_over=request.handed_on.reservation if request.handed_on and request.keeps_agent else "",
                ),
                event.decode(),
            )
        case [b"replayed", reservation, decision, contact]:
            return Replayed(reservation.decode(), decision.decode(), contact.decode())
        case [b"queued", score, waits_until, event]:
            return Enqueued(int(score), int(waits_until), event.decode())
        case [b"no_pool"]:
            raise PoolNotFound(pool_name(request.site, request.pool))
        case [b"full", load_event, roster_event, refused]:
            why = (None if word == GONE else Constraint(word.decode()) for word in refused.split(b"|") if word)
            agents = (agent for agent, _ in shortlist.candidates)
            return Full(int(load_event), int(roster_event), dict(zip(agents, why, strict=True)))
        case [why, *detail]:
            return Refused(Refusal(why.decode()), *(word.decode() for word in detail))
        case _:
            raise ValueError(f"the store answered a reserve with {answer!r}")
