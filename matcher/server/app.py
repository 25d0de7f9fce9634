"""The composition root: the only file that names concrete classes."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache, partial
from typing import Final

import structlog
import uvloop
from threadpoolctl import threadpool_limits

from matcher import kernels
from matcher.affinity.scorer_file import PACKAGED, ScorerFileWrong
from matcher.affinity.scorer_registry import ScorerRegistry
from matcher.aio import cancel_and_wait
from matcher.config import Settings, ignored_variables, load
from matcher.encoder import EncoderObserver, EncoderSettings, open_encoder, usable_cores
from matcher.errors import IndexBehind, MatcherError, SettingsWrong, SiteExists
from matcher.model import DEFAULT_SITE
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.event_hub import EventHub, EventHubs
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.model_change import ModelChange
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.batch_router import BatchRouter
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.matching_window import MatchingWindows
from matcher.routing.queue_dispatcher import QueueDispatcher
from matcher.routing.ranker import Ranker
from matcher.routing.reserver import Reserver
from matcher.routing.router import Router
from matcher.routing.search_batcher import SearchBatcher
from matcher.rpc.admission_queue import Admission
from matcher.rpc.health import Health
from matcher.rpc.interceptors.admission import AdmissionInterceptor
from matcher.rpc.ports import Services
from matcher.rpc.server import build_server, drain
from matcher.server.gc_freezer import GcFreezer, sparing
from matcher.server.listener import bind
from matcher.server.supervisor import stop_with_parent, supervise
from matcher.services.agents import AgentService
from matcher.services.contacts import ContactService
from matcher.services.expiry import Expiry, ExpiryObserver
from matcher.services.reservations import ReservationService
from matcher.services.watch import WatchService
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes
from matcher.store.sealer import Sealer
from matcher.store.stores import Stores
from matcher.telemetry import Telemetry, configure_logs

log = structlog.get_logger(__name__)

ROUTES_PER_CORE: Final = 12
"""Routes under way for each core: they fill the encoder's batches and are searched for together. At three times the
peak 8 a core got a fifth less done; with 16 the loop was full, and calls stood in gRPC's own queue for a second (seen).
"""
WATCH_SECONDS: Final = 0.25
SILENCE_SECONDS: Final = 1.0
"""A store that is silent for longer counts as away, however long a call may wait for it."""
LAG_LIMIT_MS: Final = 1_000
OWN_REQUEST_MS: Final = 60_000
"""How long a request id of the server's own making is remembered: only its own retries ask for it."""


def main() -> int:
    """Serve by the environment's settings until told to stop; 1, with one line on stderr, where it cannot start."""
    try:
        run(load())
    except MatcherError as fault:
        print(f"matcher: {fault}", file=sys.stderr)
        return 1
    return 0


