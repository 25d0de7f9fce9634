"""Contacts as they stand, and their end before an agent has taken them."""

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
from matcher.model.lifecycle import Cause, ContactState
from matcher.model.resource_names import contact_name
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore
from matcher.store.reservations import NO_FENCE, ReservationStore

CATCH_UP_SECONDS: Final = 0.5
CANCEL_TRIES: Final = 8


class ContactService:
    """Read and cancel contacts. Every method raises MatcherErrors by what the store finds."""

    def __init__(
        self, store: ContactStore, routing: ReservationStore, events: EventStore, sites: SiteRegistry, clocks: Clocks
    ) -> None:
        self._store = store
        self._routing = routing
        self._events = events
        self._sites = sites
        self._clocks = clocks

    async def contact(self, site: str, contact: str) -> Contact:
        """Read a contact, with its place in the queue where it waits."""
        replica = await self._sites.replica(site)
        read = await self._store.contact(site, contact, self._clocks.of(site).now_ms())
        if read.state is ContactState.QUEUED and read.waits_until_ms and read.id not in replica.queue:
            # It came in through another replica a moment ago.
            await replica.reached((await self._events.end(site)).number, CATCH_UP_SECONDS)
        return self._placed(replica, read)

    async def contacts(
        self, site: str, pool: str | None, state: ContactState | None, most: int, after: str
    ) -> Page[Contact]:
        """List the contacts that have not ended, the oldest first, from `after` on. Raises PoolNotFound."""
        replica = await self._sites.replica(site)
        if pool is not None:
            await replica.pools.pool(pool)
        page = await self._store.contacts(site, pool, state, most, after, self._clocks.of(site).now_ms())
        return Page(tuple(self._placed(replica, one) for one in page.items), page.next)

    async def waiting(self, site: str) -> Mapping[str, int]:
        """Return how many contacts wait, by pool."""
        return await self._store.waiting(site)

    async def cancel(self, site: str, contact: str) -> Contact:
        """End a contact: it leaves the queue, and an agent who is held for it is free again. A repeat changes nothing.

        Raises ContactNotFound, or ContactStateWrong where it has ended otherwise.
        """
        replica = await self._sites.replica(site)
        for _ in range(CANCEL_TRIES):
            left = await self._store.leave(site, contact, Cause.CANCELED)
            match left.how:
                case "gone":
                    raise ContactNotFound(contact_name(site, contact))
                case "ended" if left.detail != ContactState.CANCELED:
                    break
                case "held":
                    # What has changed hands meanwhile is looked at again.
                    with suppress(ReservationLapsed, ReservationNotFound, ReservationStateWrong):
                        slot = await self._routing.slot(site, left.detail)
                        await self._routing.cancel(slot, NO_FENCE)
                        replica.apply_own_release(slot.agent, slot.reservation, None)
                        return await self.contact(site, contact)
                case _:
                    return await self.contact(site, contact)
        raise ContactStateWrong(contact_name(site, contact), left.detail, "canceled")

    def _placed(self, replica: SiteReplica, contact: Contact) -> Contact:
        now = self._clocks.of(replica.site).now_ms()
        return replace(contact, queued=replica.queue.place_of(contact.id, contact.waits_until_ms, now))
