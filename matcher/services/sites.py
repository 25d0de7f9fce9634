"""Sites: found, list and remove them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from matcher.errors import PoolExists, SiteDeleting, SiteInUse, SiteNotFound
from matcher.model import DEFAULT_POOL, DEFAULT_SITE, Page, PoolPolicy, Site
from matcher.model.quotas import QuotaUse
from matcher.model.resource_names import new_id, site_name
from matcher.model.scope import scope_of_call
from matcher.replica.site_registry import SiteRegistry
from matcher.services.site_removal import SiteRemoval
from matcher.store.pages import page_of
from matcher.store.roster import MUST_NOT_EXIST, RosterStore
from matcher.store.sites import Deletion, SiteStore

DELETING_SECONDS: Final = 5.0
"""How long the founding of a site waits for the deletion of a former site of the same id."""


class SiteService:
    """Keep the sites. Every method raises MatcherErrors, those of the store among them."""

    def __init__(self, store: SiteStore, roster: RosterStore, sites: SiteRegistry, removal: SiteRemoval) -> None:
        self._store = store
        self._roster = roster
        self._sites = sites
        self._removal = removal

    async def create_site(self, site: str) -> Site:
        """Add a site with its default pool. Raises SiteExists, or SiteDeleting while a former site is being removed."""
        await self._store.living(site)  # a site that an earlier version founded has its life from here on
        founder, until = new_id(), time.monotonic() + DELETING_SECONDS
        while isinstance(begun := await self._begin(site, founder), Deletion):
            removal = self._removal.start(begun)
            await asyncio.wait({removal}, timeout=max(0.0, until - time.monotonic()))
            if not removal.done():
                raise SiteDeleting(site_name(site))
        return Site(site, begun)

    async def sites(self, most: int, after: str) -> Page[Site]:
        """List sites by id; those of which the caller may not know are left out."""
        scope = scope_of_call()
        return await page_of(partial(self._store.sites, most), after, lambda site: scope.knows(site.id))

    async def usage(self, site: str) -> Sequence[QuotaUse]:
        """Read how much of its quotas a site uses. Raises SiteNotFound."""
        await self._sites.replica(site)
        return await self._roster.usage(site)

    async def delete_site(self, site: str, force: bool) -> None:
        """Remove a site, with its agents if `force`; return when every key of it is gone.

        The deletion goes on where the call is cut off. Raises SiteNotFound, or SiteInUse: always for the default site.
        """
        if site == DEFAULT_SITE:
            raise SiteInUse(site_name(site), 0)
        await self._store.living(site)
        deletion = await self._store.begin_deletion(site, force=force)
        await self._removal.remove(deletion)
        await self._sites.drop_removed(deletion.uid)

    async def _begin(self, site: str, founder: str) -> str | Deletion:
        """Found a site as far as no deletion stands in the way; return its uid, or that deletion. Safe to run again."""
        begun = await self._store.found(site, founder, listed=False)
        if isinstance(begun, Deletion):
            return begun
        try:
            with suppress(PoolExists):
                await self._roster.put_pool(site, DEFAULT_POOL, PoolPolicy(), MUST_NOT_EXIST)
        except SiteNotFound:
            return await self._store.found(site, founder, listed=False)
        await self._store.put_on_list(site)
        return await self._store.found(site, founder, listed=True)
