"""The ledger of the process: the database that the settings name, and what feeds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from matcher.aio import BackgroundTasks, background, ending
from matcher.config import LEDGER_OFF, Settings
from matcher.ledger.database import LedgerDatabase
from matcher.server.store import OpenStore
from matcher.services.ledger import Ledger
from matcher.services.ledger_feeder import FeederObserver, LedgerFeeder
from matcher.telemetry import Telemetry

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_ledger(
    settings: Settings, store: OpenStore, telemetry: Telemetry, tasks: BackgroundTasks
) -> AsyncIterator[Ledger]:
    """Open the ledger, and feed it beside the block; where none is kept, say so."""
    if not settings.ledger_place:
        log.info("ledger", state=LEDGER_OFF)
        yield Ledger()
        return
    database = LedgerDatabase.at(settings.ledger_place)
    log.info("ledger", at=database.name)
    ledger = Ledger(database, store.key_watch.keys.newest_digest)
    observer = FeederObserver(
        on_backlogs=telemetry.measure_ledger,
        on_commit=telemetry.ledger_steps.inc,
        on_lost=lambda site, lost: telemetry.ledger_lost.labels(telemetry.sites.of(site)).inc(lost),
        on_refused=telemetry.ledger_refused.inc,
    )
    stores = store.stores
    feeder = LedgerFeeder(ledger, stores.outbox, stores.sites, store.client, settings.ledger_days, observer)
    async with ending(ledger.close), background(tasks, "ledger", feeder.run):
        yield ledger
