"""Reservations: accept, decline, renew, complete, wrap up, cancel and read them, by the policy of their pool."""

from __future__ import annotations

from collections.abc import Callable

from matcher.errors import DecisionNotFound, ReservationNotFound
from matcher.model import Decision, Experience, Page, PoolPolicy, Report, Reservation
from matcher.model.lifecycle import HOLDING, ReservationState
from matcher.model.resource_names import decision_name, reservation_name
from matcher.model.scope import scope_of_call
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.services.departures import AwayReason, handle_away
from matcher.store.clock import Clocks
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.outcomes import reported_outcomes
from matcher.store.pages import page_of
from matcher.store.reservations import ReservationRef, ReservationStore


class ReservationService:
    """Move reservations through their life and read them. Every method raises MatcherErrors, the store's among them."""

    def __init__(
        self,
        store: ReservationStore,
        contacts: ContactStore,
        customers: CustomerStore,
        sites: SiteRegistry,
        clocks: Clocks,
        on_away: Callable[[str, AwayReason], None] = lambda _site, _reason: None,
    ) -> None:
        """on_away: called with the site of each agent whom the service sets AWAY, and the reason."""
        self._store = store
        self._contacts = contacts
        self._customers = customers
        self._sites = sites
        self._clocks = clocks
        self._on_away = on_away

    async def accept(self, site: str, reservation: str, fence: int) -> Reservation:
        """Accept an offer; fence 0: not checked. In a transfer the conversation of the former agent may end with it."""
        replica, ref, policy = await self._resolve(site, reservation)
        old, wrap_up_ms = ref.takes_over, 0
        if old is not None:
            wrap_up_ms = (await replica.pools.policy(old.pool)).wrap_up_after_transfer_ms
        accepted = await self._store.accept(
            ref, fence, policy.accepted_ms, policy.idle_ms, policy.first_response_ms, wrap_up_ms=wrap_up_ms
        )
        replica.losses.note_accepted(accepted)
        if old is not None and not wrap_up_ms:
            replica.apply_own_release(old.agent, old.reservation, accepted.accepted_ms)
        return accepted

    async def decline(
        self, site: str, reservation: str, fence: int, reason: str, retry_after_ms: int | None
    ) -> Reservation:
        """Decline an offer; retry_after_ms None: the contact is never offered to the agent again.

        Who declines as many offers in a row as the pool allows is set AWAY, and the agent's other offers are withdrawn.
        """
        replica, ref, policy = await self._resolve(site, reservation)
        declined = await self._store.decline(ref, fence, reason, retry_after_ms, policy.max_declined)
        _apply_if_freed(replica, declined.reservation)
        if declined.away:
            self._on_away(site, AwayReason.DECLINED)
        if declined.away or declined.still_away:
            now_ms, until_ms = self._clocks.of(site).now_ms(), declined.reservation.ended_ms
            await handle_away(self._store, site, ref.agent, AwayReason.DECLINED, now_ms, made_until_ms=until_ms)
        return declined.reservation

    async def touch(self, site: str, reservation: str, fence: int) -> Reservation:
        """Record that a conversation continues."""
        _, ref, policy = await self._resolve(site, reservation)
        return await self._store.touch(ref, fence, policy.idle_ms)

    async def renew(self, site: str, reservation: str, fence: int, duration_ms: int | None) -> Reservation:
        """Extend the deadline; duration_ms None: by the pool's accepted_duration."""
        _, ref, policy = await self._resolve(site, reservation)
        lasts_ms = policy.accepted_ms if duration_ms is None else duration_ms
        return await self._store.renew(ref, fence, lasts_ms, policy.idle_ms)

    async def complete(self, site: str, reservation: str, fence: int, experience: Experience) -> Reservation:
        """End a conversation; where the pool leads customers back to an agent, store the customer's experience.

        A repeat changes nothing. The first experience counts, for the agent of this reservation, whether it comes with
        the first call or later. For the ledger it is an outcome of the contact, which a later one corrects.
        """
        replica, ref, policy = await self._resolve(site, reservation)
        good = experience.good if policy.relationship_ms else None
        completed = await self._store.complete(
            ref,
            fence,
            policy.wrap_up_after_complete_ms,
            good=good,
            second_ends=policy.second_complete_ends_wrap_up,
            reported=reported_outcomes(experience),
        )
        _apply_if_freed(replica, completed)
        if completed.report is not None and good is completed.report.good:
            # A repeat of the first report, whose answer was lost, stores the same again.
            await self._remember(ref, completed, completed.report, policy)
        return completed

    async def end_wrap_up(self, site: str, reservation: str, fence: int) -> Reservation:
        """End a wrap-up before its time; its hold ends."""
        replica, ref, _ = await self._resolve(site, reservation)
        return _apply_if_freed(replica, await self._store.end_wrap_up(ref, fence))

    async def cancel(self, site: str, reservation: str, fence: int) -> Reservation:
        """End an offer, or a conversation before it is complete."""
        replica, ref, policy = await self._resolve(site, reservation)
        return _apply_if_freed(replica, await self._store.cancel(ref, fence, wrap_up_ms=policy.after_cancel_ms))

    async def reservation(self, site: str, reservation: str) -> Reservation:
        """Read a reservation."""
        await self._sites.replica(site)
        record = await self._store.reservation(site, reservation, self._clocks.of(site).now_ms())
        if not scope_of_call().reaches((record.pool,), record.agent):
            raise ReservationNotFound(reservation_name(site, reservation))
        return record

    async def reservations(self, site: str, agent: str | None, most: int, after: str) -> Page[Reservation]:
        """List live reservations by deadline, from `after` on; agent None: of all agents.

        Those that the caller does not reach are left out: a page may hold fewer than `most`.
        """
        await self._sites.replica(site)
        now, scope = self._clocks.of(site).now_ms(), scope_of_call()
        if agent is None:
            agent = scope.only_agent

        async def read(after: str) -> Page[Reservation]:
            if agent is None:
                return await self._store.reservations(site, most, after, now)
            return await self._store.reservations_of(site, agent, most, after, now)

        if scope.pools is None:
            return await read(after)
        return await page_of(read, after, lambda record: scope.reaches((record.pool,), record.agent))

    async def decision(self, site: str, decision: str) -> Decision:
        """Read the record of the decision that led to a reservation."""
        await self._sites.replica(site)
        record = await self._store.decision(site, decision)
        if not scope_of_call().reaches((record.pool,), record.agent):
            raise DecisionNotFound(decision_name(site, decision))
        return record

    async def _remember(self, ref: ReservationRef, completed: Reservation, report: Report, policy: PoolPolicy) -> None:
        """Store how a customer was served by the agent of a reservation."""
        now = self._clocks.of(ref.site).now_ms()
        customer = (await self._contacts.contact(ref.site, ref.contact, now)).customer
        if customer:
            await self._customers.remember(
                ref.site,
                customer,
                ref.agent,
                good=report.good,
                now_ms=report.at_ms,
                for_ms=policy.relationship_ms,
                agent_uid=completed.agent_uid,
            )

    async def _resolve(self, site: str, reservation: str) -> tuple[SiteReplica, ReservationRef, PoolPolicy]:
        """Return the replica of the reservation's site, what the reservation refers to, and the policy of its pool.

        The agent and the pool of a reservation never change: who reaches the reference reaches the reservation.
        """
        replica = await self._sites.replica(site)
        ref = await self._store.reference(site, reservation)
        if not scope_of_call().reaches((ref.pool,), ref.agent):
            raise ReservationNotFound(reservation_name(site, reservation))
        return replica, ref, await replica.pools.policy(ref.pool)


def _apply_if_freed(replica: SiteReplica, reservation: Reservation) -> Reservation:
    """Release the hold of a reservation in the replica, where the reservation holds nothing now; return it."""
    if reservation.state not in HOLDING:
        sets_idle = reservation.state in (ReservationState.COMPLETED, ReservationState.DECLINED)
        idle_since_ms = reservation.ended_ms if sets_idle else None
        replica.apply_own_release(reservation.agent, reservation.id, idle_since_ms)
    return reservation
