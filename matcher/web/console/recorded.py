"""The newest decisions of a pool that the service still holds, read with the visitor's rights."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.access import reason_of
from matcher.web.console.story import DECIDES
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST: Final = 200
"""Decisions that are made again before a value is saved."""
CHANGES: Final = 5_000
"""Changes of the site that are looked through for decisions."""
QUIET_SECONDS: Final = 0.7
"""After this time without an event the stream has sent all earlier events."""
READ_SECONDS: Final = 5.0
AT_ONCE: Final = 16
PAGES: Final = 5
GONE: Final = frozenset({"DECISION_NOT_FOUND", "RESERVATION_NOT_FOUND", "PERMISSION_DENIED"})


async def newest_decisions(visitor: Visitor, pool: str) -> list[pb.Decision]:
    """Return the records behind the newest reservations of a pool, the newest first, at most 200. Raises Fault.

    They are those of the offers and conversations that live, and of those that the stream of events still tells of.
    """
    live, told = await asyncio.gather(_live(visitor, pool), _told(visitor, pool))
    told = [name for name in told if name not in live]
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(reservation: str) -> pb.Decision | None:
        async with turns:
            try:
                decision = live.get(reservation) or await _decision_of(visitor, reservation)
                return await visitor.ask(visitor.stubs.routing.GetDecision, pb.GetDecisionRequest(name=decision))
            except Fault as fault:
                if reason_of(fault) in GONE:
                    return None
                raise

    found = await asyncio.gather(*(read(name) for name in [*list(live)[:MOST], *told[:MOST]]))
    records = {record.name: record for record in found if record is not None}
    return sorted(records.values(), key=lambda one: one.create_time.ToNanoseconds(), reverse=True)[:MOST]


async def _live(visitor: Visitor, pool: str) -> dict[str, str]:
    """Return the decisions of the reservations that live, by reservation, the newest first."""
    request = pb.ListReservationsRequest(parent=visitor.site_name, page_size=1_000)
    held: list[pb.Reservation] = []
    for _ in range(PAGES):
        answer = await visitor.ask(visitor.stubs.routing.ListReservations, request)
        held.extend(one for one in answer.reservations if one.pool == pool and one.decision)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    held.sort(key=lambda one: one.create_time.ToNanoseconds(), reverse=True)
    return {one.name: one.decision for one in held}


async def _told(visitor: Visitor, pool: str) -> list[str]:
    """Return the reservations that the last changes of the site tell of, the newest first."""
    names: dict[str, None] = {}
    for event in await last_events(visitor, pool, CHANGES, QUIET_SECONDS):
        if event.cause in DECIDES and event.reservation:
            names.pop(event.reservation, None)
            names[event.reservation] = None
    return list(reversed(names))


async def last_events(visitor: Visitor, pool: str, most: int, quiet_seconds: float) -> list[pb.ContactEvent]:
    """Return what the last changes of the site say of a pool, "": of all, the oldest first; none where not permitted.

    most: changes that are looked through. quiet_seconds: after so long without an event the stream has told what was
    before. Raises Fault.
    """
    request = pb.WatchEventsRequest(parent=visitor.site_name, pool=pool, last_events=most)
    events: list[pb.ContactEvent] = []
    try:
        async with asyncio.timeout(READ_SECONDS):
            async with aclosing(visitor.follow(visitor.stubs.routing.WatchEvents, request)) as answers:
                await anext(answers)  # a sign of life comes first
                while True:
                    answer = await asyncio.wait_for(anext(answers), quiet_seconds)
                    if answer.HasField("event"):
                        events.append(answer.event)
    except (TimeoutError, StopAsyncIteration):
        pass  # the stream is quiet: it has told what was before
    except Fault as fault:
        if reason_of(fault) not in {"PERMISSION_DENIED", "EVENTS_FORGOTTEN", "TOO_MANY_STREAMS"}:
            raise
    return events


async def _decision_of(visitor: Visitor, reservation: str) -> str:
    request = pb.GetReservationRequest(name=reservation)
    return (await visitor.ask(visitor.stubs.routing.GetReservation, request)).decision
