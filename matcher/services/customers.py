"""Customers: what they agreed to leave, read, listed, joined and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from matcher.errors import ConsentMissing
from matcher.model import Page
from matcher.model.customers import Customer, CustomerWrite
from matcher.replica.interest_vectors import encode_interests
from matcher.replica.site_registry import SiteRegistry
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customer_records import CustomerRecordStore
from matcher.store.customers import LEAST_JOINED_MS, CustomerStore

CLOCK_MS: Final = 60_000
"""How far ahead of the store's clock the time of a consent may be: the clocks of machines differ."""


class CustomerService:
    """Keep what is remembered of customers. Every method raises MatcherErrors, those of the store among them."""

    def __init__(
        self,
        store: CustomerStore,
        records: CustomerRecordStore,
        contacts: ContactStore,
        sites: SiteRegistry,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._records = records
        self._contacts = contacts
        self._sites = sites
        self._clocks = clocks

    async def put_customer(self, site: str, write: CustomerWrite) -> Customer:
        """Remember a customer's interests until the consent ends; they are encoded before the call returns.

        validate_only of the write: nothing is written; the customer as remembered now, with the id "" for a new one.
        Raises ConsentMissing where the consent has not begun or has ended.
        """
        replica = await self._sites.replica(site)
        answered = await self._records.answered(site, write)
        if answered is not None:
            return await self.customer(site, answered)
        now, consent = self._clocks.of(site).now_ms(), write.consent
        if consent is not None and consent.expires_ms <= now:
            raise ConsentMissing("it has ended")
        if consent is not None and consent.time_ms > now + CLOCK_MS:
            raise ConsentMissing("it is of a time to come")
        if write.validate_only:
            found = await self._records.found(site, write)
            return await self.customer(site, found) if found else Customer("")
        encoder = replica.matching.encoder
        texts = [interest.text for interest in write.interests]
        rows = await encode_interests(encoder, texts) if texts else np.zeros((0, encoder.dimension), np.float32)
        return await self.customer(site, await self._records.put(site, write, replica.matching.model, rows))

    async def customer(self, site: str, customer: str) -> Customer:
        """Read everything that is remembered of a customer, with the contacts that have not ended."""
        await self._sites.replica(site)
        now = self._clocks.of(site).now_ms()
        found = await self._records.customer(site, customer, now)
        is_own = await self._records.is_handle_of(site, found.id)
        return replace(found, open_contacts=tuple(await self._contacts.open_of(site, is_own, now)))

    async def customer_of(self, site: str, handle: str) -> Customer:
        """Read everything that is remembered of a handle's customer."""
        await self._sites.replica(site)
        return await self.customer(site, await self._records.customer_of(site, handle))

    async def customers(self, site: str, most: int, after: str) -> Page[Customer]:
        """List customers without their contacts, from `after` on, first those of whom nothing is remembered soonest."""
        await self._sites.replica(site)
        return await self._records.customers(site, most, after, self._clocks.of(site).now_ms())

    async def link(self, site: str, handles: Sequence[str]) -> int:
        """Join the handles of one customer for as long as a pool of the site remembers customers, at least for a day.

        Returns how many handles the customer has now.
        """
        replica = await self._sites.replica(site)
        remembered = (pool.policy.relationship_ms for pool in replica.pools.known.values())
        return await self._store.link(site, handles, max((LEAST_JOINED_MS, *remembered)))

    async def link_customers(self, site: str, handles: Sequence[str]) -> Customer:
        """Join the handles of one customer, as `link` does; read the customer."""
        await self.link(site, handles)
        return await self.customer_of(site, handles[0])
