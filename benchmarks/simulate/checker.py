"""The checker: a pure function from a history to a verdict; it reads only what the clients recorded.

Lost: an acknowledged contact must end by the end of its conversation, by a cancellation of its customer or its desk,
or by the end of its wait, and by nothing else.

Served twice: a request must make one contact, which one agent at a time serves; the fences of an agent must only grow;
the certain holds of an agent must be within the agent's capacity at every moment.

Overtaken beyond the law: see `queue_law`.

Capacity drift: a hold must not end before its time or last longer. This is judged by the deadlines in the answers, by
the times at which offers lapsed, and by the agents' holds and free capacity at the end of the day.

Steps untold: a watch must report every step of a contact once and in order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from benchmarks.simulate import history as h
from benchmarks.simulate.facts import ENDED, Contact, Day, Hold
from benchmarks.simulate.history import Ending, Outcome, Verb
from benchmarks.simulate.queue_law import overtaken
from benchmarks.simulate.summary import figures
from benchmarks.simulate.timeline import reconstruct
from benchmarks.simulate.verdict import Breach, Law, Verdict
from matcher.model.lifecycle import Cause, ContactState, ReservationState

TICK: Final = 0.01
"""Tolerance of times: the store rounds to milliseconds, and the clocks of store and clients are read in turn."""


def judge(records: Iterable[h.Record]) -> Verdict:
    """Return the verdict on the history of a day."""
    day = reconstruct(records)
    laws = (_lost, _served_twice, _crowded, overtaken, _terms, _taken_away, _over, _untold)
    return Verdict(tuple(breach for law in laws for breach in law(day)), figures(day))


def _lost(day: Day) -> Iterator[Breach]:
    for contact in day.contacts.values():
        if contact.acknowledged and (why := _lost_why(day, contact)):
            yield Breach(Law.LOST, f"contact {contact.id} {why}")


def _lost_why(day: Day, contact: Contact) -> str:
    """Return how a contact was lost; "" where it ended by a lawful cause."""
    last = contact.steps[-1] if contact.steps else None
    if last is not None and last.state in ENDED:
        return _wrongly_ended(day, contact, last.state, last.cause, last.at)
    if contact.found is None or contact.found.ending is not Ending.OK:
        return "was acknowledged and then never reported again"
    if contact.found.state is None:
        return "is unknown to the service"
    return _wrongly_ended(day, contact, contact.found.state, contact.found.cause, contact.found.ended)


def _wrongly_ended(day: Day, contact: Contact, state: ContactState, cause: Cause | None, at: float) -> str:
    done = {verb for hold in contact.holds for verb, calls in hold.done.items() if _may_be_done(calls)}
    match state:
        case ContactState.CLOSED:
            lawful, what = Verb.COMPLETE in done, "is closed, but no client completed it"
        case ContactState.CANCELED:
            lawful, what = (
                Verb.CANCEL in done or _may_be_done(contact.gave_up),
                "is canceled, but no client canceled it",
            )
        case ContactState.EXPIRED if cause is Cause.WAIT_EXPIRED:
            since, may_wait = _wait_in_force(contact, at)
            lawful, what = 0 < may_wait <= at - since + TICK, f"expired after a wait of {at - since:.2f} s"
        case ContactState.EXPIRED:
            lawful, what = any(_outlasted(day, hold, at) for hold in contact.holds), "expired before its time"
        case _:
            lawful, what = False, f"is {state} at the end of the day"
    return "" if lawful else what


def _wait_in_force(contact: Contact, at: float) -> tuple[float, float]:
    """Return the start of a contact's wait and its allowed length, by its last transfer that may wait, if any."""
    transfers = [
        transfer
        for transfer in contact.transfers
        if transfer.wait and transfer.began <= at and transfer.ending is not Ending.REFUSED
    ]
    last = max(transfers, key=lambda transfer: transfer.began, default=None)
    return (contact.arrived_first, contact.may_wait) if last is None else (last.began, last.wait)


