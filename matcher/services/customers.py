"""Customers: what they agreed to leave, read, listed, joined and changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from matcher.errors import ConsentMissing, CustomerNotFound, HandleUnknown, LedgerAway
from matcher.model import Page
from matcher.model.customers import Customer, CustomerWrite
from matcher.model.resource_names import site_name
from matcher.replica.interest_vectors import encode_interests
from matcher.replica.site_registry import SiteRegistry
from matcher.services.ledger import Ledger
from matcher.store.clock import CALLERS_AHEAD_MS, Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customer_records import CustomerRecordStore
from matcher.store.customers import LEAST_JOINED_MS, CustomerStore
from matcher.store.traces import TraceStore

MOST_LISTED: Final = 1_000
"""Ended contacts of a customer that are read of the ledger, and listed with those of the store; decisions, too."""


class CustomerService:
    """Keep what is remembered of customers. Every method raises MatcherErrors, those of the store among them."""

    def __init__(
        self,
        store: CustomerStore,
        records: CustomerRecordStore,
        contacts: ContactStore,
        traces: TraceStore,
        ledger: Ledger,
        sites: SiteRegistry,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._records = records
        self._contacts = contacts
        self._traces = traces
        self._ledger = ledger
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
        if consent is not None and consent.time_ms > now + CALLERS_AHEAD_MS:
            raise ConsentMissing("its time is in the future")
        if write.validate_only:
            found = await self._records.found(site, write)
            return await self.customer(site, found) if found else Customer("")
        encoder = replica.matching.encoder
        texts = [interest.text for interest in write.interests]
        rows = await encode_interests(encoder, texts) if texts else np.zeros((0, encoder.dimension), np.float32)
        return await self.customer(site, await self._records.put(site, write, replica.matching.model, rows))

    async def customer(self, site: str, customer: str, *, with_ended: bool = False) -> Customer:
        """Read everything that is remembered of a customer, with the contacts that have not ended.

        with_ended: also the contacts that have ended, of the store and the ledger, and the decisions; every record of
        the site is read. Raises CustomerNotFound; with_ended also LedgerAway, rather than to leave those of the ledger
        out.
        """
        await self._sites.replica(site)
        now = self._clocks.of(site).now_ms()
        found = await self._records.customer(site, customer, now)
        is_own = await self._records.is_handle_of(site, found.id)
        found = replace(found, open_contacts=tuple(await self._contacts.open_of(site, is_own, now)))
        return await self._with_ended(site, found) if with_ended else found

    async def customer_of(self, site: str, handle: str, *, with_ended: bool = False) -> Customer:
        """Read everything that is remembered of a handle's customer, as `customer` does.

        with_ended: also where nothing is remembered and contacts, decisions or the ledger have the handle: a customer
        with the id "". Raises HandleUnknown.
        """
        await self._sites.replica(site)
        try:
            return await self.customer(site, await self._records.customer_of(site, handle), with_ended=with_ended)
        except (CustomerNotFound, HandleUnknown):
            if with_ended:
                opened = tuple(await self.open_contacts_of(site, handle))
                found = await self._with_ended(site, Customer("", (handle,), open_contacts=opened))
                if found.open_contacts or found.ended_contacts or found.decisions:
                    return found
            raise HandleUnknown(site_name(site), every_record_read=with_ended) from None

    async def open_contacts_of(self, site: str, handle: str) -> list[str]:
        """List the contacts of a handle that have not ended, whether or not anything is remembered of the customer."""
        await self._sites.replica(site)
        return await self._contacts.open_of(site, lambda other: other == handle, self._clocks.of(site).now_ms())

    async def is_in_ledger(self, site: str, handle: str) -> bool:
        """Return whether the ledger may have contacts of a handle: it may while it is away."""
        try:
            return bool(await self._in_ledger(site, self._store.digests([handle]), most=1))
        except LedgerAway:
            return True

    async def _with_ended(self, site: str, known: Customer) -> Customer:
        """Return a customer with the contacts that have ended, and with the decisions."""
        customers, handles = ([known.id], ()) if known.id else ([], known.handles)
        traces = await self._traces.contacts_of(site, customers, self._clocks.of(site).now_ms(), handles)
        in_ledger = await self._in_ledger(site, traces.digests | self._store.digests(known.handles), MOST_LISTED)
        ended = dict.fromkeys((*in_ledger, *sorted(traces.contacts)))
        listed = sorted([contact for contact in ended if contact not in known.open_contacts][:MOST_LISTED])
        decisions = tuple(sorted(traces.decisions)[:MOST_LISTED])
        return replace(known, ended_contacts=tuple(listed), decisions=decisions)

    async def _in_ledger(self, site: str, digests: Collection[str], most: int) -> list[str]:
        if not self._ledger.is_on:
            return []
        life = (await self._sites.replica(site)).life
        return await self._ledger.read(lambda reader: reader.contacts_of(life, sorted(digests), most))

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
