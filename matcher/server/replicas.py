"""The replicas of the process: the model that answers, and each site's replica with the tasks that run beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from matcher.affinity.scorer_file import PACKAGED, ScorerFileWrong
from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.aio import BackgroundTasks, ending
from matcher.config import Settings
from matcher.encoder import EncoderObserver, EncoderSettings, halves_of, open_encoder
from matcher.ranking.assignment import prepare
from matcher.replica.absolute_floors import AbsoluteFloors
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.deliveries import Deliveries
from matcher.replica.event_hub import EventHub, EventHubs
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.model_change import ModelChange
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.replica.text_reading import TEXT_READING
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.queue_dispatcher import QueueDispatcher
from matcher.routing.ranker import Ranker
from matcher.routing.returning_customers import ReturningCustomers
from matcher.server.store import OpenStore
from matcher.services.auditor import Auditor
from matcher.services.expiry import Expiry, ExpiryObserver
from matcher.store.sealer import Sealer
from matcher.telemetry import Telemetry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaFactory:
    """Opens the replica of a site, with the tasks that run beside it."""

    store: OpenStore
    telemetry: Telemetry
    ranker: Ranker
    hubs: EventHubs
    tasks: BackgroundTasks
    share: EncoderShare

    def by(self, matching: ModelBundle) -> Callable[[str], SiteReplica]:
        """Return a function that opens the replica of a site by one model."""
        return partial(self._open, matching)

    def _open(self, matching: ModelBundle, site: str) -> SiteReplica:
        client, stores, telemetry = self.store.client, self.store.stores, self.telemetry
        clock, label = client.of(site), partial(telemetry.sites.of, site)
        replica = SiteReplica(
            site,
            client,
            stores.roster,
            matching,
            clock,
            stores.contacts,
            telemetry.index_lag_seconds.observe,
            lambda: telemetry.stream_reloads.labels(label()).inc(),
            self.hubs.of(site),
            self.tasks,
            lambda: telemetry.events_ignored.labels(label()).inc(),
            lambda: telemetry.contacts_lost.labels(label()).inc(),
        )
        observer = ExpiryObserver(
            on_lapse=lambda state: telemetry.reservations_lapsed.labels(label(), state).inc(),
            on_away=lambda reason: telemetry.agents_sent_away.labels(label(), reason).inc(),
            on_broken=lambda: telemetry.deadlines_broken.labels(label()).inc(),
        )
        replica.attach(Expiry(replica, stores.routing, stores.contacts, stores.presence, clock, observer, self.tasks))
        replica.attach(
            Auditor(
                replica,
                stores.audit,
                stores.roster,
                lambda kind: telemetry.audit_repairs.labels(kind).inc(),
                telemetry.audit_passes.inc,
                self.tasks,
            )
        )
        replica.attach(
            QueueDispatcher(
                replica,
                stores.routing,
                stores.contacts,
                self.ranker,
                Sealer(self.store.key_watch.keys),
                clock,
                lambda seconds: telemetry.contact_waited_seconds.labels(label()).observe(seconds),
                self.tasks,
                lambda reason: telemetry.contacts_quarantined.labels(label(), reason.value).inc(),
                self.share,
                ReturningCustomers(stores.customers, self.store.client),
            )
        )
        return replica


@dataclass(frozen=True, slots=True)
class Replicas:
    """The sites' replicas, and the model that they began with."""

    sites: SiteRegistry
    factory: ReplicaFactory
    matching: ModelBundle
    change: ModelChange


@asynccontextmanager
async def open_replicas(
    settings: Settings, telemetry: Telemetry, store: OpenStore, ranker: Ranker, tasks: BackgroundTasks
) -> AsyncIterator[Replicas]:
    """Open the model that answers, and a registry in which each site's replica is opened on first use."""

    def report(done: int, total: int) -> None:
        telemetry.model_change.labels("done").set(done)
        telemetry.model_change.labels("all").set(total)

    stores = store.stores
    change = ModelChange(
        settings.model, partial(_open_model, settings, telemetry), stores.models, stores.roster, report
    )
    async with ending(change.close):
        matching = await change.begin(lambda model: ScorerRegistry(settings.scorer, model, settings.scorers))
        hubs = EventHubs(
            partial(
                EventHub,
                deliveries=Deliveries(),
                on_watcher=telemetry.watchers.inc,
                on_cut_off=telemetry.watchers_cut_off.inc,
            )
        )
        factory = ReplicaFactory(store, telemetry, ranker, hubs, tasks, EncoderShare())

        def on_drop(site: str) -> None:
            hubs.forget(site)
            telemetry.forget_site(site)

        sites = SiteRegistry(stores.sites, factory.by(matching), on_drop)
        async with ending(sites.close):
            yield Replicas(sites, factory, matching, change)


async def _open_model(settings: Settings, telemetry: Telemetry, model: str) -> ModelBundle:
    encoder = await open_encoder(
        EncoderSettings(
            cache_dir=settings.models_dir,
            model=model,
            runtime=settings.encoder_runtime,
            threads=settings.encoder_threads,
            max_queued_tokens=settings.encoder_queue_tokens,
            text_cache_size=settings.text_cache_size,
        ),
        lambda step: log.info("encoder", step=step),
        reading=TEXT_READING,
        observer=EncoderObserver(
            on_batch=lambda texts, _seconds: telemetry.encoder_batch_size.observe(texts),
            on_wait=telemetry.encoder_queue_seconds.observe,
            on_failure=lambda where: log.error("a batch failed", where=where),
        ),
    )
    try:
        try:
            scorers = ScorerRegistry(settings.scorer, encoder.fingerprint, settings.scorers, halves_of(encoder))
        except ScorerFileWrong:
            if model == settings.model:
                raise
            # The setting's scorer is for the new model; while the former model answers, it has the packaged one.
            scorers = ScorerRegistry(PACKAGED, encoder.fingerprint, settings.scorers, halves_of(encoder))
        # Beside the floors, which take longer: else the first contacts that compete would wait for an import of 0.5 s.
        absolute = AbsoluteFloors(encoder, settings.models_dir)
        floors, _ = await asyncio.gather(AffinityFloors.open(encoder, absolute), asyncio.to_thread(prepare))
        await floors.prepare(scorers.default)
        return ModelBundle(encoder, scorers, floors)
    except BaseException:
        await encoder.close()
        raise
