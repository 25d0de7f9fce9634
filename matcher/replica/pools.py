"""The pools of a site as this process knows them, each with the scorer that ranks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from matcher.aio import cancel_and_wait
from matcher.errors import PoolNotFound
from matcher.index import SiteIndex
from matcher.model import Pool, PoolPolicy
from matcher.model.resource_names import pool_name
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.snapshot import adopt_scorer
from matcher.store.roster import RosterStore


class SitePools:
    """Keep pools current; the newer of two versions stays."""

    def __init__(self, site: str, roster: RosterStore, matching: ModelBundle, index: Callable[[], SiteIndex]) -> None:
        """Take where pools are read, and how the index of today is found."""
        self.known: dict[str, Pool] = {}
        self._site = site
        self._roster = roster
        self._matching = matching
        self._index = index
        self._adopting: set[asyncio.Task[None]] = set()

    def reset(self, pools: Mapping[str, Pool]) -> None:
        """Begin anew with pools whose scorers rank already."""
        self.known = dict(pools)

    async def pool(self, pool: str) -> Pool:
        """Return a pool, also one that another replica made a moment ago. Raises PoolNotFound."""
        known = self.known.get(pool)
        if known is None:
            known = await self._roster.pool(self._site, pool)
            if known is None:
                raise PoolNotFound(pool_name(self._site, pool))
            await self.put(known)
        return known

    async def policy(self, pool: str) -> PoolPolicy:
        """Return a pool's policy; the usual one where the pool went while something of it lasted."""
        try:
            return (await self.pool(pool)).policy
        except PoolNotFound:
            return PoolPolicy()

    async def put(self, pool: Pool) -> None:
        """Take in a pool as the store has it. Its scorer ranks when this returns."""
        if self._enter(pool):
            await self._adopt(pool)

    def remove(self, pool: str) -> None:
        """Forget a pool."""
        self.known.pop(pool, None)
        self._index().set_scorer(pool, None)

    async def refresh(self, changed: Iterable[str]) -> None:
        """Read pools again that were written or removed."""
        for pool_id in changed:
            pool = await self._roster.pool(self._site, pool_id)
            if pool is None:
                self.remove(pool_id)
            elif self._enter(pool):
                # Making a large pool's rows ready takes a second; the changes behind this one shall not wait for it.
                task = asyncio.create_task(self._adopt(pool))
                self._adopting.add(task)
                task.add_done_callback(self._adopting.discard)

    async def close(self) -> None:
        """Stop making rows ready."""
        for adopting in tuple(self._adopting):
            await cancel_and_wait(adopting)

    def _enter(self, pool: Pool) -> bool:
        known = self.known.get(pool.id)
        if known is not None and (known.updated_ms, known.version) > (pool.updated_ms, pool.version):
            return False
        self.known[pool.id] = pool
        return True

    async def _adopt(self, pool: Pool) -> None:
        def still_wanted() -> bool:
            now = self.known.get(pool.id)
            return now is not None and now.policy.scorer == pool.policy.scorer

        await adopt_scorer(self._index(), self._matching, pool, still_wanted)
