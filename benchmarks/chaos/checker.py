"""The checker: judges a history by laws, from what the clients asked and were told; a pure function.

It imports nothing of the service. A call took effect at some moment between its beginning and its end; a call without
an answer took effect then, later, or never. So a hold is certain from the answer that told of it to the beginning of
the first call, deadline or loss that may have ended it, and only what is certain is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from benchmarks.chaos import history as h
from benchmarks.chaos.errand_laws import errands_done, judge_errands
from benchmarks.chaos.facts import Contact, Facts, Hold, enders, gather, may_be_done, withdrawals
from benchmarks.chaos.record_laws import judge_records
from benchmarks.chaos.timing import judge_times
from benchmarks.chaos.verdict import Breach, Law, Verdict

TICK: Final = 0.02
"""Tolerance of times (s)."""
GONE: Final = frozenset({"RESERVATION_NOT_FOUND", "CONTACT_NOT_FOUND"})
ENDED: Final = frozenset({"CONTACT_CLOSED", "CONTACT_CANCELED", "CONTACT_EXPIRED"})
FAULTS_OF_SERVICE: Final = frozenset({"INTERNAL", "UNKNOWN", "INTERNAL_FAULT"})


def judge(records: Iterable[h.Record]) -> Verdict:
    """Return the verdict on a history."""
    facts = gather(records)
    breaches = tuple(breach for law in LAWS for breach in law(facts))
    return Verdict(breaches, claims(facts))


def claims(facts: Facts) -> dict[str, int]:
    """Return how much was judged."""
    certain = [hold for hold in facts.holds.values() if hold.until > hold.known]
    return {
        "calls": len(facts.calls),
        "steps": len(facts.steps),
        "contacts": sum(contact.acknowledged for contact in facts.contacts.values()),
        "holds": len(facts.holds),
        "holds_certain": len(certain),
        "assigned_above_capacity": sum(hold.over for hold in facts.holds.values()),
        "probes": len(facts.probes),
        "ledger_steps": len(facts.entries),
        **errands_done(facts),
    }


def _above_capacity(facts: Facts) -> Iterator[Breach]:
    """Find agents who certainly hold more than the total, without an assignment above the capacity."""
    by_agent: dict[tuple[str, str], list[Hold]] = {}
    for hold in facts.holds.values():
        if hold.until > hold.known:
            by_agent.setdefault((hold.site, hold.held.agent), []).append(hold)
    for key, holds in by_agent.items():
        staff, now = facts.staff.get(key), list[Hold]()
        if staff is None:
            yield Breach(Law.TENANT, f"{key[0]}: {key[1]} holds a contact and was never created")
            continue
        for hold in sorted(holds, key=lambda hold: hold.known):
            now = [other for other in now if other.until > hold.known + TICK]
            now.append(hold)
            load = sum(other.held.cost for other in now)
            if load > staff.total and not any(other.over for other in now):
                names = ", ".join(other.held.reservation for other in now)
                yield Breach(Law.CAPACITY, f"{key[1]} holds {load} of {staff.total} at {hold.known:.3f}: {names}")


def _fences(facts: Facts) -> Iterator[Breach]:
    """Find reservations of an agent that share a fence, or of which the later one has the smaller."""
    by_agent: dict[tuple[str, str], list[Hold]] = {}
    for hold in facts.holds.values():
        by_agent.setdefault((hold.site, hold.held.agent), []).append(hold)
    for (_, agent), holds in by_agent.items():
        ordered = sorted(holds, key=lambda hold: hold.held.fence)
        for earlier, later in pairwise(ordered):
            if earlier.held.fence == later.held.fence:
                yield Breach(Law.FENCE, f"{agent}: {later.held.fence} twice")
            made = later.acknowledged.verb in {"route", "transfer", "assign"} and not later.acknowledged.replayed
            by_calls = made and later.acknowledged.ended < earlier.acknowledged.began and _made(earlier)
            by_store = facts.clock_steady and later.held.created < earlier.held.created - TICK
            if by_calls or by_store:
                yield Breach(Law.FENCE, f"{agent}: {later.held.fence} came before {earlier.held.fence}")


def _made(hold: Hold) -> bool:
    call = hold.acknowledged
    return call.verb in {"route", "transfer", "assign"} and not call.replayed


def _gone(facts: Facts) -> Iterator[Breach]:
    """Find what was acknowledged and is unknown later, unless the store lost it and the watches were told."""
    for call in facts.calls:
        if call.reason not in GONE:
            continue
        hold = facts.holds.get((call.site, call.reservation))
        contact = facts.contacts.get((call.site, call.contact or (hold.held.contact if hold is not None else "")))
        since = None
        if contact is not None and (contact.site, contact.id) in facts.forgotten:
            continue
        if hold is not None and hold.acknowledged.ended < call.began:
            since = hold.acknowledged.ended
        elif not call.reservation and contact is not None and contact.acknowledged:
            since = min(one.ended for one in contact.routes if one.ending == h.OK)
        if since is None or since > call.began:
            continue
        if (
            contact is not None
            and facts.forgotten_before(call.ended)
            and (contact.told_lost or contact.over_before(call.began))
        ):
            continue
        yield Breach(Law.GONE, f"{call.verb} of {call.reservation or call.contact}: {call.reason} at {call.began:.3f}")


def _twice(facts: Facts) -> Iterator[Breach]:
    """Find requests that were decided twice, and contacts with two agents at a time."""
    for (_, request), attempts in facts.requests.items():
        done = [call for call in attempts if call.ending == h.OK and call.outcome in {"reservation", "queued"}]
        fresh = [call for call in done if not call.replayed]
        contacts = {call.contact for call in done}
        if (len(fresh) > 1 or len(contacts) > 1) and not facts.forgotten_before(max(call.began for call in done)):
            yield Breach(Law.TWICE, f"request {request} was decided {max(len(fresh), len(contacts))} times")
    for contact in facts.contacts.values():
        certain = sorted((hold for hold in contact.holds if hold.until > hold.known), key=lambda hold: hold.known)
        for earlier, later in pairwise(certain):
            if earlier.until > later.known + TICK:
                both = f"{earlier.held.reservation} and {later.held.reservation}"
                yield Breach(Law.TWICE, f"contact {contact.id} has two agents at {later.known:.3f}: {both}")


def _lost(facts: Facts) -> Iterator[Breach]:
    """Find contacts that were acknowledged and have not ended by a lawful cause, though all is over."""
    for contact in facts.contacts.values():
        if not contact.acknowledged or contact.found is None or contact.found.state in {None, ""}:
            continue  # unknown contacts are judged by _gone
        if (why := _ended_wrongly(facts, contact)) and not contact.told_lost:
            yield Breach(Law.LOST, f"contact {contact.id} {why}")


def _ended_wrongly(facts: Facts, contact: Contact) -> str:
    state = contact.found.state if contact.found is not None else ""
    calls = [call for hold in contact.holds for call in hold.answers if may_be_done(call)]
    routes = [call for call in contact.routes if may_be_done(call)]
    match state:
        case "CONTACT_CLOSED":
            lawful, what = any(call.verb == "complete" for call in calls), "is closed, and nobody completed it"
        case "CONTACT_CANCELED":
            asked = [call for call in contact.calls if call.verb == "cancel contact" and may_be_done(call)]
            lawful, what = bool(asked) or any(call.verb == "cancel" for call in calls), "is canceled, and nobody asked"
        case "CONTACT_EXPIRED":
            waits = [call.wait for call in (*routes, *contact.calls) if call.wait]
            # The attempts of a contact whose id the service makes are known by their request.
            attempts = [call for route in routes for call in facts.requests.get((route.site, route.request), [route])]
            first = min(call.began for call in attempts)
            age = contact.found.at - first if contact.found is not None else 0.0
            terms = facts.terms.get((contact.site, next((call.pool for call in routes if call.pool), "")))
            lasts = min([*waits, *([terms.accepted] if terms is not None and contact.holds else [])], default=0.0)
            lawful, what = 0 < lasts <= age + TICK, f"expired at an age of {age:.1f} s"
        case "CONTACT_RETURNED":
            lawful, what = not any(call.wait for call in routes), "is nobody's, though it may wait"
        case "CONTACT_QUEUED":
            had = {step.agent for steps in contact.steps.values() for step in steps}
            left = [agent for site, agent in facts.staff if site == contact.site and agent not in had]
            lawful, what = not left, "still waits when all is over"
        case _:
            lawful, what = False, f"is {state} when all is over"
    return "" if lawful else what


def _ended_by_nobody(facts: Facts) -> Iterator[Breach]:
    """Find reservations that were ended neither by a call nor by their time."""
    for key, found in facts.found_reservations.items():
        hold = facts.holds.get(key)
        if hold is None or found.state in {None, ""}:
            continue
        calls = {call.verb for call in hold.answers if may_be_done(call)}
        of_contact = {call.verb for call in enders(facts, hold)}
        match found.state:
            case "COMPLETED":
                lawful = "complete" in calls or "transfer" in of_contact
            case "DECLINED":
                lawful = "decline" in calls
            case "CANCELED":
                staff = facts.staff.get((hold.site, hold.held.agent))
                left = bool(withdrawals(facts, hold)) or (staff is not None and staff.beats)
                lawful = "cancel" in calls or bool(of_contact) or left
            case "EXPIRED":
                lawful = True  # _lapsed_early judges the time
            case _:
                lawful = found.state not in h.LIVE
        if not lawful:
            yield Breach(Law.ENDED, f"{hold.held.reservation} of {hold.held.agent} is {found.state}")


def _lapsed_early(facts: Facts) -> Iterator[Breach]:
    """Find deadlines other than the pool's, and offers that lapsed before theirs; not where the clock was stepped."""
    for hold in facts.holds.values():
        terms = facts.terms.get((hold.site, hold.held.pool))
        if terms is None or not _made(hold) or not facts.clock_steady:
            continue
        first, made = hold.held, hold.acknowledged
        lasts = terms.accepted if first.state == "ACCEPTED" else terms.offer
        if first.state in {"PENDING", "ACCEPTED"} and abs(first.expires - first.created - lasts) > TICK:
            yield Breach(
                Law.ENDED, f"{first.reservation} is held for {first.expires - first.created:.3f} s, not {lasts:g}"
            )
        late = [call for call in hold.answers if call.verb == "accept" and call.began > made.ended + lasts + TICK]
        early = any(call.verb == "accept" and may_be_done(call) and call not in late for call in hold.answers)
        if first.state == "PENDING" and not early and any(call.ending == h.OK for call in late):
            yield Breach(Law.ENDED, f"{first.reservation} was accepted after its time")
        told = [call.ended for call in hold.answers if call.reason == "RESERVATION_LAPSED"]
        told += [step.heard for step in hold.steps if step.cause == "CAUSE_OFFER_EXPIRED"]
        if first.state == "PENDING" and told and min(told) < made.began + lasts - TICK:
            yield Breach(Law.ENDED, f"{first.reservation} lapsed after {min(told) - made.began:.3f} s, not {lasts:g}")


