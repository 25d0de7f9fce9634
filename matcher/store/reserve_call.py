"""The call of a reserve: a request as the store's verb takes it."""

from __future__ import annotations

from matcher.model.lifecycle import ReservationState
from matcher.store import verbs
from matcher.store.keys import Keys
from matcher.store.reserve_request import NO_CALLER, Lifetimes, ReservationRef, ReserveRequest, Shortlist


def reserve_call(
    request: ReserveRequest,
    shortlist: Shortlist,
    lifetimes: Lifetimes,
    *,
    or_wait: bool,
    schema: int,
    customer_digest: str = "",
) -> verbs.Reserve:
    """Return the call of the store that a request asks for; or_wait: as of `ReservationStore.reserve`.

    schema: the store's, in which an assignment by hand is written. customer_digest: that of the customer's handle.
    """
    keys, wait, old, by_hand = Keys(request.site), request.waiting, request.handed_on, request.by_hand
    return verbs.Reserve(
        step=verbs.ContactStep.of(
            keys, request.contact, lifetimes.keep_ms, lifetimes.events_kept, lifetimes.outbox_kept
        ),
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
        customer_digest=customer_digest,
        basis=shortlist.basis,
        arm=request.draw.packed if request.draw else "",
        compared=shortlist.compared,
        hold_ms=request.hold_ms,
        state=ReservationState.ACCEPTED if request.accepted else ReservationState.PENDING,
        tolerance=repr(shortlist.tolerance),
        decision_record=shortlist.record,
        decision_ms=lifetimes.decision_ms,
        kind=request.how,
        wait_ms="" if wait is None else wait.most_ms,
        sealed=b"" if wait is None else wait.sealed,
        facts=shortlist.facts if lifetimes.outbox_kept else "",
        needs=request.requirements,
        only=request.only,
        head_start_ms=0 if wait is None else wait.head_start_ms,
        waits_if="full" if or_wait else "kept" if request.may_queue else "",
        idle_ms=request.idle_ms,
        first_ms=request.first_ms,
        release="ON_ACCEPT" if request.keeps_agent else "ON_HOLD",
        handed_on=None if old is None else handed_on(old, request.handed_on_wrap_up_ms),
        by_hand=None if by_hand is None else by_hand.part(accepted=request.accepted, schema=schema),
        scope=request.scope,
        most_waiting=lifetimes.quotas.waiting_contacts,
        most_offers=lifetimes.quotas.open_offers,
        by=request.by if lifetimes.counts_callers else "",
        most_own_offers=lifetimes.own_quotas.open_offers if request.by != NO_CALLER else 0,
        most_own_waiting=lifetimes.own_quotas.waiting_contacts if request.by != NO_CALLER else 0,
        candidates=[
            verbs.Candidate(agent=keys.agent(agent), holds=keys.holds(agent), id=agent, affinity=repr(affinity))
            for agent, affinity in shortlist.candidates
        ],
    )


def handed_on(ref: ReservationRef, wrap_up_ms: int) -> verbs.HandedOn:
    """Return the reservation that a transfer ends, as the verbs take it."""
    keys = Keys(ref.site)
    return verbs.HandedOn(
        reservation=keys.reservation(ref.reservation),
        agent=keys.agent(ref.agent),
        holds=keys.holds(ref.agent),
        id=ref.reservation,
        wrap_up_ms=wrap_up_ms,
    )
