"""The gRPC server: opened with the admission of calls that the settings ask for, and drained at the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from matcher.aio import ending
from matcher.config import Settings
from matcher.encoder import usable_cores
from matcher.replica.site_registry import SiteRegistry
from matcher.routing.loop_turns import LoopTurns
from matcher.rpc.admission_queue import Admission
from matcher.rpc.fair_line import BATCH_TURN_WORK
from matcher.rpc.health import Health
from matcher.rpc.interceptors.admission import AdmissionGate
from matcher.rpc.open_streams import OpenStreams
from matcher.rpc.ports import Services
from matcher.rpc.quotas import PrincipalQuotas
from matcher.rpc.server import build_server, drain
from matcher.server.callers import Callers
from matcher.server.listener import bind
from matcher.telemetry import Telemetry

BATCHES_AT_ONCE: Final = 1
"""Large batches that are worked on at once, beside the routes: one fills what the routes leave of the encoder."""
BATCHES_WAITING: Final = 32
"""Large batches that wait; each may take half a minute, so a longer line would outlive every deadline."""
ROUTES_PER_CORE: Final = 12
"""Routes in flight for each core: they fill the encoder's batches and are searched for together. At three times the
peak, 8 a core completed a fifth less; with 16 the event loop was full, and calls stood in gRPC's own queue for a second
(measured).
"""


@asynccontextmanager
async def open_server(
    settings: Settings,
    telemetry: Telemetry,
    services: Services,
    health: Health,
    turns: LoopTurns,
    sites: SiteRegistry,
    callers: Callers,
) -> AsyncIterator[str]:
    """Start the gRPC server and yield its address; at the end let the calls in flight finish."""
    server = build_server(
        services,
        health,
        telemetry,
        streams=OpenStreams(settings.streams, settings.site_streams),
        sign_in=callers.sign_in,
        quotas=PrincipalQuotas(settings.principal_calls_per_second, settings.principal_streams),
        admission=_admission_gate(settings, telemetry, health, turns, sites),
        share_port=settings.reuse_port,
        worker=settings.worker,
        calls_per_connection=settings.calls_per_connection,
    )
    address = bind(server, settings)
    await server.start()
    async with ending(partial(drain, server, health, settings.drain_seconds)):
        yield address


def _admission_gate(
    settings: Settings, telemetry: Telemetry, health: Health, turns: LoopTurns, sites: SiteRegistry
) -> AdmissionGate:
    admission = partial(
        Admission,
        burst_seconds=settings.route_burst_seconds,
        clock=time.monotonic,
        on_wait=telemetry.route_wait_seconds.observe,
        on_refusal=lambda reason, site: telemetry.routes_refused.labels(telemetry.sites.of(site), reason).inc(),
    )
    calls = admission(settings.routes_in_flight or ROUTES_PER_CORE * usable_cores(), settings.routes_waiting)
    batches = admission(BATCHES_AT_ONCE, BATCHES_WAITING, in_order=BATCHES_WAITING, turn_work=BATCH_TURN_WORK)
    telemetry.routes_in_flight.set_function(lambda: calls.in_flight + batches.in_flight)
    telemetry.routes_waiting.set_function(lambda: calls.waiting + batches.waiting)
    return AdmissionGate(
        calls,
        health,
        batches=batches,
        follows=sites.follows,
        fair_by_peer=settings.fair_by_peer,
        on_arrival=lambda: turns.arrived(crowded=calls.waiting > 0),
    )
