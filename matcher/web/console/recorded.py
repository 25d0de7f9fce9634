"""The newest decisions of a pool that the service still holds, read with the visitor's rights."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.web.console.access import reason_of
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST: Final = 200
"""Decisions that are made again before a value is saved."""
AT_ONCE: Final = 16
PAGES: Final = 5
GONE: Final = frozenset({"DECISION_NOT_FOUND", "PERMISSION_DENIED"})


async def newest_decisions(visitor: Visitor, pool: str) -> list[pb.Decision]:
    """Return the records behind the newest reservations of a pool that live, the newest first. Raises Fault."""
    request = pb.ListReservationsRequest(parent=visitor.site_name, page_size=1_000)
    held: list[pb.Reservation] = []
    for _ in range(PAGES):
        answer = await visitor.ask(visitor.stubs.routing.ListReservations, request)
        held.extend(one for one in answer.reservations if one.pool == pool and one.decision)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    held.sort(key=lambda one: one.create_time.ToNanoseconds(), reverse=True)
    return await decisions(visitor, (one.decision for one in held[:MOST]))


async def decisions(visitor: Visitor, names: Iterable[str]) -> list[pb.Decision]:
    """Return the records that are still kept, a few at a time. Raises Fault."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(name: str) -> pb.Decision | None:
        async with turns:
            try:
                return await visitor.ask(visitor.stubs.routing.GetDecision, pb.GetDecisionRequest(name=name))
            except Fault as fault:
                if reason_of(fault) in GONE:
                    return None
                raise

    found = await asyncio.gather(*(read(name) for name in dict.fromkeys(names)))
    return [record for record in found if record is not None]
