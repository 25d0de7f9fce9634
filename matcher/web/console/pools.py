"""Pools in a visitor's reach, to choose from."""

from __future__ import annotations

from typing import Final

from matcher.v1.roster_pb2 import ListPoolsRequest
from matcher.web.console.access import reason_of
from matcher.web.console.render import last_part
from matcher.web.console.visitor import Visitor
from matcher.web.faults import Fault

MOST: Final = 1_000


async def pools_of(visitor: Visitor) -> tuple[str, ...]:
    """Return the ids of the site's pools, at most 1,000; none where the visitor may not list them. Raises Fault."""
    try:
        answer = await visitor.ask(
            visitor.stubs.roster.ListPools, ListPoolsRequest(parent=visitor.site_name, page_size=MOST)
        )
    except Fault as fault:
        if reason_of(fault) == "PERMISSION_DENIED":
            return ()
        raise
    return tuple(last_part(pool.name) for pool in answer.pools)
