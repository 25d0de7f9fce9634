"""Contacts as they stand."""

from __future__ import annotations

from matcher.clock import Clocks
from matcher.model import Contact
from matcher.sites import Sites
from matcher.store.contacts import ContactStore


class Contacts:
    """Read contacts. Every method raises MatcherErrors by what the store finds."""

    def __init__(self, store: ContactStore, sites: Sites, clocks: Clocks) -> None:
        self._store = store
        self._sites = sites
        self._clocks = clocks

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact."""
        await self._sites.replica(site)
        return await self._store.contact(site, contact, self._clocks.of(site).now_ms())
