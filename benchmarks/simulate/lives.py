"""From calls to lives: what can be known for sure of each contact, each hold and each wait, from the clients' side.

A call was done at some moment between its beginning and its end; one without an answer at any time later, or never. So
a hold *certainly* lasts until the first call that may have ended it was made, and *possibly* until one that has ended
it was answered. The laws against double service look at what is certain; the law of the queue gives the service the
benefit of what is possible.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from benchmarks.simulate import history as h
from benchmarks.simulate.history import Ending, Outcome, Verb
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState

T = TypeVar("T")

LATE_SECONDS: Final = 5.0
"""So long after its deadline a hold is surely gone: offers are due again within a lease and a second after a death."""
ENDS: Final = frozenset({Verb.DECLINE, Verb.COMPLETE, Verb.CANCEL})
ENDED: Final = frozenset({ContactState.CLOSED, ContactState.CANCELED, ContactState.EXPIRED})
AWAY: Final = frozenset({AgentStatus.OFFLINE, AgentStatus.AWAY})
LEFT: Final = frozenset({Cause.AGENT_LEFT, Cause.AGENT_REMOVED})


@dataclass(slots=True)
class Hold:
    """A reservation: as it was first seen, and what was done with it."""

    first: h.Held
    direct: bool
    """Whether it was the answer of a route or a transfer, not an offer to one that waited."""
    done: dict[Verb, list[h.Answered]] = field(default_factory=lambda: defaultdict(list))
    handed_on: list[h.Transferred] = field(default_factory=list)
    certain_until: float = math.inf
    possible_until: float = math.inf
    counts_until: float = math.inf
    """As `certain_until`, where a conversation may stop counting for being idle."""

    @property
    def accepted(self) -> h.Answered | None:
        """The call that is known to have accepted it."""
        return next((one for one in self.done[Verb.ACCEPT] if one.ending is Ending.OK), None)

    @property
    def deadline(self) -> float:
        """The last deadline that is known."""
        accepted = self.accepted
        return accepted.held.expires if accepted is not None and accepted.held is not None else self.first.expires

    @property
    def talked_from(self) -> float | None:
        """Since when the conversation certainly went on; None where nobody is known to have accepted."""
        if self.first.state is ReservationState.ACCEPTED:
            return self.first.created
        accepted = self.accepted
        return None if accepted is None else accepted.ended


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in which a contact certainly waited, and what it then required."""

    began: float
    ended: float
    wish: h.Wish


