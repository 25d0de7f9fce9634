"""Waker of sites: one process, by a lease, follows each site in which something is due, though no call comes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog

from matcher.errors import MatcherError, SiteNotFound
from matcher.model.resource_names import new_id
from matcher.replica.site_registry import SiteRegistry
from matcher.services.site_removal import SiteRemoval
from matcher.store.clock import Clocks
from matcher.store.pages import every_page
from matcher.store.sites import PAGE, Deletion, SiteState, SiteStore

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0
"""How often the lives of all sites are read. After a restart a deadline may be late by this time, and by the
time that reading its site takes."""
LEASE_MS: Final = 3 * 2_000
"""A process that has missed three looks is dead, or hangs: another takes over."""
SOON_MS: Final = 5_000
"""How long before something is due in a site the site is followed: a look, and the time that reading a site takes."""
IDLE_SECONDS: Final = 60.0
"""A site in which nothing has been due for this time is no longer followed, unless a call asked for the site."""
EXACT_SECONDS: Final = 60.0
"""How often, and at the first look, the deadlines themselves are read: an earlier version's process notes nothing."""
MOST_OPENING: Final = 16
"""So many sites are read at once: after a restart of a service with many sites each call would wait behind them."""


class SiteWaker:
    """Follow the sites in which something is due, continue deletions, and drop sites that are idle or were removed."""

    def __init__(self, store: SiteStore, sites: SiteRegistry, removal: SiteRemoval, clocks: Clocks) -> None:
        self._store = store
        self._sites = sites
        self._removal = removal
        self._clocks = clocks
        self._process = new_id()
        self._exact_at = 0.0
        """When the deadlines themselves are read again (time.monotonic)."""

    async def run(self) -> None:
        """Look after the sites every 2 s, until the task is cancelled; then another process may at once."""
        leads = False
        try:
            while True:
                await self._sites.drop_removed()
                try:
                    leads, led = await self._store.lead(self._process, LEASE_MS), leads
                    if leads and not led:
                        self._exact_at = 0.0
                    if leads:
                        await self.look()
                except MatcherError as fault:
                    log.warning("sites could not be woken; trying again", why=str(fault))
                await self._sites.drop_idle(IDLE_SECONDS)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if leads:
                with suppress(MatcherError):
                    await self._store.lead(self._process, 1)

    async def look(self) -> None:
        """Read every site's life, and follow the sites in which something is due now or soon."""
        exact = time.monotonic() >= self._exact_at
        for deletion in await self._store.deletions():
            self._removal.start(deletion)
        async for page in every_page(lambda after: self._store.lives(PAGE, after, exact=exact)):
            for site, life in page.items:
                if life is None:
                    continue
                if life.state is SiteState.DELETING:
                    self._removal.start(Deletion(site, life.uid))
                elif self._is_soon(site, life.due_ms) and not self._sites.is_called(site):
                    await self._wake(site)
        if exact:
            self._exact_at = time.monotonic() + EXACT_SECONDS

    async def _wake(self, site: str) -> None:
        """Follow a site, if something is due in it indeed: the note in its life may be of an earlier time."""
        try:
            if self._is_soon(site, await self._store.next_due(site)):
                await self._sites.wake(site, MOST_OPENING)
        except SiteNotFound:
            pass  # removed meanwhile
        except MatcherError as fault:
            log.warning("a site could not be woken; trying again", site=site, why=str(fault))

    def _is_soon(self, site: str, due_ms: int | None) -> bool:
        return due_ms is not None and due_ms <= self._clocks.of(site).now_ms() + SOON_MS
