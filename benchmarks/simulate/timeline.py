"""The timeline of a day: derives from the clients' calls what is certain of each contact, each hold and each wait.

The service did a call at some moment between its start and its answer; a call without an answer was done at any later
time or never. So a hold *certainly* lasts until the start of the first call that may have ended it, and *possibly*
until the answer of a call that did. The laws against double service use the certain times; the law of the queue uses
the possible times, in favour of the service.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeVar

from benchmarks.simulate import history as h
from benchmarks.simulate.facts import AWAY, LEFT, NOBODYS, Contact, Day, Hold, Wait, began, ended
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import Cause, ContactState, ReservationState

T = TypeVar("T")

LATE_SECONDS: Final = 5.0
"""Seconds after its deadline at which a hold has certainly ended: after a death, a lease and a second pass at most."""


def of_kind(records: Iterable[h.Record], kind: type[T]) -> list[T]:
    """Return the records of a type."""
    return [record for record in records if isinstance(record, kind)]


def reconstruct(records: Iterable[h.Record]) -> Day:
    """Return the day of a history."""
    day, all_records = Day(), list(records)
    day.pools = {pool.id: pool for pool in of_kind(all_records, h.PoolTerms)}
    day.desks = {desk.agent: desk for desk in of_kind(all_records, h.Desk)}
    day.probes = of_kind(all_records, h.Probed)
    day.found_desks = of_kind(all_records, h.FoundDesk)
    day.outages = of_kind(all_records, h.Outage)
    for declared in of_kind(all_records, h.Declared):
        day.declared[declared.agent].append(declared)
    for dismissed in of_kind(all_records, h.Dismissed):
        day.dismissed[dismissed.agent].append(dismissed)
    _read_contacts(day, all_records)
    _read_holds(day, all_records)
    _arrivals(day)
    for hold in day.holds.values():
        _bound(day, hold)
    for contact in day.contacts.values():
        contact.waits = _waits(contact)
    return day


def _contact(day: Day, contact: str) -> Contact:
    if contact not in day.contacts:
        day.contacts[contact] = Contact(contact)
    return day.contacts[contact]


def _read_contacts(day: Day, records: list[h.Record]) -> None:
    for record in records:
        match record:
            case h.Routed():
                day.requests[record.request].append(record)
            case h.Transferred():
                _contact(day, record.contact).transfers.append(record)
            case h.Stepped():
                _contact(day, record.contact).steps.append(record)
            case h.Assigned():
                _contact(day, record.contact).assignments.append(record)
            case h.GaveUp():
                _contact(day, record.contact).gave_up.append(record)
            case h.FoundArm():
                _contact(day, record.contact).control = record.control
            case h.FoundContact():
                _contact(day, record.contact).found = record
            case _:
                pass
    _read_routes(day)
    for contact in day.contacts.values():
        contact.steps = sorted({step.sequence: step for step in contact.steps}.values(), key=lambda step: step.sequence)


def _read_routes(day: Day) -> None:
    for attempts in day.requests.values():
        # Attempts without an answer belong to the contact that the answers of the others name.
        for name in sorted({attempt.contact for attempt in attempts if attempt.contact}):
            _contact(day, name).routes += [attempt for attempt in attempts if attempt.contact in ("", name)]


def _read_holds(day: Day, records: list[h.Record]) -> None:
    for record in records:
        match record:
            case h.Routed(held=h.Held() as held) | h.Transferred(held=h.Held() as held):
                _hold(day, held, direct=not record.replayed)
            case h.Assigned(held=h.Held() as held):
                _hold(day, held, direct=True)
                day.holds[held.reservation].assigned = True
            case h.Answered(held=h.Held() as held, verb=Verb.READ):
                _hold(day, held, direct=False)
            case _:
                pass
    for hold in sorted(day.holds.values(), key=lambda hold: hold.first.created):
        day.by_agent[hold.first.agent].append(hold)
        _contact(day, hold.first.contact).holds.append(hold)
    _read_calls(day, records)


def _read_calls(day: Day, records: list[h.Record]) -> None:
    """Add the calls on each hold, and the affinities that were read."""
    for record in records:
        match record:
            case h.Answered() if record.reservation in day.holds:
                day.holds[record.reservation].done[record.verb].append(record)
            case h.Transferred() if record.old in day.holds:
                _handed_on(day, record).transfers.append(record)
            case h.Weighed(affinity=float() as affinity):
                day.weighed[record.reservation] = affinity
            case h.Routed(held=h.Held() as held, affinity=float() as affinity):
                day.weighed[held.reservation] = affinity
            case _:
                pass


def _hold(day: Day, held: h.Held, *, direct: bool) -> None:
    existing = day.holds.get(held.reservation)
    if existing is None:
        day.holds[held.reservation] = Hold(held, direct)
    elif direct:
        existing.direct = True


def _arrivals(day: Day) -> None:
    first_of: dict[str, float] = {}
    for contact in day.contacts.values():
        if not contact.routes:
            continue
        contact.arrived_first = min(route.began for route in contact.routes)
        answered = [route.ended for route in contact.routes if route.ending is Ending.OK]
        contact.arrived_last = min(answered, default=math.inf)
        customer = contact.routes[0].customer
        if customer:
            first_of[customer] = min(first_of.get(customer, math.inf), contact.arrived_first)
    for contact in day.contacts.values():
        if contact.routes and contact.routes[0].customer:
            contact.returning = first_of[contact.routes[0].customer] < contact.arrived_first


def _bound(day: Day, hold: Hold) -> None:
    pool, contact = day.pools[hold.first.pool], day.contacts[hold.first.contact]
    steps = [step for step in contact.steps if step.at >= hold.first.created]
    gone = [step.at for step in steps if step.reservation == hold.first.reservation and step.cause in LEFT]
    given_up = [call for call in contact.gave_up if call.ended >= hold.first.created]
    certain = [hold.deadline, began(hold.done[Verb.DECLINE]), began(hold.done[Verb.CANCEL]), began(given_up), *gone]
    possible = [ended(hold.done[Verb.DECLINE]), ended(hold.done[Verb.CANCEL]), ended(given_up), *gone]
    possible.append(_certainly_lapsed(day, hold.latest_deadline(pool)))
    # Whatever a removed agent held ends, also a wrap-up.
    dismissed = [call for call in day.dismissed[hold.first.agent] if call.ended >= hold.first.created]
    certain.append(began(dismissed))
    possible.append(ended(call for call in dismissed if call.began >= hold.first.created))
    # An assignment withdraws the offer that the contact had.
    by_hand = [
        call
        for call in contact.assignments
        if call.ended >= hold.first.created and (call.held is None or call.held.reservation != hold.first.reservation)
    ]
    certain.append(began(by_hand))
    certain.append(began(hold.done[Verb.END_WRAP_UP]))
    possible.append(ended(hold.done[Verb.END_WRAP_UP]))
    certain.append(_transferred(contact, hold))
    certain.append(_completed(hold, pool))
    if hold.talked_from is None:
        # The offers of an agent who leaves are withdrawn.
        certain += [max(call.began, hold.first.created) for call in _left(day, hold)]
    for complete in hold.done[Verb.COMPLETE]:
        if complete.ending is Ending.OK and complete.held is not None:
            wraps = complete.held.state is ReservationState.WRAPPING
            possible.append(_certainly_lapsed(day, complete.held.expires) if wraps else complete.ended)
    # A hold ends before the contact's next hold starts; only the wrap-up after a conversation lasts longer.
    wrap_up = 0.0 if hold.talked_from is None else pool.wrap_up
    possible += [
        other.first.created + wrap_up
        for other in contact.holds
        if other is not hold and other.first.created > hold.first.created
    ]
    possible += [step.at for step in steps if step.state in NOBODYS and step.reservation == hold.first.reservation]
    hold.certain_until, hold.possible_until = min(certain), min(possible)
    hold.counts_until = hold.certain_until
    if pool.idle:
        accepted = began(hold.done[Verb.ACCEPT])
        active = accepted if math.isfinite(accepted) else hold.first.created
        hold.counts_until = min(hold.certain_until, active + pool.idle)


def _left(day: Day, hold: Hold) -> list[h.Declared]:
    created = hold.first.created
    return [
        call
        for call in day.declared[hold.first.agent]
        if call.ended >= created and call.ending is not Ending.REFUSED and call.status in AWAY
    ]


def _completed(hold: Hold, pool: h.PoolTerms) -> float:
    """Return until when the hold certainly lasted, by the calls that complete it; a wrap-up extends it."""
    calls = [call for call in hold.done[Verb.COMPLETE] if call.ending is not Ending.REFUSED]
    if not calls:
        return math.inf
    first = min(calls, key=lambda call: call.began)
    wraps = first.held is not None and first.held.state is ReservationState.WRAPPING
    return first.began + pool.wrap_up if wraps else first.began


def _transferred(contact: Contact, hold: Hold) -> float:
    """Return until when the hold certainly lasted, by the transfers of its contact.

    If a transfer waits, the hold lasts until another agent is reserved.
    """
    transfers = [
        transfer
        for transfer in hold.transfers
        if transfer.ending is not Ending.REFUSED and transfer.outcome is not Outcome.UNMATCHED
    ]
    if not transfers:
        return math.inf
    answered = [transfer for transfer in transfers if transfer.ending is Ending.OK]
    if any(transfer.outcome is Outcome.QUEUED for transfer in answered):
        return min(
            (other.first.created for other in contact.holds if other.first.created > hold.first.created),
            default=math.inf,
        )
    return min(transfer.began for transfer in transfers)


def _handed_on(day: Day, transfer: h.Transferred) -> Hold:
    """Return the hold that a transfer ends: that of the agent who has the contact, not of the desk that asked.

    A transfer names the contact. The desk of an agent who was removed may ask for one when another agent has it.
    """
    new = transfer.held.reservation if transfer.held else ""
    later = [
        hold
        for hold in _contact(day, transfer.contact).holds
        if new and day.holds[transfer.old].first.created < hold.first.created <= transfer.began
    ]
    others = [hold for hold in later if hold.first.reservation != new]
    return others[-1] if others else day.holds[transfer.old]


def _certainly_lapsed(day: Day, deadline: float) -> float:
    """Return the time at which a hold with a deadline has certainly lapsed, which an outage may delay."""
    at = deadline + LATE_SECONDS
    for outage in sorted(day.outages, key=lambda outage: outage.began):
        if outage.began <= at:
            at = max(at, outage.ended + LATE_SECONDS) if outage.ended >= deadline else at
    return at


def _waits(contact: Contact) -> list[Wait]:
    """Return the times in which the contact certainly waited, by its steps or else by the answer that it was queued."""
    if not contact.routes:
        return []
    gave_up = began(contact.gave_up)
    most = contact.arrived_first + contact.may_wait if contact.may_wait else math.inf
    waits = []
    following = [*contact.steps[1:], None]
    for step, after in zip(contact.steps, following[: len(contact.steps)], strict=True):
        if after is not None and after.sequence != step.sequence + 1:
            continue
        ended = min(gave_up, math.inf if after is None else after.at)
        in_transfer = step.cause is Cause.TRANSFER_ASKED
        if step.state is ContactState.QUEUED and _may_wait(contact, step.at):
            ended = min(ended, most) if not contact.transfers else ended
        elif not in_transfer:
            continue
        wish = _wish(contact, step.at)
        if wish is not None and step.at < ended:
            waits.append(Wait(step.at, ended, wish))
    if not contact.steps:
        queued = [
            route.ended for route in contact.routes if route.ending is Ending.OK and route.outcome is Outcome.QUEUED
        ]
        held = min((hold.first.created for hold in contact.holds), default=math.inf)
        if queued and min(queued) < min(held, gave_up, most):
            waits.append(Wait(min(queued), min(held, gave_up, most), contact.routes[0].wish))
    return waits


def _may_wait(contact: Contact, at: float) -> bool:
    """Return whether a contact may wait in the queue, by its last transfer, if any, or else by its route."""
    transfers = [
        transfer
        for transfer in contact.transfers
        if transfer.began <= at and transfer.ending is not Ending.REFUSED and transfer.outcome is not Outcome.UNMATCHED
    ]
    return max(transfers, key=lambda transfer: transfer.began).wait > 0 if transfers else contact.may_wait > 0


def _wish(contact: Contact, at: float) -> h.Wish | None:
    """Return the requirements of a contact at a time; None where they are not certain."""
    wish = contact.routes[0].wish
    for transfer in sorted(contact.transfers, key=lambda transfer: transfer.began):
        if transfer.began > at or transfer.ending is Ending.REFUSED or transfer.outcome is Outcome.UNMATCHED:
            continue
        settled = any(
            other.request == transfer.request and other.ending is Ending.OK and other.outcome is not Outcome.UNMATCHED
            for other in contact.transfers
        )
        if not settled:
            return None
        wish = transfer.wish
    return wish
