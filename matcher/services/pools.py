"""Pools: create, read, change and remove them, with the scorer that each policy names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from matcher.affinity.scorer_registry import ScorerUnknown
from matcher.errors import FieldsInvalid, FieldViolation, PoolInUse, PoolNotFound
from matcher.model import DEFAULT_POOL, Page, Pool, PoolPolicy
from matcher.model.resource_names import pool_name
from matcher.model.scope import scope_of_call
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.etags import check_etag, overtaken, retry_write
from matcher.store.pages import page_of
from matcher.store.roster import MUST_NOT_EXIST, RosterStore


class PoolService:
    """Keep the pools of each site. Every method raises MatcherErrors, those of the store among them."""

    def __init__(self, store: RosterStore, sites: SiteRegistry, default_tolerance: float) -> None:
        """default_tolerance: the affinity tolerance of a pool that has none of its own."""
        self._store = store
        self._sites = sites
        self._default_tolerance = default_tolerance

    async def create_pool(self, site: str, pool: str, policy: PoolPolicy) -> Pool:
        """Add a pool."""
        replica = await self._sites.replica(site)
        await _check_scorer(replica, policy.scorer)
        written = await self._store.put_pool(site, pool, policy, MUST_NOT_EXIST)
        await replica.pools.put(written)
        return written

    async def pool(self, site: str, pool: str) -> Pool:
        """Read a pool."""
        stored = await self._store.pool(site, pool)
        if stored is None:
            await self._sites.replica(site)
            raise PoolNotFound(pool_name(site, pool))
        return stored

    async def pools(self, site: str, most: int, after: str) -> Page[Pool]:
        """List pools by id; those that the caller does not reach are left out."""
        await self._sites.replica(site)
        scope = scope_of_call()
        return await page_of(partial(self._store.pools, site, most), after, lambda pool: scope.reaches((pool.id,)))

    async def update_pool(self, site: str, pool: str, change: Mapping[str, object], etag: str) -> Pool:
        """Change a pool's policy; the value None sets a field back to its default."""
        replica = await self._sites.replica(site)
        defaults = PoolPolicy()
        values: dict[str, Any] = {
            name: getattr(defaults, name) if value is None else value for name, value in change.items()
        }

        async def update() -> Pool:
            before = await self.pool(site, pool)
            check_etag(pool_name(site, pool), etag, before.version)
            policy = replace(before.policy, **values)
            if policy == before.policy:
                return before
            if policy.scorer != before.policy.scorer:
                await _check_scorer(replica, policy.scorer)
            written = await self._store.put_pool(site, pool, policy, before.version, before.policy)
            await replica.pools.put(written)
            return written

        return await retry_write(update, overtaken(etag))

    async def delete_pool(self, site: str, pool: str, etag: str) -> None:
        """Remove a pool that no agent is in. Raises PoolInUse, always for the default pool."""
        replica = await self._sites.replica(site)
        if pool == DEFAULT_POOL:
            raise PoolInUse(pool_name(site, pool), 0)
        expected = policy = None
        if etag:
            before = await self.pool(site, pool)
            check_etag(pool_name(site, pool), etag, before.version)
            expected, policy = before.version, before.policy
        await self._store.delete_pool(site, pool, expected, policy)
        replica.pools.remove(pool)

    async def effective_floor(self, site: str, pool: Pool) -> float:
        """Return the affinity floor in force."""
        return await (await self._sites.replica(site)).floor(pool)

    async def effective_floors(self, site: str, pools: Sequence[Pool]) -> list[float]:
        """Return the affinity floors in force of some pools, computed together where the roster has changed much."""
        replica = await self._sites.replica(site)
        computed = [pool.id for pool in pools if pool.policy.affinity_floor is None]
        await replica.matching.floors.prepare_pools(replica.index, computed)
        return [await replica.floor(pool) for pool in pools]

    async def effective_scorer(self, site: str, pool: Pool) -> str:
        """Return the name of the scorer that ranks for a pool."""
        scorers = (await self._sites.replica(site)).matching.scorers
        return await asyncio.to_thread(scorers.serving_name, pool.policy.scorer)

    def effective_tolerance(self, pool: Pool) -> float:
        """Return the affinity tolerance in force."""
        return pool.policy.tolerance(self._default_tolerance)


async def _check_scorer(replica: SiteReplica, scorer: str) -> None:
    """Load the scorer that a policy names. Raises FieldsInvalid."""
    try:
        await asyncio.to_thread(replica.matching.scorers.named, scorer)
    except ScorerUnknown as why:
        raise FieldsInvalid([FieldViolation("pool.scorer", str(why))]) from why
