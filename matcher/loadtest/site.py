"""A site of the load test's own: made, filled, and deleted whatever happens."""

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
    """The service did not take an agent."""


@asynccontextmanager
async def own_site(client: MatcherClient, note: Callable[[str], None]) -> AsyncIterator[str]:
    """Create a site, turn the client to it, and yield its id; delete it with all it holds at the end.

    A deletion that fails is said through `note`: it must not hide why the load test ended.
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
            note(f"sites/{site} could not be deleted and is left behind: {error}")


async def _delete(client: MatcherClient, site: str) -> None:
    # A second Ctrl-C ends the waiting, not the deletion that was sent.
    await asyncio.shield(asyncio.ensure_future(client.delete_site(site, force=True, deadline=DELETE_SECONDS)))


async def fill(client: MatcherClient, rows: Iterable[pb.ImportRow], step: Callable[[], None]) -> None:
    """Import the rows, calling `step` once for each. Raises RowRefused, MatcherCallError."""
    async for answer in client.import_agents(rows):
        if answer.action == pb.ImportAgentsResponse.REJECTED:
            raise RowRefused(f"agent of row {answer.row}: {MatcherCallError.of_status(answer.status)}")
        step()
