"""Registry of the sites that this process follows; a site's replica is opened on first use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from matcher.errors import IndexBehind, SiteNotFound
from matcher.model.resource_names import site_name
from matcher.replica.site_replica import SiteReplica
from matcher.store.sites import SiteStore

READY_SECONDS: Final = 5.0
AWAY_SECONDS: Final = 1.0
"""How long a call waits for a store that went away, as in a failover."""
POLL_SECONDS: Final = 0.01
SUCCESSOR_SECONDS: Final = 1.0
SUCCESSOR_POLL_SECONDS: Final = 0.005


class SiteRegistry:
    """Keep one replica for each site."""

    def __init__(
        self,
        store: SiteStore,
        open_replica: Callable[[str], SiteReplica],
        on_drop: Callable[[str], None] = lambda _: None,
    ) -> None:
        """on_drop: called with each site that is no longer followed."""
        self._store = store
        self._open = open_replica
        self._on_drop = on_drop
        self._replicas: dict[str, SiteReplica] = {}
        self._woken: dict[str, float] = {}
        """Sites that are followed only because something is due there, and when that was last so (time.monotonic)."""
        self._opening = asyncio.Lock()

    def follows(self, site: str) -> bool:
        """Return whether a site has a replica here."""
        return site in self._replicas

    async def replica(self, site: str) -> SiteReplica:
        """Return a site's replica once the site is read.

        Raises SiteNotFound, StoreUnavailable if the store stays away for 1 s, or IndexBehind after 5 s.
        """
        self._woken.pop(site, None)
        replica = self._replicas.get(site)
        if replica is None or replica.removed:
            replica = await self._follow(site)
        if not replica.caught_up and not await replica.wait_ready(AWAY_SECONDS if replica.away else READY_SECONDS):
            raise replica.away or IndexBehind(site_name(site))
        if replica.removed:
            raise SiteNotFound(site_name(site))
        return replica

    def is_called(self, site: str) -> bool:
        """Return whether a call asked for a site that is followed: it is followed until it is removed."""
        return site in self._replicas and site not in self._woken

    async def wake(self, site: str, most_opening: int) -> None:
        """Follow a site in which something is due, until the site has been idle; a site that a call asked for stays.

        most_opening: while this number of woken sites is still being read, this one is left for the next time.
        """
        if site not in self._woken:
            woken = [self._replicas[other] for other in self._woken if other in self._replicas]
            if site in self._replicas or sum(not replica.caught_up for replica in woken) >= most_opening:
                return
            try:
                self._woken[site] = time.monotonic()
                await self._follow(site)
            except BaseException:
                self._woken.pop(site, None)
                raise
        else:
            self._woken[site] = time.monotonic()

    async def drop_idle(self, seconds: float) -> None:
        """Stop following woken sites that have been idle for the given seconds: nothing was due and no call came."""
        now = time.monotonic()
        for site in [site for site, due in self._woken.items() if now - due >= seconds]:
            del self._woken[site]
            if site in self._replicas:
                await self.drop(self._replicas[site])

    async def drop_removed(self, uid: str = "") -> None:
        """Stop following the sites that were removed, by whatever process; uid: of a life that ended just now."""
        for replica in self:
            if replica.removed or (uid and replica.life == uid):
                await self.drop(replica)

    async def drop(self, replica: SiteReplica) -> None:
        """Stop following a site, unless another replica follows it by now, and give back what was kept for it."""
        if self._replicas.get(replica.site) is replica:
            del self._replicas[replica.site]
            self._woken.pop(replica.site, None)
            replica.hub.end()
            await replica.close()
            if replica.site not in self._replicas:
                self._on_drop(replica.site)

    def __iter__(self) -> Iterator[SiteReplica]:
        """Iterate over the open replicas."""
        return iter(tuple(self._replicas.values()))

    async def close(self) -> None:
        """Stop following all sites."""
        for replica in self:
            await self.drop(replica)

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
                await self.drop(replica)
            if await self._store.living(site) is None:
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
            while not answering(replica).knows_all_of(replica):  # noqa: ASYNC110
                await asyncio.sleep(SUCCESSOR_POLL_SECONDS)


def answering(replica: SiteReplica) -> SiteReplica:
    """Return the replica that answers now, if another has replaced this one."""
    while replica.successor is not None:
        replica = replica.successor
    return replica
