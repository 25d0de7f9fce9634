"""The upgrade of the store: raises the schema once no process needs the old one, migrates, unloads old libraries.

Every process registers itself. The first of them, by id, acts for all; where two believe to be the first, both do the
same and no harm. A process of a version without the registry is noticed by its connections: the store has more than the
registered processes have together. So has a store with Sentinels or with other programs; there `matcher store upgrade`
decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from matcher.errors import StoreFull, StoreUnavailable
from matcher.store.migrations import STEPS, Migration, migrate
from matcher.store.processes import RENEW_SECONDS, LiveProcess, LiveProcesses, ProcessIdentity, ProcessRegistry
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST

log = structlog.get_logger(__name__)

QUIET_SECONDS: Final = 30.0
"""How long only known processes must have used the store: longer than one is away while it is started again."""
REFUSED_SECONDS: Final = 0.5
"""The pause after a registration that the store refused."""
REST_SECONDS: Final = 60.0
"""The pause after everything was done."""


@dataclass(slots=True)
class QuietWatch:
    """Since when only registered processes that read the newest schema have used the store."""

    quiet_seconds: float = QUIET_SECONDS
    why: str = ""
    """Why the store is not quiet; "": it is, or that is not known yet."""
    _since: float | None = None
    _counted: int = 0
    _deviated: bool = False

    def observe(self, now: float, live: LiveProcesses, strangers: int | None) -> bool:
        """Take an observation; return whether the store has been quiet for long enough.

        strangers: the connections that no registered process has; below 0: the server counts fewer than the processes
        do; None: not known. A single deviation says nothing, because a process registers its connections with a delay.
        """
        deviated, self._deviated = self._deviated, bool(strangers)
        if live.too_old:
            self.why = f"read no newer schema: {', '.join(map(named, live.too_old))}"
        elif strangers is None or (strangers and not deviated):
            return False
        elif strangers < 0:
            self.why = "the server counts fewer connections than the processes have: a proxy may hide others"
        elif strangers:
            self.why = f"connections to the store that no registered process has: {strangers}"
        else:
            self.why = ""
        if self.why:
            self._since, self._counted = None, 0
            return False
        self._since = now if self._since is None else self._since
        self._counted += 1
        return now - self._since >= self.quiet_seconds and self._counted > 1


class StoreUpgrade:
    """The part of one process in the upgrade of the store that it shares with others."""

    def __init__(
        self,
        connection: StoreClient,
        process: ProcessIdentity,
        steps: Sequence[Migration] = STEPS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._connection = connection
        self._registry = ProcessRegistry(connection)
        self._process = process
        self._steps = steps
        self._watch = QuietWatch(quiet_seconds)
        self._live = LiveProcesses(0, ())
        self._before: tuple[LiveProcess, ...] = ()
        self._migrated = False
        self.refused = ""
        """Why the store refused the last registration, which writes as every call does; "": it took it."""

    async def keep_registered(self) -> None:
        """Write every 2 s that this process lives. Raises StoreUnfit where an upgrade has left the process behind."""
        while True:
            try:
                await self.register()
                self.refused = ""
            except StoreFull:
                self.refused = ""  # what ends something still runs
            except StoreUnavailable as fault:
                self.refused = fault.why
            await asyncio.sleep(REFUSED_SECONDS if self.refused else RENEW_SECONDS)

    async def register(self) -> None:
        """Write that this process lives, and read which others do."""
        self._live = await self._registry.renew(self._process)

    async def leave(self) -> None:
        """Forget this process, which ends."""
        with suppress(StoreUnavailable, StoreFull):
            await self._registry.leave(self._process.id)

    async def run(self) -> None:
        """Upgrade the store when it is time, and unload libraries that no process calls any more."""
        while True:
            done = False
            with suppress(StoreUnavailable, StoreFull):
                done = await self.turn(asyncio.get_running_loop().time())
            await asyncio.sleep(REST_SECONDS if done else RENEW_SECONDS)

    async def turn(self, now: float) -> bool:
        """Do what can be done at `now`, in seconds of any clock; return whether everything is done."""
        live = self._live
        if not live.processes or live.processes[0].id != self._process.id:
            return False
        if self._connection.schema.writes == NEWEST and live.all_write_newest and not self._migrated:
            for step in await migrate(self._connection, self._steps):
                log.info("store migrated", step=step)
            self._migrated = True
        if not await self._is_quiet(now, live):
            return False
        if live.schema < NEWEST:
            if await self._registry.raise_schema():
                return False  # A process that does not read it has come in between.
            log.info("the store has a new schema: earlier versions refuse to start on it", schema=NEWEST)
            return False
        if not self._migrated:
            return False
        for library in sorted((await self._connection.libraries() or set()) - live.libraries):
            await self._connection.unload_library(library)
            log.info("library unloaded: no process calls it", library=library)
        self._watch = QuietWatch(self._watch.quiet_seconds)
        return True

    async def _is_quiet(self, now: float, live: LiveProcesses) -> bool:
        settled = _connections(live.processes) == _connections(self._before)
        self._before = live.processes
        strangers = None
        if settled:
            mine = next(process for process in live.processes if process.id == self._process.id)
            # Of itself a process knows the connections of now.
            known = live.connections - mine.connections + self._connection.open_connections
            strangers = await self._connection.connected_clients() - known
        before = self._watch.why
        quiet = self._watch.observe(now, live, strangers)
        # The number of connections changes all the time: only another kind of reason is told.
        if live.schema < NEWEST and self._watch.why.partition(":")[0] not in {"", before.partition(":")[0]}:
            log.info("the store keeps its schema", schema=live.schema, why=self._watch.why)
        return quiet


def named(process: LiveProcess) -> str:
    """Return a process as an operator finds it."""
    return f"{process.version} on {process.host or '?'}, process {process.pid}"


def _connections(processes: Sequence[LiveProcess]) -> list[tuple[str, int]]:
    return [(process.id, process.connections) for process in processes]
