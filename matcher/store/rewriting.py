"""The store of rewrites: which sites have removed traces whose bytes are still in a stream or in the append-only file.

A mark is set before the first trace is removed and changed after the last one, so that a process that is killed between
leaves it to the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from redis.exceptions import ResponseError

from matcher.errors import SiteNotFound, StoreUnavailable
from matcher.model.resource_names import new_id
from matcher.store import verbs
from matcher.store.keys import FORGOTTEN, REWRITTEN, Keys
from matcher.store.redis.client import StoreClient

COPIED: Final = 1_000
"""Events that are copied at once: the store answers nobody else meanwhile, about 3 ms."""
LOOK_SECONDS: Final = 0.1
TRIES: Final = 3_000
ROUND_TRIP: Final = "forgotten"
"""What the round trips of this module count as."""


class RewriteStore:
    """Mark sites with removed traces, and rewrite what keeps their bytes."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client

    async def mark(self, site: str) -> None:
        """Note that traces of a site are being removed, or were."""
        await self._client.verb(verbs.MarkForgotten(forgotten=FORGOTTEN, site_id=site, mark=new_id()))

    async def marks(self) -> dict[str, str]:
        """Return the marks of the sites with removed traces."""
        found = await self._client.run("HGETALL", FORGOTTEN, name=ROUND_TRIP)
        return {site.decode(): mark.decode() for site, mark in found.items()}

    async def may_rewrite(self, process: str, pause_ms: int) -> bool:
        """Return whether no process has rewritten for the pause; if so, this process has the turn."""
        return bool(await self._client.run("SET", REWRITTEN, process, "NX", "PX", pause_ms, name=ROUND_TRIP))

    async def compact(self, site: str) -> None:
        """Copy both streams of a site without the events that were removed; each copy takes its stream's place."""
        keys = Keys(site)
        with suppress(SiteNotFound):  # its keys are gone, or will be
            for stream in (keys.load, keys.roster):
                after, done = "", False
                while not done:
                    copy = verbs.CopyEvents(
                        life=keys.life, stream=stream, copy=keys.copy(stream), after=after, most=COPIED
                    )
                    how, *event = await self._client.verb(copy)
                    after, done = event[0].decode() if event else "", how == b"done"

    async def rewrite_append_only_file(self) -> None:
        """Rewrite the embedded store's append-only file, and wait for its end. Raises StoreUnavailable if it fails."""
        for _ in range(TRIES):
            with suppress(ResponseError):  # a rewrite that began before the last trace was removed is under way
                await self._client.run("BGREWRITEAOF", name=ROUND_TRIP)
                break
            await asyncio.sleep(LOOK_SECONDS)
        while True:
            info = await self._client.run("INFO", "persistence", name=ROUND_TRIP)
            if not int(info["aof_rewrite_in_progress"]) and not int(info["aof_rewrite_scheduled"]):
                break
            await asyncio.sleep(LOOK_SECONDS)
        if info["aof_last_bgrewrite_status"] != "ok":
            raise StoreUnavailable(self._client.address, "the append-only file could not be rewritten")

    async def clear(self, marks: Mapping[str, str]) -> None:
        """Take off the sites whose marks are still those that were read before the rewrite."""
        sites = [verbs.ForgottenSite(site_id=site, mark=mark) for site, mark in marks.items()]
        await self._client.verb(verbs.Rewritten(forgotten=FORGOTTEN, sites=sites))
