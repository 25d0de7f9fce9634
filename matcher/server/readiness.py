"""Readiness of the process: the read of the default site at the start, and the health that is reported from then on."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from matcher.aio import BackgroundTasks
from matcher.errors import IndexBehind, MatcherError, StoreUnfit
from matcher.model import DEFAULT_SITE
from matcher.replica.site_registry import SiteRegistry
from matcher.rpc.health import Health
from matcher.server.keys import KeyWatch
from matcher.server.site_writes import SiteWrites
from matcher.store.redis.address import StoreKind
from matcher.store.redis.client import StoreClient
from matcher.telemetry import SiteMeasure, Telemetry

CHECK_SECONDS: Final = 0.25
SILENCE_SECONDS: Final = 1.0
"""A store that is silent for longer counts as away, however long a call may wait for it."""
LAG_LIMIT_MS: Final = 1_000


async def read_default_site(sites: SiteRegistry) -> None:
    """Wait until the default site is read, however large it is: at the start no caller waits for it."""
    while True:
        with suppress(IndexBehind):
            await sites.replica(DEFAULT_SITE)
            gc.collect()  # a full collection visits the roster: now, and not while the first calls wait
            return


async def watch_readiness(
    client: StoreClient,
    sites: SiteRegistry,
    health: Health,
    telemetry: Telemetry,
    revive: Callable[[], Awaitable[None]],
    tasks: BackgroundTasks,
    key_watch: KeyWatch,
    refusal: Callable[[], str],
) -> None:
    """Report SERVING only while nothing is wrong; runs until it is cancelled.

    Wrong is: the store is silent or refuses what is written, a key in use is missing, a background task keeps failing,
    or an open site is behind. Of a cluster some servers may be away or refuse writes: then their sites are not served.

    refusal: why the store refuses what this process writes; not asked in a cluster, where other servers may take it.

    revive: starts an embedded store again that has died: what it acknowledged is on the disk.
    """
    writes = SiteWrites(client, SILENCE_SECONDS)
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        _measure_sites(sites, telemetry)
        try:
            away = await client.probe_primaries(SILENCE_SECONDS)
        except TimeoutError:
            await health.set(False, f"the store has not answered for {SILENCE_SECONDS:g} s")
            continue
        except StoreUnfit as fault:
            # A primary that took over, or one whose settings were changed: it would lose what is acknowledged.
            await health.set(False, str(fault))
            continue
        except MatcherError as fault:
            await health.set(False, str(fault))
            with suppress(MatcherError):
                await revive()
            continue
        # While some servers of a cluster are away, the sites on the others are served.
        reachable = [site for site in sites if not (away and site.away)]
        if client.kind is StoreKind.CLUSTER:
            await writes.look(reachable)
        behind = {site.site for site in reachable if not site.caught_up or site.lag_ms() > LAG_LIMIT_MS}
        answers = f"store answers but for {', '.join(away)}" if away else "store answers"
        served = {site.site: site in reachable and not writes.refusal(site.site) for site in sites if not site.removed}
        if key_watch.fault:
            await health.set(False, key_watch.fault)
        elif client.kind is not StoreKind.CLUSTER and (why := refusal()):
            await health.set(False, f"the store refuses what is written: {why}")
        elif failing := tasks.failing:
            await health.set(False, f"failing: {', '.join(failing)}")
        else:
            why = f"behind: {', '.join(sorted(behind))}" if behind else f"{answers}, index caught up"
            await health.set(not behind, why, {site: well and site not in behind for site, well in served.items()})


def _measure_sites(sites: SiteRegistry, telemetry: Telemetry) -> None:
    now = time.monotonic()
    telemetry.measure_sites(
        SiteMeasure(
            site.site,
            len(site.index),
            max(0.0, now - site.heard_at),
            dict.fromkeys(site.pools.known, 0) | site.queue.counts(),
        )
        for site in sites
        if not site.removed
    )
