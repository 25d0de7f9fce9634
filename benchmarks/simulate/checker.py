"""The checker: a history in, a verdict out. Pure; it knows nothing but what the clients saw.

Lost: a contact that was acknowledged ends by its conversation's end, by its customer or its desk giving it up, or by
its own stated wait; nothing else.

Served twice: one request made one contact, held by one agent at a time; the fences of an agent only grow; what an agent
certainly holds at a moment is within their capacity.

Overtaken beyond the law: see `queue_law`.

Capacity drift: a slot is free before its time or still held after it, by the deadlines the answers state, by when
offers lapsed, and by what agents hold and can take when everything is over.

Steps untold: whoever watches is told every step of a contact, once and in order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from benchmarks.simulate.lives import ENDED, Contact, Day, Hold, live
from benchmarks.simulate.queue_law import overtaken
from benchmarks.simulate.summary import figures
from benchmarks.simulate.verdict import Breach, Law, Verdict
from matcher.model.lifecycle import Cause, ContactState, ReservationState

TICK: Final = 0.01
"""The store's times are whole milliseconds, and its clock and that of the clients are read one after the other."""


def judge(records: Iterable[h.Record]) -> Verdict:
    """Judge a day."""
    day = live(records)
    return Verdict(
        (*_lost(day), *_served_twice(day), *_crowded(day), *overtaken(day), *_terms(day), *_over(day), *_untold(day)),
        figures(day),
    )


def _lost(day: Day) -> Iterator[Breach]:
    for contact in day.contacts.values():
        if contact.acknowledged and (why := _lost_why(day, contact)):
            yield Breach(Law.LOST, f"contact {contact.id} {why}")


def _lost_why(day: Day, contact: Contact) -> str:
    """Say how a contact was lost; "" where it ended as it may."""
    last = contact.steps[-1] if contact.steps else None
    if last is not None and last.state in ENDED:
        return _wrongly_ended(day, contact, last.state, last.cause, last.at)
    if contact.found is None or contact.found.ending is not Ending.OK:
        return "was never heard of again"
    if contact.found.state is None:
        return "is not known any more"
    return _wrongly_ended(day, contact, contact.found.state, contact.found.cause, contact.found.ended)


def _wrongly_ended(day: Day, contact: Contact, state: ContactState, cause: Cause | None, at: float) -> str:
    done = {verb for hold in contact.holds for verb, calls in hold.done.items() if _may_be_done(calls)}
    match state:
        case ContactState.CLOSED:
            rightly, what = Verb.COMPLETE in done, "is closed, and nobody completed it"
        case ContactState.CANCELED:
            rightly, what = Verb.CANCEL in done or _may_be_done(contact.gave_up), "is canceled, and nobody did that"
        case ContactState.EXPIRED if cause is Cause.WAIT_EXPIRED:
            since, may_wait = _wait_in_force(contact, at)
            rightly, what = 0 < may_wait <= at - since + TICK, f"was given up after {at - since:.2f} s"
        case ContactState.EXPIRED:
            rightly, what = any(_outlasted(day, hold, at) for hold in contact.holds), "lapsed before its time"
        case _:
            rightly, what = False, f"is {state} when everything is over"
    return "" if rightly else what


def _wait_in_force(contact: Contact, at: float) -> tuple[float, float]:
    """Return since when a contact waits and how long it may: as its last transfer that may wait says, if it had one."""
    asked = [one for one in contact.transfers if one.wait and one.began <= at and one.ending is not Ending.REFUSED]
    last = max(asked, key=lambda one: one.began, default=None)
    return (contact.arrived_first, contact.may_wait) if last is None else (last.began, last.wait)


def _may_be_done(calls: Iterable[h.Call]) -> bool:
    return any(one.ending is not Ending.REFUSED for one in calls)


def _outlasted(day: Day, hold: Hold, at: float) -> bool:
    """Tell whether a conversation may have gone on for as long as its pool lets it."""
    if hold.first.state is ReservationState.ACCEPTED:
        began = hold.first.created
    else:
        began = min((one.began for one in hold.done[Verb.ACCEPT] if one.ending is not Ending.REFUSED), default=math.inf)
    return at + TICK >= began + day.pools[hold.first.pool].accepted


def _served_twice(day: Day) -> Iterator[Breach]:
    known = {one.contact for attempts in day.requests.values() for one in attempts if one.contact}
    unanswered = sum(all(one.ending is not Ending.OK for one in attempts) for attempts in day.requests.values())
    strangers = [contact.id for contact in day.contacts.values() if contact.id not in known]
    for contact_id in strangers[unanswered:]:
        yield Breach(Law.SERVED_TWICE, f"contact {contact_id} was asked for by nobody")
    for request, attempts in day.requests.items():
        settled = [one for one in attempts if one.ending is Ending.OK and one.outcome is not Outcome.UNMATCHED]
        contacts = {one.contact for one in settled}
        fresh = sum(not one.replayed for one in settled)
        if len(contacts) > 1 or fresh > 1:
            yield Breach(Law.SERVED_TWICE, f"request {request} was done {max(fresh, len(contacts))} times")
    for contact in day.contacts.values():
        for earlier, later in pairwise(contact.holds):
            if earlier.certain_until > later.first.created + TICK:
                both = f"{earlier.first.reservation} and {later.first.reservation}"
                yield Breach(Law.SERVED_TWICE, f"contact {contact.id} was held twice at once, as {both}")
    for agent, holds in day.by_agent.items():
        ordered = sorted(holds, key=lambda hold: hold.first.fence)
        for earlier, later in pairwise(ordered):
            if earlier.first.fence == later.first.fence or earlier.first.created > later.first.created:
                yield Breach(Law.SERVED_TWICE, f"a fence of {agent} is not above the one before: {later.first.fence}")


