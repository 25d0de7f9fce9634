"""The site of a load test: creates it, imports its agents, and always deletes it at the end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as pb

DELETE_SECONDS: Final = 120.0
PREFIX: Final = "loadtest-"


class RowRefused(Exception):
    """The service rejected an agent."""


@asynccontextmanager
async def own_site(client: MatcherClient, on_note: Callable[[str], None]) -> AsyncIterator[str]:
    """Create a site, direct the client to it, and yield its id; delete it with everything in it at the end.

    `on_note` is called if the deletion fails; an exception would hide why the load test ended.
    """
    site = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    await client.create_site(site)
    try:
        client.site = site
        yield site
    finally:
        try:
            await _delete(client, site)
        except (MatcherCallError, TimeoutError) as error:
            on_note(f"sites/{site} could not be deleted and is left behind: {error}")


async def _delete(client: MatcherClient, site: str) -> None:
    # A second Ctrl-C ends the wait, but not the deletion.
    await asyncio.shield(asyncio.ensure_future(client.delete_site(site, force=True, deadline=DELETE_SECONDS)))


async def fill(client: MatcherClient, rows: Iterable[pb.ImportRow], step: Callable[[], None]) -> None:
    """Import the rows and call `step` once for each; raise RowRefused or MatcherCallError."""
    async for answer in client.import_agents(rows):
        if answer.action == pb.ImportAgentsResponse.REJECTED:
            raise RowRefused(f"agent of row {answer.row}: {MatcherCallError.of_status(answer.status)}")
        step()
