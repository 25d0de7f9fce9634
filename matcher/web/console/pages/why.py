"""The page Why her?: for any contact the record of its decision, what would have made the difference, and its life."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from starlette.responses import Response

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.access import reason_of
from matcher.web.console.advice import refusal_of
from matcher.web.console.page import Get, Page
from matcher.web.console.recorded import last_events
from matcher.web.console.said import CAUSES, STATES, short
from matcher.web.console.story import steps_of
from matcher.web.console.visitor import Visitor
from matcher.web.console.why import why_of
from matcher.web.faults import Fault

LISTED: Final = 30
"""Contacts that the page offers to look at."""
MOST_RESERVATIONS: Final = 1_000
"""Reservations that are read for the agents of these contacts."""
LOOKED_THROUGH: Final = 500
"""Changes of the site that are looked through for contacts that have ended."""
QUIET_SECONDS: Final = 0.25
"""After so long without an event the stream has told them; the page waits for it."""
MOST_DECISIONS: Final = 12
"""Decisions of a contact that are read, the newest."""
STEPS_SECONDS: Final = 5.0
GONE: Final = frozenset({"RESERVATION_NOT_FOUND", "DECISION_NOT_FOUND"})
UNKNOWN: Final = frozenset({"CONTACT_NOT_FOUND", "DECISION_NOT_FOUND", "FIELDS_INVALID"})


@dataclass(frozen=True, slots=True)
class Ended:
    """A contact that has ended lately, with its last agent."""

    contact: str
    agent: str
    because: str
    pool: str
    time: Timestamp


async def show(visitor: Visitor) -> Response:
    """Show the form and contacts to look at, or a contact."""
    contact = visitor.request.query_params.get("contact", "").strip()
    decision = visitor.request.query_params.get("decision", "").strip()
    values: dict[str, Any] = {
        "asked": contact,
        "contact": None,
        "why": None,
        "steps": (),
        "refusal": None,
        "listed": (),
        "ended": (),
        "agents": {},
    }
    try:
        if contact or decision:
            values |= await _shown(visitor, contact, decision)
    except Fault as fault:
        if reason_of(fault) not in UNKNOWN:
            raise
        values["refusal"] = refusal_of(fault)
    if values["contact"] is None and values["why"] is None:
        listed, agents, events = await asyncio.gather(
            _listed(visitor), _agents(visitor), last_events(visitor, "", LOOKED_THROUGH, QUIET_SECONDS)
        )
        values |= {"listed": listed, "ended": ended_of(events)[:LISTED], "agents": agents}
    return visitor.page("why.html", status=404 if values["refusal"] else 200, **values)


def contact_of(of: pb.ContactEvent | pb.Reservation) -> str:
    """Return the id of the contact that an event or a reservation is of, as its caller knows it."""
    return short(of.contact).replace("%2F", "/")


def ended_of(events: Iterable[pb.ContactEvent]) -> list[Ended]:
    """Return the conversations that have ended, by events in their order: the newest first."""
    ended: dict[str, Ended] = {}
    for event in events:
        ended.pop(event.contact, None)
        if event.state == pb.CONTACT_CLOSED and event.agent:
            agent = short(event.agent)
            ended[event.contact] = Ended(
                contact=contact_of(event),
                agent=agent,
                because=CAUSES.get(event.cause, "").format(agent=agent),
                pool=short(event.pool),
                time=event.time,
            )
    return list(reversed(ended.values()))


async def _shown(visitor: Visitor, contact: str, decision: str) -> dict[str, Any]:
    record = None
    if decision:
        name = f"{visitor.site_name}/decisions/{short(decision)}"
        record = await visitor.ask(visitor.stubs.routing.GetDecision, pb.GetDecisionRequest(name=name))
        contact = record.contact
    name = contact if contact.startswith("sites/") else f"{visitor.site_name}/contacts/{contact.replace('/', '%2F')}"
    try:
        found = await visitor.ask(visitor.stubs.routing.GetContact, pb.GetContactRequest(name=name))
    except Fault as fault:
        if record is None or reason_of(fault) != "CONTACT_NOT_FOUND":
            raise
        return {"asked": short(contact), "why": why_of(record)}
    events, forgotten = await _events(visitor, found.name)
    decisions = await _decisions(visitor, events)
    records = {known.name: known for known in decisions.values()} | ({record.name: record} if record else {})
    newest = next((decisions[event.reservation] for event in reversed(events) if event.reservation in decisions), None)
    shown = record or newest
    names = {one.agent: one.display_name for known in records.values() for one in known.candidates}
    by_reservation = {reservation: known.name for reservation, known in decisions.items()}
    return {
        "asked": short(found.name).replace("%2F", "/"),
        "contact": found,
        "state": STATES.get(found.state, ""),
        "because": CAUSES.get(found.cause, "").format(agent="the agent"),
        "why": why_of(shown) if shown is not None else None,
        "steps": steps_of(events, by_reservation, names, shown.name if shown is not None else ""),
        "forgotten": forgotten,
    }


async def _events(visitor: Visitor, contact: str) -> tuple[list[pb.ContactEvent], bool]:
    """Return the steps of a contact until now, and whether earlier ones are forgotten."""
    request = pb.WatchContactRequest(name=contact, include_progress=True)
    try:
        return await _until_now(visitor, request), False
    except Fault as fault:
        oldest = _oldest(fault)
        if not oldest:
            raise
    request.after_sequence = oldest - 1
    return await _until_now(visitor, request), True


async def _until_now(visitor: Visitor, request: pb.WatchContactRequest) -> list[pb.ContactEvent]:
    """Return the steps that a stream begins with: a sign of life, or its end, comes after them."""
    events: list[pb.ContactEvent] = []
    try:
        async with asyncio.timeout(STEPS_SECONDS):
            stream = visitor.follow(visitor.stubs.routing.WatchContact, request)
            async with aclosing(stream) as steps:
                async for event in steps:
                    if not event.cause:
                        break
                    events.append(event)
    except TimeoutError:
        pass  # what came until then is shown
    return events


def _oldest(fault: Fault) -> int:
    """Return the oldest step that is kept, where earlier ones are forgotten; else 0."""
    info = error_details_pb2.ErrorInfo()
    for detail in fault.status.details:
        if detail.Unpack(info) and info.reason == "EVENTS_FORGOTTEN":
            given = info.metadata.get("oldest", "")
            return int(given) if given.isdecimal() else 0
    return 0


async def _decisions(visitor: Visitor, events: Sequence[pb.ContactEvent]) -> dict[str, pb.Decision]:
    """Return the records of the newest reservations of a contact that are still kept, by reservation."""
    reservations = list(dict.fromkeys(event.reservation for event in reversed(events) if event.reservation))
    found = await asyncio.gather(*(_decision(visitor, one) for one in reservations[:MOST_DECISIONS]))
    return {reservation: record for reservation, record in zip(reservations, found, strict=False) if record is not None}


async def _decision(visitor: Visitor, reservation: str) -> pb.Decision | None:
    try:
        held = await visitor.ask(visitor.stubs.routing.GetReservation, pb.GetReservationRequest(name=reservation))
        return await visitor.ask(visitor.stubs.routing.GetDecision, pb.GetDecisionRequest(name=held.decision))
    except Fault as fault:
        if reason_of(fault) in GONE:
            return None
        raise


async def _listed(visitor: Visitor) -> list[tuple[str, str, str, str]]:
    request = pb.ListContactsRequest(parent=visitor.site_name, page_size=LISTED)
    try:
        answer = await visitor.ask(visitor.stubs.routing.ListContacts, request)
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return []
        raise
    return [
        (short(one.name).replace("%2F", "/"), one.customer, STATES.get(one.state, ""), short(one.pool))
        for one in answer.contacts
    ]


async def _agents(visitor: Visitor) -> dict[str, str]:
    """Return the agents of contacts that live, of at most a thousand."""
    request = pb.ListReservationsRequest(parent=visitor.site_name, page_size=MOST_RESERVATIONS)
    try:
        answer = await visitor.ask(visitor.stubs.routing.ListReservations, request)
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return {}
        raise
    return {contact_of(one): short(one.agent) for one in answer.reservations}


PAGE = Page("why", "Why her?", needs=("RoutingService/GetDecision",), routes=(Get("", show),))
