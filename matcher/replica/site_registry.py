"""Registry of the sites that this process follows; a site's replica is opened on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from matcher.errors import IndexBehind, SiteNotFound
from matcher.model.resource_names import site_name
from matcher.replica.site_replica import SiteReplica
from matcher.store.roster import RosterStore

READY_SECONDS: Final = 5.0
AWAY_SECONDS: Final = 1.0
"""How long a call waits for a store that went away, as in a failover."""
POLL_SECONDS: Final = 0.01
SUCCESSOR_SECONDS: Final = 1.0
SUCCESSOR_POLL_SECONDS: Final = 0.005


class SiteRegistry:
    """Keep one replica for each site."""

    def __init__(self, roster: RosterStore, open_replica: Callable[[str], SiteReplica]) -> None:
        self._roster = roster
        self._open = open_replica
        self._replicas: dict[str, SiteReplica] = {}
        self._opening = asyncio.Lock()

    def follows(self, site: str) -> bool:
        """Return whether a site has a replica here."""
        return site in self._replicas

    async def replica(self, site: str) -> SiteReplica:
        """Return a site's replica once the site is read.

        Raises SiteNotFound, StoreUnavailable if the store stays away for 1 s, or IndexBehind after 5 s.
        """
        replica = self._replicas.get(site)
        if replica is None or replica.removed:
            replica = await self._follow(site)
        if not replica.caught_up and not await replica.wait_ready(AWAY_SECONDS if replica.away else READY_SECONDS):
            raise replica.away or IndexBehind(site_name(site))
        return replica

    async def drop(self, site: str) -> None:
        """Stop following a site."""
        replica = self._replicas.pop(site, None)
        if replica is not None:
            replica.hub.end()
            await replica.close()

    def __iter__(self) -> Iterator[SiteReplica]:
        """Iterate over the open replicas."""
        return iter(tuple(self._replicas.values()))

    async def close(self) -> None:
        """Stop following all sites."""
        for site in tuple(self._replicas):
            await self.drop(site)

    async def switch(self, open_replica: Callable[[str], SiteReplica]) -> list[SiteReplica]:
        """Replace every replica by one that `open_replica` opens, once the new one knows all that the old one knows.

        Returns the old replicas, for the caller to close: a call ends with the replica that it began with.
        """
        self._open = open_replica
        replaced = []
        for old in self:
            new = open_replica(old.site)
            try:
                await _catch_up_with(new, old)
                for pool in tuple(new.pools.known.values()):
                    # Computed now: else the first route of the pool would wait for it.
                    await new.floor(pool)
                await _catch_up_with(new, old)
            except BaseException:
                await new.close()
                raise
            if self._replicas.get(old.site) is not old or old.removed or new.removed:
                await new.close()
                continue
            self._replicas[old.site], old.successor = new, new
            replaced.append(old)
        return replaced

    async def _follow(self, site: str) -> SiteReplica:
        async with self._opening:
            replica = self._replicas.get(site)
            if replica is not None and not replica.removed:
                return replica
            if replica is not None:
                await self.drop(site)
            if not await self._roster.site_exists(site):
                raise SiteNotFound(site_name(site))
            replica = self._replicas[site] = self._open(site)
            return replica


async def _catch_up_with(new: SiteReplica, old: SiteReplica) -> None:
    """Wait until a new replica knows all that the old one knows, or until the site of one of them was removed."""
    # No event covers both replicas, so this polls.
    while not (old.removed or new.removed or new.knows_all_of(old)):  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_successor(replica: SiteReplica) -> None:
    """Wait until the replica that answers now knows what was written by this one, if another has replaced it."""
    if replica.successor is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(SUCCESSOR_SECONDS):
            # It polls: a write during a change of the model is too rare for an event of its own.
            while not _answering(replica).knows_all_of(replica):  # noqa: ASYNC110
                await asyncio.sleep(SUCCESSOR_POLL_SECONDS)


def _answering(replica: SiteReplica) -> SiteReplica:
    while replica.successor is not None:
        replica = replica.successor
    return replica
