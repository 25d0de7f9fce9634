"""Pools of a site in memory: the policy of each, and the change to the scorer that the policy names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from matcher.aio import cancel_and_wait
from matcher.errors import PoolNotFound
from matcher.index import SiteIndex
from matcher.model import Pool, PoolPolicy
from matcher.model.resource_names import pool_name
from matcher.replica.model_bundle import ModelBundle
from matcher.store.roster import RosterStore


class SitePools:
    """Keep the pools of a site current; of two versions of a pool the newer one stays."""

    def __init__(self, site: str, roster: RosterStore, matching: ModelBundle, index: Callable[[], SiteIndex]) -> None:
        """index: returns the site's current index, which another replaces whenever the site is read again."""
        self.known: dict[str, Pool] = {}
        self._site = site
        self._roster = roster
        self._matching = matching
        self._index = index
        self._adopting: set[asyncio.Task[None]] = set()

    def reset(self, pools: Mapping[str, Pool]) -> None:
        """Replace all pools by those of a snapshot, whose scorers are set in its index."""
        self.known = dict(pools)

    async def pool(self, pool: str) -> Pool:
        """Return a pool, also one that another server created a moment ago. Raises PoolNotFound."""
        known = self.known.get(pool)
        if known is None:
            known = await self._roster.pool(self._site, pool)
            if known is None:
                raise PoolNotFound(pool_name(self._site, pool))
            await self.put(known)
        return known

    async def policy(self, pool: str) -> PoolPolicy:
        """Return a pool's policy; the default policy if the pool was removed while a reservation of it was live."""
        try:
            return (await self.pool(pool)).policy
        except PoolNotFound:
            return PoolPolicy()

    async def put(self, pool: Pool) -> None:
        """Apply a pool as the store has it, and wait until its scorer is set."""
        if self._enter(pool):
            await self._adopt(pool)

    def remove(self, pool: str) -> None:
        """Remove a pool, its scorer from the index, and its floor."""
        self.known.pop(pool, None)
        self._index().set_scorer(pool, None)
        self._matching.floors.forget(self._index(), pool)

    async def refresh(self, changed: Iterable[str]) -> None:
        """Read the pools that were written or removed."""
        for pool_id in changed:
            pool = await self._roster.pool(self._site, pool_id)
            if pool is None:
                self.remove(pool_id)
            elif self._enter(pool):
                # To prepare a large pool's rows takes a second: the events that follow do not wait for it.
                task = asyncio.create_task(self._adopt(pool))
                self._adopting.add(task)
                task.add_done_callback(self._adopting.discard)

    async def close(self) -> None:
        """Cancel the changes of scorers that are running."""
        for adopting in tuple(self._adopting):
            await cancel_and_wait(adopting)

    def _enter(self, pool: Pool) -> bool:
        """Keep a pool; return whether it was the newer version."""
        known = self.known.get(pool.id)
        # A new pool of a removed id has versions of its own. Times may go back with the store's clock, versions do not.
        if known is not None and known.created_ms == pool.created_ms and known.version > pool.version:
            return False
        self.known[pool.id] = pool
        return True

    async def _adopt(self, pool: Pool) -> None:
        def is_current() -> bool:
            known = self.known.get(pool.id)
            return known is not None and known.policy.scorer == pool.policy.scorer

        await self._matching.adopt_scorer(self._index(), pool, is_current)