def run(settings: Settings) -> None:
    """Serve as `serve` does, on uvloop: there a decision takes a tenth less CPU than on asyncio's own loop."""
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls under way. Raises MatcherError when the start fails."""
    style = settings.log_format if settings.log_format != "auto" else "console" if sys.stderr.isatty() else "json"
    configure_logs(style, settings.log_level.upper())
    for name in ignored_variables(os.environ):
        log.info("not a setting: a Kubernetes service link", variable=name)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if settings.workers > 1:
        await supervise(settings, stopping)
        return
    if settings.worker:
        stop_with_parent(stopping)
    with sparing(GcFreezer()):
        async with running(settings) as address:
            print(f"serving on {address}", flush=True)
            await stopping.wait()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Run the service; yield its address once it takes calls."""
    # Products as small as a message's do not get faster by BLAS's own threads, which spin while they wait for the next:
    # from eight sentences a message on they took more of a busy machine than anything else.
    threadpool_limits(limits=1, user_api="blas")
    async with AsyncExitStack() as stack:
        telemetry = Telemetry()
        _serve_metrics(settings, telemetry)
        connection = await _open_store(settings, telemetry, stack)
        secret = await _secret(settings, connection)
        stores = Stores.on(connection, _lifetimes(settings), secret)
        turns = LoopTurns()
        ranker, sealer = Ranker(settings.affinity_tolerance, SearchBatcher(turns)), Sealer(secret)
        hubs = EventHubs(partial(EventHub, counted=telemetry.watchers.inc, cut_off=telemetry.watchers_cut_off.inc))
        changeover = ModelChange(
            settings.model,
            partial(_open_matching, settings, telemetry),
            stores.models,
            stores.roster,
            partial(_tell_change, telemetry),
        )
        stack.push_async_callback(changeover.close)
        matching = await changeover.begin(lambda model: ScorerRegistry(settings.scorer, model, settings.scorers))

        def open_replica(matching: ModelBundle, site: str) -> SiteReplica:
            replica = SiteReplica(
                site,
                connection,
                stores.roster,
                matching,
                connection.of(site),
                stores.contacts,
                telemetry.index_lag_seconds.observe,
                telemetry.stream_reloads.labels(site).inc,
                hubs.of(site),
            )
            replica.beside(
                Expiry(
                    replica,
                    stores.routing,
                    stores.contacts,
                    stores.presence,
                    connection.of(site),
                    ExpiryObserver(
                        lapsed=lambda state: telemetry.reservations_lapsed.labels(state).inc(),
                        sent_away=lambda why: telemetry.agents_sent_away.labels(why).inc(),
                    ),
                )
            )
            replica.beside(
                QueueDispatcher(
                    replica,
                    stores.routing,
                    stores.contacts,
                    ranker,
                    sealer,
                    connection.of(site),
                    telemetry.contact_waited_seconds.observe,
                )
            )
            return replica

        sites = SiteRegistry(stores.roster, partial(open_replica, matching))
        stack.push_async_callback(sites.close)
        roster = AgentService(
            stores.roster, stores.routing, stores.presence, sites, connection, settings.affinity_tolerance
        )
        claims = Reserver(
            stores.routing,
            stores.contacts,
            connection,
            ranker,
            sealer,
            secret=secret,
            observe_candidates=telemetry.route_candidates.observe,
        )
        router = Router(stores.routing, stores.contacts, stores.customers, sites, connection, ranker, claims)
        gathering = MatchingWindows(router, BatchRouter(router, sites, ranker), sites)
        reservations = ReservationService(stores.routing, stores.contacts, stores.customers, sites, connection)
        contacts = ContactService(stores.contacts, stores.routing, stores.events, sites, connection)
        streams = WatchService(sites, stores.contacts, stores.events, stores.routing, stores.roster, connection)
        with suppress(SiteExists):
            await roster.create_site(DEFAULT_SITE)
        await _read_default_site(sites)
        health = Health(telemetry)
        admission = _admission(settings, telemetry)
        server = build_server(
            Services(router, reservations, contacts, roster, gathering, streams),
            health,
            telemetry,
            admission=AdmissionInterceptor(
                admission,
                health,
                arrived=lambda: turns.arrived(crowded=admission.waiting > 0),
                worker=settings.worker,
            ),
            share_port=settings.reuse_port,
            worker=settings.worker,
        )
        address = bind(server, settings)
        await server.start()
        stack.push_async_callback(drain, server, health, settings.drain_seconds)
        stack.push_async_callback(gathering.close)

        async def revive() -> None:
            if not settings.store_url.get_secret_value():
                await _embedded_store(settings, stack)

        watch = asyncio.create_task(_watch(connection, sites, health, telemetry, revive))
        stack.push_async_callback(cancel_and_wait, watch)
        changing = asyncio.create_task(changeover.run(sites, lambda new: partial(open_replica, new)))
        stack.push_async_callback(cancel_and_wait, changing)
        runtime = matching.encoder.runtime
        await health.set(True, f"store answers, {runtime} loaded, index caught up")
        log.info(
            "serving",
            address=address,
            runtime=runtime,
            why=matching.encoder.reason,
            **kernels.in_use(),
        )
        yield address
        log.info("stopping", grace_seconds=settings.drain_seconds)


def _serve_metrics(settings: Settings, telemetry: Telemetry) -> None:
    if not settings.metrics_listen:
        return
    host, _, port = settings.metrics_listen.rpartition(":")
    try:
        metrics_port = telemetry.serve(host.strip("[]"), int(port))
    except OSError as fault:
        raise SettingsWrong(f"metrics_listen {settings.metrics_listen}: {fault.strerror}") from fault
    log.info("metrics", address=f"{host}:{metrics_port}")


async def _open_matching(settings: Settings, telemetry: Telemetry, model: str) -> ModelBundle:
    encoder = await open_encoder(
        EncoderSettings(
            cache_dir=settings.models_dir,
            model=model,
            runtime=settings.encoder_runtime,
            threads=settings.encoder_threads,
            max_queued_tokens=settings.encoder_queue_tokens,
            text_cache_size=settings.text_cache_size,
        ),
        _say,
        observer=EncoderObserver(
            on_batch=lambda texts, _seconds: telemetry.encoder_batch_size.observe(texts),
            on_wait=telemetry.encoder_queue_seconds.observe,
            on_failure=lambda where: log.error("a batch failed", where=where),
        ),
    )
    try:
        try:
            scorers = ScorerRegistry(settings.scorer, encoder.fingerprint, settings.scorers)
        except ScorerFileWrong:
            if model == settings.model:
                raise
            # The setting's is for the new model; while the former one answers it is scored as it comes.
            scorers = ScorerRegistry(PACKAGED, encoder.fingerprint, settings.scorers)
        return ModelBundle(encoder, scorers, await AffinityFloors.open(encoder))
    except BaseException:
        await encoder.close()
        raise


