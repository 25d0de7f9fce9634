"""The composition root: builds the services on the store and the replicas, and serves them by gRPC until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
import uvloop
from threadpoolctl import threadpool_limits

from matcher import kernels
from matcher.aio import BackgroundTasks, background, ending
from matcher.config import Settings, ignored_variables, load
from matcher.encoder import usable_cores
from matcher.errors import MatcherError, SettingsWrong, SiteExists
from matcher.listening.listener import Listener
from matcher.model import DEFAULT_SITE
from matcher.replica.site_registry import SiteRegistry
from matcher.routing.assigner import Assigner
from matcher.routing.batch_router import BatchRouter
from matcher.routing.encoder_share import EncoderShare
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.matching_window import MatchingWindows
from matcher.routing.ranker import Ranker
from matcher.routing.reserver import Reserver
from matcher.routing.router import Router
from matcher.routing.search_batcher import SearchBatcher
from matcher.rpc.health import Health
from matcher.rpc.ports import Services
from matcher.server.announcement import announced
from matcher.server.audit_trail import note_removal, trail_follower
from matcher.server.callers import Callers, recognised
from matcher.server.certificates import certificates_of
from matcher.server.gc_freezer import GcFreezer, sparing
from matcher.server.grpc_server import open_server
from matcher.server.ledger import open_ledger
from matcher.server.listener import check_port
from matcher.server.loop_watchdog import LoopWatchdog
from matcher.server.private_interfaces import warn_of_missing
from matcher.server.readiness import read_default_site, watch_readiness
from matcher.server.replicas import open_replicas
from matcher.server.store import OpenStore, open_store
from matcher.server.supervisor import stop_with_parent, supervise
from matcher.server.tracing import tracing
from matcher.services.agent_import import ImportService
from matcher.services.agents import AgentService
from matcher.services.contacts import ContactService
from matcher.services.coverage import CoverageService
from matcher.services.customers import CustomerService
from matcher.services.departures import AwayReason
from matcher.services.feedback import FeedbackService
from matcher.services.forgetting import Forgetting, Rewriting
from matcher.services.impact import ImpactService
from matcher.services.interest_map import InterestMapService
from matcher.services.ledger import Ledger
from matcher.services.pools import PoolService
from matcher.services.praise import PraiseService
from matcher.services.reservations import ReservationService
from matcher.services.site_removal import SiteRemoval
from matcher.services.site_waker import SiteWaker
from matcher.services.sites import SiteService
from matcher.services.trail_follower import TrailFollower
from matcher.services.watch import WatchService
from matcher.store.sealer import Sealer
from matcher.telemetry import Telemetry, configure_logs, fault_fields, log_loop_fault, log_uncaught_faults

log = structlog.get_logger(__name__)


def main() -> int:
    """Serve by the settings of the environment until a signal; return 1, with one line on stderr, on a failed start."""
    try:
        run(load())
    except MatcherError as fault:
        print(f"matcher: {fault}", file=sys.stderr)
        return 1
    return 0


def run(settings: Settings, serves: Callable[[str], None] = lambda _: None) -> None:
    """Serve as `serve` does, on uvloop: a decision takes a tenth less CPU there than on asyncio's own loop."""
    uvloop.run(serve(settings, serves))


