"""Sites: create, list and remove them."""

from __future__ import annotations

from contextlib import suppress

from matcher.errors import PoolExists, SiteInUse, SiteNotFound
from matcher.model import DEFAULT_POOL, DEFAULT_SITE, Page, PoolPolicy
from matcher.model.resource_names import site_name
from matcher.replica.site_registry import SiteRegistry
from matcher.store.roster import MUST_NOT_EXIST, RosterStore


class SiteService:
    """Keep the sites. Every method raises MatcherErrors, those of the store among them."""

    def __init__(self, store: RosterStore, sites: SiteRegistry) -> None:
        self._store = store
        self._sites = sites

    async def create_site(self, site: str) -> None:
        """Add a site with its default pool. Raises SiteExists."""
        with suppress(PoolExists):
            await self._store.put_pool(site, DEFAULT_POOL, PoolPolicy(), MUST_NOT_EXIST)
        await self._store.add_site(site)

    async def sites(self, most: int, after: str) -> Page[str]:
        """List sites by id."""
        return await self._store.sites(most, after)

    async def delete_site(self, site: str, force: bool) -> None:
        """Remove a site, with its agents if `force`. Raises SiteNotFound, or SiteInUse: always for the default site."""
        if site == DEFAULT_SITE:
            raise SiteInUse(site_name(site), 0)
        if not await self._store.site_exists(site):
            raise SiteNotFound(site_name(site))
        agents = await self._store.agents_on(site)
        if agents and not force:
            raise SiteInUse(site_name(site), agents)
        await self._store.delete_site(site)
        await self._sites.drop(site)
