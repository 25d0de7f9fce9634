"""The facts of a history: each contact and each reservation with the calls that may have changed it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos import history as h

ENDS_RESERVATION = frozenset({"complete", "cancel", "decline"})
ENDS_CONTACT = frozenset({"cancel contact", "transfer", "assign", "route"})
OVER = frozenset({"CONTACT_CLOSED", "CONTACT_CANCELED", "CONTACT_EXPIRED", "CONTACT_RETURNED"})
AWAY = frozenset({"OFFLINE", "AWAY", "DRAINING"})

CLOCK_STEP = 8.0
"""More than the nemesis steps a clock by (s)."""

Key = tuple[str, str]
"""A site and an id in it."""


@dataclass(slots=True)
class Hold:
    """A reservation that clients heard of.

    known: since when it was certainly held; until: until when, which no call and no deadline may have ended before.
    """

    site: str
    held: h.Held
    acknowledged: h.Call
    """The first answer that contained it."""
    answers: list[h.Call] = field(default_factory=list)
    """All calls for it, answered or not, in order of their beginning."""
    steps: list[h.Step] = field(default_factory=list)
    over: bool = False
    known: float = math.inf
    until: float = 0.0


@dataclass(slots=True)
class Contact:
    """A contact with its calls and steps."""

    site: str
    id: str
    routes: list[h.Call] = field(default_factory=list)
    calls: list[h.Call] = field(default_factory=list)
    """Calls for the contact itself, not for its reservations."""
    steps: dict[str, list[h.Step]] = field(default_factory=lambda: defaultdict(list))
    """By watch."""
    holds: list[Hold] = field(default_factory=list)
    found: h.FoundContact | None = None
    on_record: bool = False
    """Whether the ledger has a loss of the contact that a watch need not have told, because its place was gone."""

    @property
    def acknowledged(self) -> bool:
        """Return whether a client was told that it is held or waits."""
        return any(call.ending == h.OK and call.outcome in {"reservation", "queued"} for call in self.routes)

    @property
    def told_lost(self) -> bool:
        """Return whether a watch was told that the store lost the contact, or its record or the ledger says so."""
        by_watch = any(step.cause == "CAUSE_LOST" for steps in self.steps.values() for step in steps)
        return by_watch or self.on_record or (self.found is not None and self.found.cause == "CAUSE_LOST")

    def over_before(self, at: float) -> bool:
        """Return whether the contact had ended by then, or was nobody's, as a client was told."""
        steps = [step for steps in self.steps.values() for step in steps if step.heard < at]
        last = max(steps, key=lambda step: step.sequence, default=None)
        ended = any(
            call.ending == h.OK and call.verb in {"complete", "cancel contact"} and call.ended < at
            for call in (*self.calls, *(call for hold in self.holds for call in hold.answers))
        )
        return ended or (last is not None and last.state in OVER)


@dataclass
class Facts:
    """Everything that the laws are judged by."""

    terms: dict[Key, h.Terms] = field(default_factory=dict)
    staff: dict[Key, h.Staff] = field(default_factory=dict)
    contacts: dict[Key, Contact] = field(default_factory=dict)
    holds: dict[Key, Hold] = field(default_factory=dict)
    requests: dict[Key, list[h.Call]] = field(default_factory=lambda: defaultdict(list))
    calls: list[h.Call] = field(default_factory=list)
    steps: list[h.Step] = field(default_factory=list)
    watching: list[h.Watching] = field(default_factory=list)
    faults: list[h.Fault] = field(default_factory=list)
    probes: list[h.Probe] = field(default_factory=list)
    health: list[h.Health] = field(default_factory=list)
    found_agents: list[h.FoundAgent] = field(default_factory=list)
    listed: list[h.Listed] = field(default_factory=list)
    found_lists: list[h.FoundAgents] = field(default_factory=list)
    found_lives: list[h.FoundLife] = field(default_factory=list)
    entries: list[h.Entry] = field(default_factory=list)
    gaps: list[h.Gap] = field(default_factory=list)
    forgotten: set[Key] = field(default_factory=set)
    """Contacts of customers whom a client asked to forget."""
    found_reservations: dict[Key, h.FoundReservation] = field(default_factory=dict)
    status: dict[Key, list[h.Call]] = field(default_factory=lambda: defaultdict(list))

    def contact(self, site: str, identifier: str) -> Contact:
        """Return a contact, a new one where it was not heard of."""
        return self.contacts.setdefault((site, identifier), Contact(site, identifier))

    @property
    def clock_steady(self) -> bool:
        """Return whether the store's clock was never stepped, so that its times can be compared with the clients'."""
        return not any(fault.clock for fault in self.faults)

    def forgotten_before(self, at: float) -> bool:
        """Return whether a store may have forgotten by then what it had acknowledged.

        A primary that was replaced may go on for a while after the fault, until the Sentinel tells it.
        """
        return any(fault.forgets and fault.began <= at for fault in self.faults)