def _left(facts: Facts) -> Iterator[Breach]:
    """Find agents who hold something when all is over, or who cannot be filled to the total."""
    for found in facts.found_agents:
        staff = facts.staff.get((found.site, found.agent))
        if found.load or found.holds:
            yield Breach(Law.LEFT, f"{found.agent} holds {found.load} in {found.holds} reservations")
        if staff is not None and found.filled not in {-1, staff.total}:
            yield Breach(Law.LEFT, f"{found.agent} can be given {found.filled}, not {staff.total}")


def _tenants(facts: Facts) -> Iterator[Breach]:
    """Find answers and steps that name another site, or an agent of another site."""
    for call in facts.calls:
        if any(site != call.site for site in call.named):
            yield Breach(Law.TENANT, f"{call.verb} in {call.site} names {', '.join(call.named)}")
        if call.held is not None and (call.site, call.held.agent) not in facts.staff:
            yield Breach(Law.TENANT, f"{call.verb} in {call.site} names {call.held.agent}")
    for step in facts.steps:
        if not step.watch.startswith(f"{step.site}-") or (step.agent and (step.site, step.agent) not in facts.staff):
            yield Breach(Law.TENANT, f"{step.watch} heard of {step.contact} and {step.agent} of {step.site}")
    for listed in facts.found_lists:
        strangers = [agent for agent in listed.agents if (listed.site, agent) not in facts.staff]
        missing = [agent for site, agent in facts.staff if site == listed.site and agent not in listed.agents]
        for agent in strangers:
            yield Breach(Law.TENANT, f"the agents of {listed.site} name {agent}")
        for agent in missing:
            yield Breach(Law.GONE, f"{agent} is not on the list of {listed.site}")


def _untold(facts: Facts) -> Iterator[Breach]:
    """Find steps that a watch did not hear, heard twice or out of order, after the first one of a contact."""
    reset = {(watch.site, watch.watch) for watch in facts.watching if watch.reason == "EVENTS_FORGOTTEN"}
    for contact in facts.contacts.values():
        for watch, steps in contact.steps.items():
            numbers = [step.sequence for step in steps]
            if (contact.site, watch) in reset or not numbers:
                continue
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                yield Breach(Law.UNTOLD, f"{watch} heard the steps {numbers} of {contact.id}")


def _errors(facts: Facts) -> Iterator[Breach]:
    """Find calls that were answered UNKNOWN or INTERNAL."""
    for call in facts.calls:
        if call.reason in FAULTS_OF_SERVICE:
            yield Breach(Law.UNKNOWN, f"{call.verb} at replica {call.replica}: {call.reason} at {call.ended:.3f}")


LAWS: Final[tuple[Callable[[Facts], Iterator[Breach]], ...]] = (
    _above_capacity, _fences, _gone, _twice, _lost, _ended_by_nobody, _lapsed_early, _left, _tenants, _untold, _errors,
    judge_errands, judge_records, judge_times,
)  # fmt: skip
