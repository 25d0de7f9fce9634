"""The life of a reservation: taken, turned down, renewed, ended, given back; by the terms of its pool."""

from __future__ import annotations

from matcher.model import Decision, Experience, Page, PoolPolicy, Reservation
from matcher.model.lifecycle import HOLDING, ReservationState
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.reservations import ReservationRef, ReservationStore


class ReservationService:
    """Move reservations through their life and read them. Every method raises MatcherErrors by what the store finds."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        customers: CustomerStore,
        sites: SiteRegistry,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._contacts = contacts
        self._customers = customers
        self._sites = sites
        self._clocks = clocks

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Take an offer; fence 0: not checked."""
        _, slot, policy = await self._slot(site, reservation)
        return await self._store.accept(slot, fence, policy.accepted_ms, policy.idle_ms)

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Turn an offer down; retry_after_ms None: never offered to the agent again."""
        replica, slot, _ = await self._slot(site, reservation)
        return _known(replica, await self._store.decline(slot, fence, reason, retry_after_ms))

    async def touch(self, site: str, reservation: str, fence: int) -> Reservation:
        """Note that a conversation goes on."""
        _, slot, policy = await self._slot(site, reservation)
        return await self._store.touch(slot, fence, policy.idle_ms)

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Move a deadline on; duration_ms None: by the pool's accepted_duration."""
        _, slot, policy = await self._slot(site, reservation)
        lasts_ms = policy.accepted_ms if duration_ms is None else duration_ms
        return await self._store.renew(slot, fence, lasts_ms, policy.idle_ms)

    async def complete(self, site: str, reservation: str, fence: int, experience: Experience) -> Reservation:
        """End a conversation; where the pool leads customers back, remember how this one was."""
        replica, slot, policy = await self._slot(site, reservation)
        completed = _known(replica, await self._store.complete(slot, fence, policy.wrap_up_ms))
        if policy.relationship_ms and experience.good is not None:
            now = self._clocks.of(site).now_ms()
            customer = (await self._contacts.contact(site, slot.contact, now)).customer
            if customer:
                await self._customers.remember(
                    site, customer, slot.agent, good=experience.good, now_ms=now, for_ms=policy.relationship_ms
                )
        return completed

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """Give a slot back."""
        replica, slot, _ = await self._slot(site, reservation)
        return _known(replica, await self._store.cancel(slot, fence))

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""
        await self._sites.replica(site)
        return await self._store.reservation(site, reservation, self._clocks.of(site).now_ms())

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on; of one agent, where one is named."""
        await self._sites.replica(site)
        now = self._clocks.of(site).now_ms()
        if agent is None:
            return await self._store.reservations(site, most, after, now)
        return await self._store.reservations_of(site, agent, most, after, now)

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of the decision that led to a reservation."""
        await self._sites.replica(site)
        return await self._store.decision(site, decision)

    async def _slot(self, site: str, reservation: str) -> tuple[SiteReplica, ReservationRef, PoolPolicy]:
        """Return the replica of a reservation's site, its slot and the terms of its pool."""
        replica = await self._sites.replica(site)
        slot = await self._store.slot(site, reservation)
        return replica, slot, await replica.pools.policy(slot.pool)


def _known(replica: SiteReplica, now: Reservation) -> Reservation:
    """Return what became of a reservation, having told the replica where the slot is free."""
    if now.state not in HOLDING:
        replica.apply_own_release(now.agent, now.id, now.ended_ms if now.state is ReservationState.COMPLETED else None)
    return now