def _crowded(day: Day) -> Iterator[Breach]:
    """Find agents who certainly hold more than they can; what counts only after an idle time again may."""
    for agent, holds in day.by_agent.items():
        desk, load, counts = day.desks[agent], 0, dict[str, int]()
        moments = [(hold.counts_until, 0, hold) for hold in holds if hold.counts_until > hold.first.created]
        moments += [(hold.first.created, 1, hold) for hold in holds if hold.counts_until > hold.first.created]
        for at, begins, hold in sorted(moments, key=lambda moment: moment[:2]):
            channel, sign = hold.first.channel, 1 if begins else -1
            load += sign * hold.first.cost
            counts[channel] = counts.get(channel, 0) + sign
            most = desk.channels[channel][1]
            if begins and (load > desk.total or (most and counts[channel] > most)):
                what = f"{agent} holds {load} of {desk.total}, {counts[channel]} by {channel}"
                yield Breach(Law.SERVED_TWICE, f"{what}, with {hold.first.reservation} at {at:.3f}")


def _terms(day: Day) -> Iterator[Breach]:
    """Find deadlines that are not what the pool promises, and offers that lapsed before theirs."""
    for hold in day.holds.values():
        first, pool = hold.first, day.pools[hold.first.pool]
        at_once = first.state is ReservationState.ACCEPTED and not hold.done[Verb.ACCEPT]
        if first.state is ReservationState.PENDING or at_once:
            lasts = pool.offer if first.state is ReservationState.PENDING else pool.accepted
            if abs(first.expires - first.created - lasts) > TICK:
                what = f"is held for {first.expires - first.created:.3f} s, not {lasts:g}"
                yield Breach(Law.DRIFT, f"{first.reservation} {what}")
        if (accepted := hold.accepted) is not None and accepted.held is not None:
            earliest = min(one.began for one in hold.done[Verb.ACCEPT]) + pool.accepted
            if not earliest - TICK <= accepted.held.expires <= accepted.ended + pool.accepted + TICK:
                yield Breach(Law.DRIFT, f"{first.reservation} lasts until {accepted.held.expires:.3f} once accepted")
        lapsed = _heard_lapsed(day, hold) if first.state is ReservationState.PENDING else None
        if lapsed is not None and lapsed < first.created + pool.offer - TICK:
            yield Breach(Law.DRIFT, f"{first.reservation} lapsed {lapsed - first.created:.3f} s after it was made")


def _heard_lapsed(day: Day, hold: Hold) -> float | None:
    """Return by when a client had heard that an offer had lapsed."""
    steps = day.contacts[hold.first.contact].steps
    heard = [
        one.heard for one in steps if one.cause is Cause.OFFER_EXPIRED and one.reservation == hold.first.reservation
    ]
    calls = [*hold.done[Verb.ACCEPT], *hold.done[Verb.DECLINE]]
    heard += [one.ended for one in calls if one.ending is Ending.REFUSED and one.reason == "RESERVATION_LAPSED"]
    return min(heard, default=None)


def _over(day: Day) -> Iterator[Breach]:
    """Find agents who hold something when everything is over, or cannot take what they could."""
    for desk in day.found_desks:
        if desk.load or desk.holds:
            yield Breach(Law.DRIFT, f"{desk.agent} holds {desk.load} in {desk.holds} when everything is over")
    for probe in day.probes:
        desk_terms = day.desks[probe.agent]
        cost, most = desk_terms.channels[probe.channel]
        room = min(desk_terms.total // cost, most or desk_terms.total)
        if probe.taken != room:
            yield Breach(Law.DRIFT, f"{probe.agent} takes {probe.taken} by {probe.channel}, not {room}")


def _untold(day: Day) -> Iterator[Breach]:
    told: dict[str, int] = defaultdict(int)
    for contact in day.contacts.values():
        numbers = [one.sequence for one in contact.steps]
        if numbers and numbers != list(range(1, numbers[-1] + 1)):
            told[contact.id] = numbers[-1]
        for hold in contact.holds:
            if contact.steps and hold.first.reservation not in {one.reservation for one in contact.steps}:
                told[contact.id] = numbers[-1]
    for contact_id, last in told.items():
        yield Breach(Law.UNTOLD, f"of contact {contact_id} not all steps up to {last} were told")