def _may_be_done(calls: Iterable[h.Call]) -> bool:
    return any(call.ending is not Ending.REFUSED for call in calls)


def _outlasted(day: Day, hold: Hold, at: float) -> bool:
    """Return whether a conversation may have lasted as long as its pool allows."""
    if hold.first.state is ReservationState.ACCEPTED:
        began = hold.first.created
    else:
        began = min(
            (call.began for call in hold.done[Verb.ACCEPT] if call.ending is not Ending.REFUSED), default=math.inf
        )
    return at + TICK >= began + day.pools[hold.first.pool].accepted


def _served_twice(day: Day) -> Iterator[Breach]:
    requested = {attempt.contact for attempts in day.requests.values() for attempt in attempts if attempt.contact}
    unanswered = sum(all(attempt.ending is not Ending.OK for attempt in attempts) for attempts in day.requests.values())
    unrequested = [contact.id for contact in day.contacts.values() if contact.id not in requested]
    for contact_id in unrequested[unanswered:]:
        yield Breach(Law.SERVED_TWICE, f"contact {contact_id} has no request")
    for request, attempts in day.requests.items():
        settled = [
            attempt for attempt in attempts if attempt.ending is Ending.OK and attempt.outcome is not Outcome.UNMATCHED
        ]
        contacts = {attempt.contact for attempt in settled}
        fresh = sum(not attempt.replayed for attempt in settled)
        if len(contacts) > 1 or fresh > 1:
            yield Breach(Law.SERVED_TWICE, f"request {request} was done {max(fresh, len(contacts))} times")
    for contact in day.contacts.values():
        for earlier, later in pairwise(contact.holds):
            if earlier.certain_until > later.first.created + TICK:
                both = f"{earlier.first.reservation} and {later.first.reservation}"
                yield Breach(Law.SERVED_TWICE, f"contact {contact.id} was held twice at the same time, as {both}")
    for agent, holds in day.by_agent.items():
        ordered = sorted(holds, key=lambda hold: hold.first.fence)
        for earlier, later in pairwise(ordered):
            if earlier.first.fence == later.first.fence or earlier.first.created > later.first.created:
                yield Breach(Law.SERVED_TWICE, f"a fence of {agent} is not above its predecessor: {later.first.fence}")


def _crowded(day: Day) -> Iterator[Breach]:
    """Find agents whose certain holds exceed their capacity.

    An idle conversation that becomes active again may exceed it lawfully, and so may a supervisor's assignment: these
    are counted apart.
    """
    for agent, holds in day.by_agent.items():
        desk, load, counts = day.desks[agent], 0, dict[str, int]()
        moments = [(hold.counts_until, 0, hold) for hold in holds if hold.counts_until > hold.first.created]
        moments += [(hold.first.created, 1, hold) for hold in holds if hold.counts_until > hold.first.created]
        for at, starts, hold in sorted(moments, key=lambda moment: moment[:2]):
            channel, sign = hold.first.channel, 1 if starts else -1
            load += sign * hold.first.cost
            counts[channel] = counts.get(channel, 0) + sign
            _, most = desk.channels.get(channel, (0, 0))  # a supervisor assigns on any channel
            if starts and not hold.assigned and (load > desk.total or (most and counts[channel] > most)):
                what = f"{agent} holds {load} of {desk.total}, {counts[channel]} by {channel}"
                yield Breach(Law.SERVED_TWICE, f"{what}, with {hold.first.reservation} at {at:.3f}")


