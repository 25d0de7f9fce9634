"""One instance of the service without gRPC: the objects that app.py wires for a server process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.errors import ReservationNotFound
from matcher.model.lifecycle import Cause
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.assigner import Assigner
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.queue_dispatcher import QueueDispatcher
from matcher.routing.ranker import Ranker
from matcher.routing.reserver import Reserver
from matcher.routing.router import Router
from matcher.routing.search_batcher import SearchBatcher
from matcher.services.agents import AgentService
from matcher.services.contacts import ContactService
from matcher.services.pools import PoolService
from matcher.services.reservations import ReservationService
from matcher.services.site_removal import SiteRemoval
from matcher.services.sites import SiteService
from matcher.store.audit import AuditStore
from matcher.store.clock import StoreClock
from matcher.store.contact_events import EventStore
from matcher.store.contacts import ContactStore
from matcher.store.customers import CustomerStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.models import KnownModel, ModelStore
from matcher.store.outbox import OutboxStore
from matcher.store.presence import PresenceStore, TimerKind
from matcher.store.redis.client import StoreClient
from matcher.store.redis.verb_call import VerbCall
from matcher.store.reservations import Lifetimes, ReservationStore
from matcher.store.roster import RosterStore
from matcher.store.sealer import Sealer
from matcher.store.sites import SiteStore
from tests.state_machine.words import WordEncoder
from tests.store.access import store_now_ms

EVENTS_KEPT: Final = 100_000
LIFETIMES: Final = Lifetimes(
    request_window_ms=3_600_000,
    own_request_ms=3_600_000,
    decision_ms=3_600_000,
    keep_ms=3_600_000,
    events_kept=EVENTS_KEPT,
)
PATIENCE_SECONDS: Final = 10.0
KEYS: Final = ServiceKeys.of_secret(b"secret")
TOLERANCE: Final = 0.05


class RepeatingClient(StoreClient):
    """A store client that runs every verb twice while `twice` is set, as redis-py does when the first reply is lost."""

    twice = False

    async def verb(self, call: VerbCall) -> list[Any]:
        """Run a verb, and again if that is asked for; give the last answer."""
        if self.twice:
            await super().verb(call)
        return await super().verb(call)


class ManualDispatcher(QueueDispatcher):
    """A dispatcher that serves the queue only when a test calls `serve`."""

    async def _run(self) -> None:
        """Do nothing by itself."""

    async def serve(self) -> None:
        """Offer waiting contacts until none of them can be served."""
        await self._serve()

    def forget(self) -> None:
        """Let the next pass read the waiting contacts from the store again."""
        self._entries.clear()


@dataclass
class ServiceInstance:
    """One server's objects over a store that other servers use too."""

    connection: StoreClient
    sites: SiteRegistry
    agents: AgentService
    pools: PoolService
    site_service: SiteService
    router: Router
    assigner: Assigner
    reservations: ReservationService
    contacts: ContactService
    routing: ReservationStore
    queue: ContactStore
    presence: PresenceStore
    clock: StoreClock
    dispatchers: dict[SiteReplica, ManualDispatcher] = field(default_factory=dict)

    @classmethod
    async def open(cls, connection: StoreClient, encoder: WordEncoder, floors: AffinityFloors) -> ServiceInstance:
        """Open an instance on a store."""
        clock, matching = StoreClock(), ModelBundle(encoder, ScorerRegistry("untrained", encoder.fingerprint), floors)
        before = time.monotonic()
        clock.set(await store_now_ms(connection), before, time.monotonic())
        roster_store, routing = RosterStore(connection, EVENTS_KEPT), ReservationStore(connection, LIFETIMES)
        contacts = ContactStore(connection, keep_ms=LIFETIMES.keep_ms, events_kept=EVENTS_KEPT)
        presence, customers = PresenceStore(connection, EVENTS_KEPT), CustomerStore(connection, KEYS)
        await ModelStore(connection).add(KnownModel(encoder.fingerprint, "words"))

        def open_replica(site: str) -> SiteReplica:
            return SiteReplica(site, connection, roster_store, matching, clock, contacts, lambda _: None, lambda: None)

        site_store = SiteStore(connection, EVENTS_KEPT)
        sites, ranker = SiteRegistry(site_store, open_replica), Ranker(TOLERANCE, SearchBatcher(LoopTurns()))
        reserver = Reserver(routing, contacts, clock, ranker, KEYS)
        return cls(
            connection=connection,
            sites=sites,
            agents=AgentService(roster_store, routing, presence, sites, clock, AuditStore(connection, EVENTS_KEPT)),
            pools=PoolService(roster_store, sites, TOLERANCE),
            site_service=SiteService(site_store, roster_store, sites, SiteRemoval(site_store)),
            router=Router(
                routing, contacts, customers, roster_store, sites, clock, ranker, reserver, OutboxStore(connection, 0)
            ),
            assigner=Assigner(routing, contacts, roster_store, sites, clock, ranker, reserver, Sealer(KEYS)),
            reservations=ReservationService(routing, contacts, customers, sites, clock),
            contacts=ContactService(contacts, routing, EventStore(connection), sites, clock),
            routing=routing,
            queue=contacts,
            presence=presence,
            clock=clock,
        )

    async def close(self) -> None:
        """Close the dispatchers and the replicas."""
        for dispatcher in self.dispatchers.values():
            await dispatcher.close()
        await self.sites.close()

    async def catch_up(self, site: str, ends: tuple[int, int]) -> SiteReplica:
        """Wait until this server has applied the roster's and the load's stream up to these event numbers."""
        replica = await self.sites.replica(site)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # No event says when a position is reached, so poll.
            while replica._position.roster < ends[0] or replica._position.load < ends[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
        replica.index.lapse(self.clock.now_ms())
        return replica

    async def dispatcher(self, site: str) -> ManualDispatcher:
        """Return the dispatcher of a site."""
        replica = await self.sites.replica(site)
        if replica not in self.dispatchers:
            self.dispatchers[replica] = ManualDispatcher(
                replica,
                self.routing,
                self.queue,
                Ranker(TOLERANCE, SearchBatcher(LoopTurns())),
                Sealer(KEYS),
                self.clock,
            )
        return self.dispatchers[replica]

    async def sweep(self, site: str) -> None:
        """Sweep what is overdue, as the expiry task of a server would whose clock is an hour ahead."""
        now, replica = await store_now_ms(self.connection), await self.sites.replica(site)
        for reservation in await self.routing.overdue(site, now + 3_600_000, 1_000):
            ref = await self.routing.reference(site, reservation)
            await self.routing.expire(ref, 0, (await replica.pools.policy(ref.pool)).after_expiry_ms)
        for timer in await self.presence.timers(site, 1_000):
            if timer.kind is TimerKind.CONTACT:
                await self.queue.leave(site, timer.id, Cause.WAIT_EXPIRED)
            elif timer.kind is TimerKind.IDLE:
                with suppress(ReservationNotFound):
                    await self.routing.rest(await self.routing.reference(site, timer.id))
