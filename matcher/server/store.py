"""The store of the process: the Redis that the settings name, or the embedded one."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

import structlog

from matcher.aio import BackgroundTasks, background
from matcher.config import Settings
from matcher.model.quotas import CallerQuotas, SiteQuotas
from matcher.server.keys import KeyWatch, open_keys
from matcher.services.store_upgrade import StoreUpgrade
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.processes import ProcessIdentity, program_version
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Lifetimes
from matcher.store.stores import Stores
from matcher.telemetry import Telemetry

log = structlog.get_logger(__name__)

DAY_MS: Final = 86_400_000
OWN_REQUEST_MS: Final = 60_000
"""How long the store remembers a request id that the server made: only the server's own retries use it."""


@dataclass(frozen=True, slots=True)
class OpenStore:
    """The store that the service runs on.

    key_watch: the keys of sealed messages, request digests and customers' handles, which change while the process runs.
    revive: starts the embedded store again; where the settings name another store it does nothing.
    refusal: why the store refuses what this process writes; "": it takes it.
    """

    client: StoreClient
    stores: Stores
    key_watch: KeyWatch
    revive: Callable[[], Awaitable[None]]
    refusal: Callable[[], str]


@asynccontextmanager
async def open_store(settings: Settings, telemetry: Telemetry, tasks: BackgroundTasks) -> AsyncIterator[OpenStore]:
    """Connect to the store that the settings name, or start the embedded one; register this process in it."""
    given = settings.store_url.get_secret_value()
    async with AsyncExitStack() as stack:

        async def revive() -> None:
            if not given:
                await _start_embedded(settings, stack)

        url = given or await _start_embedded(settings, stack)
        round_trips, seconds = cache(telemetry.store_round_trips.labels), cache(telemetry.store_seconds.labels)
        client = StoreClient(
            url,
            max_calls=settings.store_calls,
            timeout_seconds=settings.store_timeout_seconds,
            on_round_trip=lambda verb: round_trips(verb).inc(),
            on_answer=lambda verb, taken: seconds(verb).observe(taken),
        )
        stack.push_async_callback(client.close)
        await client.start()
        if not client.persistent:
            log.warning("the store keeps no append-only file: it loses acknowledged writes when it stops")
        upgrade = StoreUpgrade(client, _identity())
        await upgrade.register()
        stack.push_async_callback(upgrade.leave)
        await stack.enter_async_context(background(tasks, "process registry", upgrade.keep_registered))
        await stack.enter_async_context(background(tasks, "store upgrade", upgrade.run))
        key_watch = await open_keys(settings, client)
        stores = Stores.on(
            client,
            _lifetimes(settings),
            key_watch.keys,
            lambda kind: telemetry.records_unreadable.labels(kind).inc(),
        )
        yield OpenStore(client, stores, key_watch, revive, lambda: upgrade.refused)


async def _start_embedded(settings: Settings, stack: AsyncExitStack) -> str:
    """Start or adopt the embedded store and return its URL: the same one for the same data directory."""
    embedded = await EmbeddedStore.open(EmbeddedSettings(settings.data_dir, max_memory_mb=settings.store_memory_mb))
    stack.push_async_callback(embedded.close)
    log.info("embedded store", data_dir=str(settings.data_dir), adopted=embedded.adopted)
    return embedded.url


def _identity() -> ProcessIdentity:
    return ProcessIdentity(
        id=secrets.token_hex(8),
        version=program_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_ms=int(time.time() * 1000),
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        request_window_ms=round(settings.request_id_window_seconds * 1000),
        own_request_ms=OWN_REQUEST_MS,
        decision_ms=round(settings.decision_seconds * 1000),
        keep_ms=round(settings.keep_seconds * 1000),
        events_kept=settings.events_kept,
        praise_ms=settings.praise_days * DAY_MS,
        outbox_kept=settings.ledger_backlog if settings.ledger_place else 0,
        quotas=SiteQuotas(settings.site_agents, settings.site_pools, settings.site_waiting, settings.site_open_offers),
        own_quotas=CallerQuotas(settings.principal_open_offers, settings.principal_waiting),
    )