def _terms(day: Day) -> Iterator[Breach]:
    """Find deadlines that differ from the pool's terms, and offers that lapsed before their deadline."""
    for hold in day.holds.values():
        first, pool = hold.first, day.pools[hold.first.pool]
        at_once = first.state is ReservationState.ACCEPTED and not hold.done[Verb.ACCEPT]
        if first.state is ReservationState.PENDING or at_once:
            lasts = pool.offer if first.state is ReservationState.PENDING else pool.lasts(answered=False)
            if abs(first.expires - first.created - lasts) > TICK:
                what = f"is held for {first.expires - first.created:.3f} s, not {lasts:g}"
                yield Breach(Law.DRIFT, f"{first.reservation} {what}")
        if (accepted := hold.accepted) is not None and accepted.held is not None:
            lasts = pool.lasts(answered=False)
            earliest = min(call.began for call in hold.done[Verb.ACCEPT]) + lasts
            if not earliest - TICK <= accepted.held.expires <= accepted.ended + lasts + TICK:
                yield Breach(Law.DRIFT, f"{first.reservation} lasts until {accepted.held.expires:.3f} once accepted")
        lapsed = _reported_lapsed(day, hold) if first.state is ReservationState.PENDING else None
        if lapsed is not None and lapsed < first.created + pool.offer - TICK:
            yield Breach(Law.DRIFT, f"{first.reservation} lapsed {lapsed - first.created:.3f} s after its creation")


def _taken_away(day: Day) -> Iterator[Breach]:
    """Find conversations that an agent lost for want of an answer, though the answer came or the time was not over."""
    for hold in day.holds.values():
        steps = day.contacts[hold.first.contact].steps
        lost = [
            step.at
            for step in steps
            if step.cause is Cause.NO_FIRST_RESPONSE and step.reservation == hold.first.reservation
        ]
        if not lost:
            continue
        accepts = [call.began for call in hold.done[Verb.ACCEPT] if call.ending is not Ending.REFUSED]
        began = min(accepts, default=hold.first.created)
        answered = any(call.ending is Ending.OK for call in hold.done[Verb.TOUCH])
        if answered or lost[0] < began + day.pools[hold.first.pool].first_response - TICK:
            what = f"was taken from {hold.first.agent} {lost[0] - began:.3f} s after its acceptance"
            yield Breach(Law.DRIFT, f"{hold.first.reservation} {what}{', who had answered' if answered else ''}")


def _reported_lapsed(day: Day, hold: Hold) -> float | None:
    """Return the time at which a client first got the report that an offer had lapsed; None without a report."""
    steps = day.contacts[hold.first.contact].steps
    times = [
        step.heard for step in steps if step.cause is Cause.OFFER_EXPIRED and step.reservation == hold.first.reservation
    ]
    calls = [*hold.done[Verb.ACCEPT], *hold.done[Verb.DECLINE]]
    times += [call.ended for call in calls if call.ending is Ending.REFUSED and call.reason == "RESERVATION_LAPSED"]
    return min(times, default=None)


def _over(day: Day) -> Iterator[Breach]:
    """Find agents who still have holds at the end of the day, or whose free capacity is not their whole capacity."""
    for desk in day.found_desks:
        if desk.load or desk.holds:
            yield Breach(
                Law.DRIFT, f"{desk.agent} has a load of {desk.load} in {desk.holds} holds at the end of the day"
            )
    for probe in day.probes:
        desk_terms = day.desks[probe.agent]
        cost, most = desk_terms.channels[probe.channel]
        capacity = min(desk_terms.total // cost, most or desk_terms.total)
        if probe.taken != capacity:
            yield Breach(Law.DRIFT, f"{probe.agent} gets {probe.taken} by {probe.channel}, not {capacity}")


def _untold(day: Day) -> Iterator[Breach]:
    incomplete: dict[str, int] = defaultdict(int)
    for contact in day.contacts.values():
        numbers = [step.sequence for step in contact.steps]
        if numbers and numbers != list(range(1, numbers[-1] + 1)):
            incomplete[contact.id] = numbers[-1]
        for hold in contact.holds:
            if contact.steps and hold.first.reservation not in {step.reservation for step in contact.steps}:
                incomplete[contact.id] = numbers[-1]
    for contact_id, last in incomplete.items():
        yield Breach(Law.UNTOLD, f"not all steps of contact {contact_id} up to {last} were reported")