async def serve(settings: Settings, serves: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls in flight. Raises MatcherError when the start fails.

    serves: called with the address, once it is taken.
    """
    style = settings.log_format if settings.log_format != "auto" else "console" if sys.stderr.isatty() else "json"
    configure_logs(style, settings.log_level.upper())
    for name in ignored_variables(os.environ):
        log.info("not a setting: a Kubernetes service link", variable=name)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_fault)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if settings.worker:
        stop_with_parent(stopping)
        await _serve_alone(stopping, settings, lambda _: None)
        return
    with announced(settings) as announcement:

        def on_address(address: str) -> None:
            announcement.serves(address)
            serves(address)

        if settings.workers > 1:
            await supervise(settings, stopping, on_address)
        else:
            await _serve_alone(stopping, settings, on_address)


async def _serve_alone(stopping: asyncio.Event, settings: Settings, on_address: Callable[[str], None]) -> None:
    """Serve by this process; a signal ends also a start that is under way."""
    with sparing(GcFreezer()):
        started = asyncio.Event()
        work = asyncio.create_task(_serve_until(stopping, settings, started, on_address))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not started.is_set() and not work.done():
            # A start can take a minute (the first one compiles the model): a signal ends it where it is.
            log.info("stopped before it served")
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        else:
            await work


async def _serve_until(
    stopping: asyncio.Event, settings: Settings, started: asyncio.Event, on_address: Callable[[str], None]
) -> None:
    async with running(settings) as address:
        started.set()
        on_address(address)
        print(f"serving on {address}", flush=True)
        await stopping.wait()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Run the service; yield its address once it takes calls."""
    # Products as small as a message's do not get faster by BLAS's own threads, which spin while they wait for the next:
    # from eight sentences a message on they took more of a busy machine than anything else.
    threadpool_limits(limits=1, user_api="blas")
    check_port(settings)
    warn_of_missing()
    certificates_of(settings)
    telemetry, turns = Telemetry(named_sites=settings.metric_sites), LoopTurns()
    _serve_metrics(settings, telemetry)
    health, ranker = Health(telemetry), Ranker(settings.affinity_tolerance, SearchBatcher(turns))
    tasks = BackgroundTasks(partial(_report_fault, telemetry))
    async with (
        tracing(settings),
        open_store(settings, telemetry, tasks) as store,
        open_replicas(settings, telemetry, store, ranker, tasks) as replicas,
        open_ledger(settings, store, telemetry, tasks) as ledger,
        recognised(settings, store.client, tasks) as callers,
    ):
        listener = _listener(settings, store)
        router, assigner = _routing(store, replicas.sites, ranker, telemetry, listener)
        # A core is left for single messages, where there are several.
        share = EncoderShare(max(1, (settings.encoder_threads or usable_cores()) - 1))
        windows = MatchingWindows(router, BatchRouter(router, replicas.sites, ranker, share), replicas.sites)
        follower = trail_follower(store, telemetry, ledger)
        removal = SiteRemoval(store.stores.sites, tasks, partial(note_removal, store, follower))
        services = _services(
            settings,
            store,
            replicas.sites,
            router,
            assigner,
            windows,
            removal,
            telemetry,
            ledger,
            callers,
            listener,
            follower,
        )
        await store.stores.sites.adopt_all()
        with suppress(SiteExists):
            await services.sites.create_site(DEFAULT_SITE)
        await read_default_site(replicas.sites)
        watch = partial(
            watch_readiness,
            store.client,
            replicas.sites,
            health,
            telemetry,
            store.revive,
            tasks,
            store.key_watch,
            store.refusal,
        )
        loop = asyncio.get_running_loop()
        telemetry.tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
        async with (
            ending(listener.close),
            open_server(settings, telemetry, services, health, turns, replicas.sites, callers) as address,
            ending(windows.close),
            background(tasks, "listening", listener.run),
            background(tasks, "readiness", watch),
            ending(removal.close),
            background(tasks, "sites", SiteWaker(store.stores.sites, replicas.sites, removal, store.client).run),
            background(tasks, "keys", store.key_watch.run),
            background(tasks, "audit trail", follower.run),
            background(tasks, "rewriting", _rewriting(settings, store).run),
            background(tasks, "model change", partial(replicas.change.run, replicas.sites, replicas.factory.by)),
            background(tasks, "loop watchdog", LoopWatchdog(telemetry.loop_lag_seconds.observe).run),
        ):
            encoder = replicas.matching.encoder
            await health.set(True, f"store answers, {encoder.runtime} loaded, index caught up")
            log_uncaught_faults()
            log.info("serving", address=address, runtime=encoder.runtime, why=encoder.reason, **kernels.in_use())
            yield address
            log.info("stopping", grace_seconds=settings.drain_seconds)


def _rewriting(settings: Settings, store: OpenStore) -> Rewriting:
    embedded = not settings.store_url.get_secret_value()
    return Rewriting(store.stores.rewrites, store.stores.outbox, settings.forget_rewrite_seconds, embedded=embedded)


def _listener(settings: Settings, store: OpenStore) -> Listener:
    return Listener(
        store.stores.listening,
        lambda site: store.client.of(site).now_ms(),
        settings.models_dir,
        settings.listening_entries,
    )


def _routing(
    store: OpenStore, sites: SiteRegistry, ranker: Ranker, telemetry: Telemetry, listener: Listener
) -> tuple[Router, Assigner]:
    client, stores, keys = store.client, store.stores, store.key_watch.keys
    reserver = Reserver(
        stores.routing,
        stores.contacts,
        client,
        ranker,
        keys,
        on_ranked=telemetry.route_candidates.observe,
    )
    return (
        Router(
            stores.routing,
            stores.contacts,
            stores.customers,
            stores.roster,
            sites,
            client,
            ranker,
            reserver,
            stores.outbox,
            listener,
        ),
        Assigner(stores.routing, stores.contacts, stores.roster, sites, client, ranker, reserver, Sealer(keys)),
    )


def _services(
    settings: Settings,
    store: OpenStore,
    sites: SiteRegistry,
    router: Router,
    assigner: Assigner,
    windows: MatchingWindows,
    removal: SiteRemoval,
    telemetry: Telemetry,
    ledger: Ledger,
    callers: Callers,
    listener: Listener,
    follower: TrailFollower,
) -> Services:
    client, stores = store.client, store.stores

    def on_away(site: str, reason: AwayReason) -> None:
        telemetry.agents_sent_away.labels(telemetry.sites.of(site), reason).inc()

    agents = AgentService(stores.roster, stores.routing, stores.presence, sites, client, stores.audit, on_away)
    customers = CustomerService(
        stores.customers, stores.customer_records, stores.contacts, stores.traces, ledger, sites, client
    )
    return Services(
        router=router,
        assigner=assigner,
        windows=windows,
        reservations=ReservationService(stores.routing, stores.contacts, stores.customers, sites, client, on_away),
        contacts=ContactService(stores.contacts, stores.routing, stores.events, sites, client),
        watch=WatchService(sites, stores.contacts, stores.events, stores.routing, stores.roster, client),
        agents=agents,
        imports=ImportService(stores.roster, agents, sites, client),
        pools=PoolService(stores.roster, sites, settings.affinity_tolerance),
        customers=customers,
        coverage=CoverageService(stores.listening, listener, sites, client),
        interest_map=InterestMapService(sites),
        forgetting=Forgetting(
            customers,
            agents,
            stores.traces,
            stores.agent_traces,
            stores.routing,
            stores.rewrites,
            stores.outbox,
            client,
            follower,
        ),
        sites=SiteService(stores.sites, stores.roster, sites, removal),
        feedback=FeedbackService(stores.outcomes, stores.praise, ledger, sites, client),
        praise=PraiseService(stores.praise, sites),
        impact=ImpactService(ledger, sites, client),
        access_keys=callers.access_keys,
    )


def _report_fault(telemetry: Telemetry, task: str, fault: Exception) -> None:
    telemetry.task_faults.labels(task.split(maxsplit=1)[0]).inc()
    log.error("a background task failed and is started again", task=task, **fault_fields(fault))


def _serve_metrics(settings: Settings, telemetry: Telemetry) -> None:
    if not settings.metrics_listen:
        return
    host, _, port = settings.metrics_listen.rpartition(":")
    try:
        metrics_port = telemetry.serve(host.strip("[]"), int(port), settings.metrics_token.get_secret_value())
    except OSError as fault:
        raise SettingsWrong(f"metrics_listen {settings.metrics_listen}: {fault.strerror}") from fault
    log.info("metrics", address=f"{host}:{metrics_port}")
