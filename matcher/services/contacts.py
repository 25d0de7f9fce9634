"""Contacts: read, list and cancel them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from matcher.errors import (
    ContactNotFound,
    ContactStateWrong,
    ReservationLapsed,
    ReservationNotFound,
    ReservationStateWrong,
)
from matcher.model import Contact, Page
from matcher.model.lifecycle import ENDED, HOLDING, Cause, ContactState
from matcher.model.resource_names import contact_name
from matcher.model.scope import scope_of_call
from matcher.replica.queue_places import place_of
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore, LeaveOutcome
from matcher.store.pages import page_of
from matcher.store.reservations import NO_FENCE, ReservationStore

CATCH_UP_SECONDS: Final = 0.5
CANCEL_TRIES: Final = 8


class ContactService:
    """Read and cancel contacts. Every method raises MatcherErrors, those of the store among them."""

    def __init__(
        self,
        store: ContactStore,
        reservations: ReservationStore,
        events: EventStore,
        sites: SiteRegistry,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._reservations = reservations
        self._events = events
        self._sites = sites
        self._clocks = clocks

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact, with its place in the queue if it waits."""
        replica = await self._sites.replica(site)
        stored = await self._store.contact(site, contact, self._clocks.of(site).now_ms())
        if not scope_of_call().reaches((stored.pool,)):
            raise ContactNotFound(contact_name(site, contact))
        if stored.state is ContactState.QUEUED and stored.waits_until_ms and stored.id not in replica.queue:
            # Another server queued the contact a moment ago: this replica has not read the event yet.
            await replica.catch_up(CATCH_UP_SECONDS, load=(await self._events.end(site)).number)
        return self._placed(replica, stored)

    async def contacts(
        self, site: str, pool: str | None, state: ContactState | None, most: int, after: str
    ) -> Page[Contact]:
        """List the contacts that have not ended, the oldest first, from `after` on. Raises PoolNotFound.

        Those that the caller does not reach are left out.
        """
        replica = await self._sites.replica(site)
        of_pool = None if pool is None else await replica.pools.pool(pool)
        scope, now = scope_of_call(), self._clocks.of(site).now_ms()

        async def read(after: str) -> Page[Contact]:
            return await self._store.contacts(site, None, None, most, after, now)

        def fits(contact: Contact) -> bool:
            is_there = scope.reaches((contact.pool,)) and (of_pool is None or contact.is_in(of_pool))
            return is_there and (state is None or contact.state is state)

        if scope.pools is None or state in ENDED:
            page = await self._store.contacts(site, of_pool, state, most, after, now)
        else:
            page = await page_of(read, after, fits)
        return replace(page, items=tuple(self._placed(replica, contact) for contact in page.items))

    async def waiting(self, site: str) -> Mapping[str, int]:
        """Return how many contacts wait, by pool."""
        return await self._store.waiting(site)

    async def cancel(self, site: str, contact: str) -> Contact:
        """End a contact: it leaves the queue, and its reservation is canceled. A repetition changes nothing.

        Raises ContactNotFound, or ContactStateWrong if the contact has ended in another way.
        """
        replica = await self._sites.replica(site)
        for _ in range(CANCEL_TRIES):
            left = await self._store.leave(site, contact, Cause.CANCELED, scope_of_call())
            match left.how:
                case LeaveOutcome.GONE:
                    raise ContactNotFound(contact_name(site, contact))
                case LeaveOutcome.ENDED if left.detail != ContactState.CANCELED:
                    break
                case LeaveOutcome.HELD:
                    # If the reservation has changed meanwhile, the contact is read again.
                    with suppress(ReservationLapsed, ReservationNotFound, ReservationStateWrong):
                        ref = await self._reservations.reference(site, left.detail)
                        policy = await replica.pools.policy(ref.pool)
                        canceled = await self._reservations.cancel(ref, NO_FENCE, wrap_up_ms=policy.after_cancel_ms)
                        if canceled.state not in HOLDING:
                            replica.apply_own_release(ref.agent, ref.reservation, None)
                        return await self.contact(site, contact)
                case _:
                    return await self.contact(site, contact)
        raise ContactStateWrong(contact_name(site, contact), left.detail, "canceled")

    def _placed(self, replica: SiteReplica, contact: Contact) -> Contact:
        """Return the contact with its place in the queue, None where the replica does not know it to wait.

        The customer's handle is shown to those alone who may see customers.
        """
        if not scope_of_call().shows_customers:
            contact = replace(contact, customer="")
        if not contact.queued_in:
            return contact  # it has left the queue, whether or not this replica has read so
        now = self._clocks.of(replica.site).now_ms()
        return replace(contact, queued=place_of(replica, contact, now))