def _admission(settings: Settings, telemetry: Telemetry) -> Admission:
    admission = Admission(
        settings.routes_in_flight or ROUTES_PER_CORE * usable_cores(),
        settings.routes_waiting,
        settings.route_burst_seconds,
        time.monotonic,
        waited=telemetry.route_wait_seconds.observe,
        refused=lambda why: telemetry.routes_refused.labels(why).inc(),
    )
    telemetry.routes_in_flight.set_function(lambda: admission.inside)
    telemetry.routes_waiting.set_function(lambda: admission.waiting)
    return admission


def _tell_change(telemetry: Telemetry, done: int, total: int) -> None:
    telemetry.model_change.labels("done").set(done)
    telemetry.model_change.labels("all").set(total)


async def _embedded_store(settings: Settings, stack: AsyncExitStack) -> str:
    """Start or adopt the embedded store and return its URL: the same one for the same data directory."""
    embedded = await EmbeddedStore.open(EmbeddedSettings(settings.data_dir))
    stack.push_async_callback(embedded.close)
    log.info("embedded store", data_dir=str(settings.data_dir), adopted=embedded.adopted)
    return embedded.url


async def _open_store(settings: Settings, telemetry: Telemetry, stack: AsyncExitStack) -> StoreClient:
    url = settings.store_url.get_secret_value() or await _embedded_store(settings, stack)
    round_trips = cache(telemetry.store_round_trips.labels)
    connection = StoreClient(
        url,
        most_calls=settings.store_calls,
        timeout_seconds=settings.store_timeout_seconds,
        observe=lambda verb: round_trips(verb).inc(),
    )
    stack.push_async_callback(connection.close)
    await connection.start()
    if not connection.persistent:
        log.warning("the store keeps no append-only file: what it acknowledged is lost when it stops")
    return connection


async def _secret(settings: Settings, connection: StoreClient) -> bytes:
    """Return the key of request digests: the setting, else one that all replicas share through the store."""
    given = settings.secret.get_secret_value()
    return given.encode() if given else await connection.shared_secret(secrets.token_bytes(32))


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        request_window_ms=round(settings.request_id_window_seconds * 1000),
        own_request_ms=OWN_REQUEST_MS,
        decision_ms=round(settings.decision_seconds * 1000),
        keep_ms=round(settings.keep_seconds * 1000),
        events_kept=settings.events_kept,
    )


async def _read_default_site(sites: SiteRegistry) -> None:
    """Wait until the default site is read, however large it is: a start has nobody waiting, a call has."""
    while True:
        with suppress(IndexBehind):
            await sites.replica(DEFAULT_SITE)
            gc.collect()  # the roster is walked through now, and not while the first calls wait
            return


async def _watch(
    connection: StoreClient,
    sites: SiteRegistry,
    health: Health,
    telemetry: Telemetry,
    revive: Callable[[], Awaitable[None]],
) -> None:
    """Say SERVING only while the store answers and every site that is followed is caught up.

    An embedded store that has died is started again: what it acknowledged is on the disk.
    """
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            away = await connection.look(SILENCE_SECONDS)
        except TimeoutError:
            await health.set(False, f"the store has not answered for {SILENCE_SECONDS:g} s")
            continue
        except MatcherError as fault:
            await health.set(False, str(fault))
            with suppress(MatcherError):
                await revive()
            continue
        for site in sites:
            telemetry.index_agents.labels(site.site).set(len(site.index))
            waiting = site.queue.counts()
            for pool in {*site.pools.known, *waiting}:
                telemetry.contacts_waiting.labels(site.site, pool).set(waiting.get(pool, 0))
        # While part of a cluster is away the sites of the rest are served.
        there = [site for site in sites if not (away and site.away)]
        behind = [site.site for site in there if not site.caught_up or site.lag_ms() > LAG_LIMIT_MS]
        answers = f"store answers but for {', '.join(away)}" if away else "store answers"
        await health.set(not behind, f"behind: {', '.join(behind)}" if behind else f"{answers}, index caught up")


def _say(step: str) -> None:
    log.info("encoder", step=step)