def gather(records: Iterable[h.Record]) -> Facts:
    """Return the facts of a history."""
    facts = Facts()
    lists: dict[type[h.Record], list[Any]] = {
        h.Call: facts.calls,
        h.Step: facts.steps,
        h.Watching: facts.watching,
        h.Fault: facts.faults,
        h.Probe: facts.probes,
        h.Health: facts.health,
        h.FoundAgent: facts.found_agents,
        h.FoundAgents: facts.found_lists,
        h.FoundLife: facts.found_lives,
        h.Entry: facts.entries,
        h.Gap: facts.gaps,
        h.Listed: facts.listed,
    }
    for record in records:
        match record:
            case h.Terms():
                facts.terms[record.site, record.pool] = record
            case h.Staff():
                facts.staff[record.site, record.agent] = record
            case h.FoundContact():
                facts.contact(record.site, record.contact).found = record
            case h.FoundReservation():
                facts.found_reservations[record.site, record.reservation] = record
            case _:
                lists[type(record)].append(record)
    facts.calls.sort(key=lambda call: call.began)
    _note_calls(facts)
    _note_steps(facts)
    reset = {watching.site for watching in facts.watching if watching.reason == "EVENTS_FORGOTTEN"}
    for entry in facts.entries:
        if entry.kind == "LOST" and entry.site in reset:
            facts.contact(entry.site, entry.contact).on_record = True
    for hold in facts.holds.values():
        _bound(facts, hold)
    return facts


def _note_calls(facts: Facts) -> None:
    for call in facts.calls:
        if call.held is not None and (call.site, call.held.reservation) not in facts.holds:
            hold = Hold(call.site, call.held, call)
            facts.holds[call.site, call.held.reservation] = hold
            facts.contact(call.site, call.held.contact).holds.append(hold)
    for call in facts.calls:
        if call.verb == "forget customer":
            facts.forgotten.add((call.site, call.contact))
        if call.verb == "status":
            facts.status[call.site, call.agent].append(call)
        if call.request:
            facts.requests[call.site, call.request].append(call)
        if call.verb in ENDS_CONTACT and call.contact:
            contact = facts.contact(call.site, call.contact)
            (contact.routes if call.verb in {"route", "assign"} else contact.calls).append(call)
        reservation = call.held.reservation if call.held is not None else call.reservation
        if (hold_of := facts.holds.get((call.site, reservation))) is not None:
            hold_of.answers.append(call)
            hold_of.over |= call.over or (call.held is not None and call.held.over_capacity)


def _note_steps(facts: Facts) -> None:
    for step in facts.steps:
        facts.contact(step.site, step.contact).steps[step.watch].append(step)
        if step.reservation and (hold := facts.holds.get((step.site, step.reservation))) is not None:
            hold.steps.append(step)


def may_be_done(call: h.Call) -> bool:
    """Return whether a call may have been done."""
    return call.ending != h.REFUSED


def enders(facts: Facts, hold: Hold) -> list[h.Call]:
    """Return the calls that may have ended a hold, by their beginning."""
    contact = facts.contact(hold.site, hold.held.contact)
    own = [call for call in hold.answers if call.verb in ENDS_RESERVATION and may_be_done(call)]
    of_contact = [
        call
        for call in (*contact.calls, *contact.routes)
        if may_be_done(call)
        # A transfer of another reservation, or the call that made this hold, does not end it.
        and not (call.held is not None and call.held.reservation == hold.held.reservation)
        and call.verb in {"cancel contact", "transfer", "assign"}
    ]
    return sorted([*own, *of_contact], key=lambda call: call.began)


def withdrawals(facts: Facts, hold: Hold) -> list[h.Call]:
    """Return the calls by which an offer of the agent may have been withdrawn."""
    return [
        call
        for call in facts.status.get((hold.site, hold.held.agent), ())
        if call.status != "ONLINE" and may_be_done(call)
    ]


def _bound(facts: Facts, hold: Hold) -> None:
    """Say since when and until when a hold was certainly in force."""
    terms = facts.terms.get((hold.site, hold.held.pool))
    first = hold.acknowledged
    if terms is None:
        return
    steps_of_clock = [fault for fault in facts.faults if fault.clock]
    long = max(0.0, terms.accepted - (CLOCK_STEP if steps_of_clock else 0.0))
    accepts = [call for call in hold.answers if call.verb == "accept" and may_be_done(call)]
    accepted = [call for call in accepts if call.held is not None and call.held.state == "ACCEPTED"]
    live = [call for call in hold.answers if call.held is not None and call.held.state in h.LIVE]
    made_now = first.verb in {"route", "transfer", "assign"} and not first.replayed and first.ending == h.OK
    if made_now and first.held is not None and first.held.state in h.LIVE:
        hold.known = first.ended
        lasts = long if first.held.state == "ACCEPTED" else terms.offer
        hold.until = first.began + lasts
    if accepted:
        # An offer that is accepted was in force from the first time it was heard of.
        heard = [
            step.heard for step in hold.steps if step.state == "CONTACT_RESERVED" and step.heard < accepted[0].ended
        ]
        hold.known = min(hold.known, accepted[0].ended, *heard)
        hold.until = accepted[0].began + long
    if not live:
        hold.known = math.inf
    ends = [call.began for call in enders(facts, hold) if call.began > first.began or call is not first]
    if hold.held.state == "PENDING" and not accepted:
        # A step of the store's clock may end an offer at once.
        ends += [at for fault in steps_of_clock for at in (fault.began, fault.ended) if at > hold.known]
        staff = facts.staff.get((hold.site, hold.held.agent))
        ends += [call.began for call in withdrawals(facts, hold) if call.ended > first.began]
        if staff is not None and staff.beats:
            ends.append(first.ended)  # the desk may have been silent for too long
    for fault in facts.faults:
        if fault.forgets and fault.ended > hold.known:
            ends.append(fault.began)
    if facts.forgotten_before(hold.until) and facts.contact(hold.site, hold.held.contact).told_lost:
        ends.append(hold.known)
    hold.until = min([hold.until, *ends])
