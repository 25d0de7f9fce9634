"""Coverage: reads what the customers of a pool brought up, and which agents share it."""

from __future__ import annotations

from matcher.listening.coverage_report import Sharing, coverage
from matcher.listening.listener import Listener
from matcher.model.coverage import Coverage
from matcher.replica.site_registry import SiteRegistry
from matcher.store.clock import Clocks
from matcher.store.listening import DAY_MS, ListeningStore


class CoverageService:
    """Report what was heard. It writes what this process has heard first."""

    def __init__(self, store: ListeningStore, listener: Listener, sites: SiteRegistry, clocks: Clocks) -> None:
        self._store = store
        self._listener = listener
        self._sites = sites
        self._clocks = clocks

    async def coverage(self, site: str, pool: str, days: int) -> Coverage:
        """Return what the customers of a pool brought up in the last days, today among them.

        Raises SiteNotFound, PoolNotFound, or what encoder and store raise. The first call of a process may take half a
        minute: it encodes the entries.
        """
        replica = await self._sites.replica(site)
        policy = (await replica.pools.pool(pool)).policy
        shared = await self._listener.shared(replica)
        await self._listener.write()
        last = self._clocks.of(site).now_ms() // DAY_MS
        first = last - days + 1
        heard = await self._store.days(site, pool, first, last)
        entries = shared.hearing.entries.entries
        sharing = Sharing(shared.of_pool(pool))
        return coverage(pool, heard, (first, last), entries, sharing, listening=policy.listening)