@dataclass(slots=True)
class Contact:
    """A contact: who asked for it and when, what held it, when it waited."""

    id: str
    routes: list[h.Routed] = field(default_factory=list)
    transfers: list[h.Transferred] = field(default_factory=list)
    steps: list[h.Stepped] = field(default_factory=list)
    gave_up: list[h.GaveUp] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    found: h.FoundContact | None = None
    arrived_first: float = -math.inf
    arrived_last: float = math.inf
    returning: bool = False
    waits: list[Wait] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether a client was told that it is held or waits."""
        return any(one.ending is Ending.OK and one.outcome is not Outcome.UNMATCHED for one in self.routes)

    @property
    def may_wait(self) -> float:
        """How long it may wait; 0: not."""
        return self.routes[0].wait if self.routes else 0.0


@dataclass(slots=True)
class Day:
    """Everything that is known of a day."""

    pools: dict[str, h.PoolTerms] = field(default_factory=dict)
    desks: dict[str, h.Desk] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    by_agent: dict[str, list[Hold]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, list[h.Routed]] = field(default_factory=lambda: defaultdict(list))
    declared: dict[str, list[h.Declared]] = field(default_factory=lambda: defaultdict(list))
    weighed: dict[str, float] = field(default_factory=dict)
    probes: list[h.Probed] = field(default_factory=list)
    found_desks: list[h.FoundDesk] = field(default_factory=list)
    outages: list[h.Outage] = field(default_factory=list)


def of_kind(records: Iterable[h.Record], kind: type[T]) -> list[T]:
    """Return the records of one kind."""
    return [one for one in records if isinstance(one, kind)]


def live(records: Iterable[h.Record]) -> Day:
    """Work out the lives of a history."""
    day, all_records = Day(), list(records)
    day.pools = {one.id: one for one in of_kind(all_records, h.PoolTerms)}
    day.desks = {one.agent: one for one in of_kind(all_records, h.Desk)}
    day.probes = of_kind(all_records, h.Probed)
    day.found_desks = of_kind(all_records, h.FoundDesk)
    day.outages = of_kind(all_records, h.Outage)
    for declared in of_kind(all_records, h.Declared):
        day.declared[declared.agent].append(declared)
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
    for one in records:
        match one:
            case h.Routed():
                day.requests[one.request].append(one)
            case h.Transferred():
                _contact(day, one.contact).transfers.append(one)
            case h.Stepped():
                _contact(day, one.contact).steps.append(one)
            case h.GaveUp():
                _contact(day, one.contact).gave_up.append(one)
            case h.FoundContact():
                _contact(day, one.contact).found = one
            case _:
                pass
    for attempts in day.requests.values():
        # Attempts without an answer belong to the contact that the others were told.
        for name in sorted({one.contact for one in attempts if one.contact}):
            _contact(day, name).routes += [one for one in attempts if one.contact in ("", name)]
    for contact in day.contacts.values():
        contact.steps = sorted({one.sequence: one for one in contact.steps}.values(), key=lambda one: one.sequence)


def _read_holds(day: Day, records: list[h.Record]) -> None:
    for one in records:
        match one:
            case h.Routed(held=h.Held() as held) | h.Transferred(held=h.Held() as held):
                _hold(day, held, direct=not one.replayed)
            case h.Answered(held=h.Held() as held, verb=Verb.READ):
                _hold(day, held, direct=False)
            case _:
                pass
    for one in records:
        match one:
            case h.Answered() if one.reservation in day.holds:
                day.holds[one.reservation].done[one.verb].append(one)
            case h.Transferred() if one.old in day.holds:
                day.holds[one.old].handed_on.append(one)
            case h.Weighed(affinity=float() as affinity):
                day.weighed[one.reservation] = affinity
            case h.Routed(held=h.Held() as held, affinity=float() as affinity):
                day.weighed[held.reservation] = affinity
            case _:
                pass
    for hold in sorted(day.holds.values(), key=lambda hold: hold.first.created):
        day.by_agent[hold.first.agent].append(hold)
        _contact(day, hold.first.contact).holds.append(hold)


def _hold(day: Day, held: h.Held, *, direct: bool) -> None:
    known = day.holds.get(held.reservation)
    if known is None:
        day.holds[held.reservation] = Hold(held, direct)
    elif direct:
        known.direct = True


def _arrivals(day: Day) -> None:
    first_of: dict[str, float] = {}
    for contact in day.contacts.values():
        if not contact.routes:
            continue
        contact.arrived_first = min(one.began for one in contact.routes)
        answered = [one.ended for one in contact.routes if one.ending is Ending.OK]
        contact.arrived_last = min(answered, default=math.inf)
        customer = contact.routes[0].customer
        if customer:
            first_of[customer] = min(first_of.get(customer, math.inf), contact.arrived_first)
    for contact in day.contacts.values():
        if contact.routes and contact.routes[0].customer:
            contact.returning = first_of[contact.routes[0].customer] < contact.arrived_first


def _began(calls: Iterable[h.Call]) -> float:
    """Return when the first of the calls was made that may have been done."""
    return min((one.began for one in calls if one.ending is not Ending.REFUSED), default=math.inf)


def _ended(calls: Iterable[h.Call]) -> float:
    """Return by when one of the calls was surely done."""
    return min((one.ended for one in calls if one.ending is Ending.OK), default=math.inf)


def _bound(day: Day, hold: Hold) -> None:
    pool, contact = day.pools[hold.first.pool], day.contacts[hold.first.contact]
    steps = [one for one in contact.steps if one.at >= hold.first.created]
    gone = [one.at for one in steps if one.reservation == hold.first.reservation and one.cause in LEFT]
    given_up = [one for one in contact.gave_up if one.ended >= hold.first.created]
    certain = [hold.deadline, _began(hold.done[Verb.DECLINE]), _began(hold.done[Verb.CANCEL]), _began(given_up), *gone]
    possible = [_ended(hold.done[Verb.DECLINE]), _ended(hold.done[Verb.CANCEL]), _ended(given_up), *gone]
    possible.append(_surely_lapsed(day, hold.deadline))
    moved = _moved(contact, hold)
    certain.append(moved)
    certain.append(_completed(hold, pool))
    if hold.talked_from is None:
        # Whoever leaves gives their offers back.
        certain += [max(one.began, hold.first.created) for one in _left(day, hold)]
    for complete in hold.done[Verb.COMPLETE]:
        if complete.ending is Ending.OK and complete.held is not None:
            wraps = complete.held.state is ReservationState.WRAPPING
            possible.append(_surely_lapsed(day, complete.held.expires) if wraps else complete.ended)
    # The next hold of the contact follows its end, whoever ended it; a wrap-up goes on after the contact's end.
    possible += [
        one.first.created for one in contact.holds if one is not hold and one.first.created > hold.first.created
    ]
    possible += [
        one.at for one in steps if one.state is ContactState.QUEUED and one.reservation == hold.first.reservation
    ]
    hold.certain_until, hold.possible_until = min(certain), min(possible)
    hold.counts_until = hold.certain_until
    if pool.idle:
        sign = _began(hold.done[Verb.ACCEPT])
        hold.counts_until = min(hold.certain_until, (sign if math.isfinite(sign) else hold.first.created) + pool.idle)


def _left(day: Day, hold: Hold) -> list[h.Declared]:
    created = hold.first.created
    return [
        one
        for one in day.declared[hold.first.agent]
        if one.ended >= created and one.ending is not Ending.REFUSED and one.status in AWAY
    ]


def _completed(hold: Hold, pool: h.PoolTerms) -> float:
    """Return until when the slot was certainly held, as far as completing it goes; the wrap-up holds it on."""
    calls = sorted(
        (one for one in hold.done[Verb.COMPLETE] if one.ending is not Ending.REFUSED), key=lambda one: one.began
    )
    if not calls:
        return math.inf
    first, *more = calls
    wraps = first.held is not None and first.held.state is ReservationState.WRAPPING
    return min([first.began + pool.wrap_up, *(one.began for one in more)]) if wraps else first.began


def _moved(contact: Contact, hold: Hold) -> float:
    """Return until when the slot was certainly held, as far as handing the contact on goes.

    Where the transfer waits it is held until another agent is.
    """
    asked = [one for one in hold.handed_on if one.ending is not Ending.REFUSED and one.outcome is not Outcome.UNMATCHED]
    if not asked:
        return math.inf
    known = [one for one in asked if one.ending is Ending.OK]
    if any(one.outcome is Outcome.QUEUED for one in known):
        return min(
            (one.first.created for one in contact.holds if one.first.created > hold.first.created), default=math.inf
        )
    return min(one.began for one in asked)


def _surely_lapsed(day: Day, deadline: float) -> float:
    """Return when what lapses at a deadline is surely gone; while something was down it may have taken longer."""
    at = deadline + LATE_SECONDS
    for outage in sorted(day.outages, key=lambda one: one.began):
        if outage.began <= at:
            at = max(at, outage.ended + LATE_SECONDS) if outage.ended >= deadline else at
    return at


def _waits(contact: Contact) -> list[Wait]:
    """Return when the contact certainly waited: from what the streams told, or the answer that it was queued."""
    if not contact.routes:
        return []
    gave_up = _began(contact.gave_up)
    most = contact.arrived_first + contact.may_wait if contact.may_wait else math.inf
    waits = []
    following = [*contact.steps[1:], None]
    for step, after in zip(contact.steps, following[: len(contact.steps)], strict=True):
        if after is not None and after.sequence != step.sequence + 1:
            continue
        ended = min(gave_up, math.inf if after is None else after.at)
        handed_on = step.cause is Cause.TRANSFER_ASKED
        if step.state is ContactState.QUEUED and _may_wait(contact, step.at):
            ended = min(ended, most) if not contact.transfers else ended
        elif not handed_on:
            continue
        wish = _wish(contact, step.at)
        if wish is not None and step.at < ended:
            waits.append(Wait(step.at, ended, wish))
    if not contact.steps:
        queued = [one.ended for one in contact.routes if one.ending is Ending.OK and one.outcome is Outcome.QUEUED]
        held = min((one.first.created for one in contact.holds), default=math.inf)
        if queued and min(queued) < min(held, gave_up, most):
            waits.append(Wait(min(queued), min(held, gave_up, most), contact.routes[0].wish))
    return waits


def _may_wait(contact: Contact, at: float) -> bool:
    """Tell whether a contact waits where nobody is held: one that was handed on waits as the transfer says."""
    asked = [
        one
        for one in contact.transfers
        if one.began <= at and one.ending is not Ending.REFUSED and one.outcome is not Outcome.UNMATCHED
    ]
    return max(asked, key=lambda one: one.began).wait > 0 if asked else contact.may_wait > 0


def _wish(contact: Contact, at: float) -> h.Wish | None:
    """Return what a contact required at a time; None where that is not sure."""
    wish = contact.routes[0].wish
    for one in sorted(contact.transfers, key=lambda one: one.began):
        if one.began > at or one.ending is Ending.REFUSED or one.outcome is Outcome.UNMATCHED:
            continue
        settled = any(
            other.request == one.request and other.ending is Ending.OK and other.outcome is not Outcome.UNMATCHED
            for other in contact.transfers
        )
        if not settled:
            return None
        wish = one.wish
    return wish
