"""The feeder of the ledger: moves the entries of the outboxes into the ledger, in one process a site, and prunes it.

A batch is committed first and trimmed with the next read. A process that dies between the two leaves the entries to
the next one, which finds them committed by their keys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog

from matcher.errors import LedgerAway, LedgerNewer, LedgerRefuses, MatcherError, SiteNotFound
from matcher.ledger.forgetting import prune_slice, remove_site
from matcher.ledger.writer import AT_ONCE, Batch, Committed
from matcher.model.resource_names import new_id
from matcher.services.ledger import Ledger
from matcher.store.clock import Clocks
from matcher.store.outbox import Backlog, Feeding, OutboxEntry, OutboxStore, step_of
from matcher.store.sites import PAGE, SiteStore

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the outboxes are looked at: a step is in the ledger after about this time."""
SITES_A_SECOND: Final = 2_000
"""More sites are looked at less often: a look at an outbox takes the store 2 µs."""
LEASE_MS: Final = 15_000
"""A process that has not fed a site for this time has no backlog there, or is dead: another may feed it."""
LONGEST_PAUSE_SECONDS: Final = 15.0
"""Between two tries while the database does not answer."""
PREPARE_SECONDS: Final = 60.0
"""How often the schema is looked at, and raised where this version knows a newer one."""
PRUNE_SECONDS: Final = 3_600.0
PRUNE_PAUSE_SECONDS: Final = 0.05
"""Between two slices, so that feeding goes on."""
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class FeederObserver:
    """What the feeder tells of its work.

    on_backlogs: called at every look with the sites whose outbox holds something: the site, how many entries wait, and
    the age of the oldest in seconds. on_commit: with the number of new steps. on_lost: with a site, and how many
    entries its full outbox lost. on_refused: for each entry that the database refused, or that cannot be read.
    """

    on_backlogs: Callable[[Sequence[tuple[str, int, float]]], None] = lambda _: None
    on_commit: Callable[[int], None] = lambda _steps: None
    on_lost: Callable[[str, int], None] = lambda _site, _lost: None
    on_refused: Callable[[], None] = lambda: None


@dataclass(slots=True)
class _Fed:
    """What was committed of a site and is trimmed with the next read."""

    committed: OutboxEntry | None = None
    forgotten: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[int, str] = field(default_factory=dict)


class LedgerFeeder:
    """Feed the ledger until cancelled. Faults of the store and of the database are waited out; no call waits for it."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: OutboxStore,
        sites: SiteStore,
        clocks: Clocks,
        days: int,
        observer: FeederObserver | None = None,
    ) -> None:
        """days: how long rows are kept after the last step of their contact."""
        self._ledger = ledger
        self._outbox = outbox
        self._sites = sites
        self._clocks = clocks
        self._keep_ms = days * DAY_MS
        self._observer = observer or FeederObserver()
        self._process = new_id()
        self._fed: dict[str, _Fed] = {}
        self._prepare_at = self._prune_at = 0.0
        self._is_away = False

    async def run(self) -> None:
        """Feed every site's ledger, until the task is cancelled; then another process may at once."""
        if not self._ledger.is_on:
            return
        pause = LOOK_SECONDS
        try:
            while True:
                try:
                    count, backlogs = await self.measure()
                    if time.monotonic() >= self._prepare_at:
                        await self._ledger.write(self._ledger.database.prepare)
                        self._prepare_at = time.monotonic() + PREPARE_SECONDS
                    await self._feed_on(backlogs)
                    pause = max(LOOK_SECONDS, count / SITES_A_SECOND)
                except LedgerAway as fault:
                    self._prepare_at = 0.0
                    self._tell_away(fault)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                except MatcherError as fault:
                    log.warning("the ledger waits for the store", why=str(fault))
                await asyncio.sleep(pause)
        finally:
            for site, fed in self._fed.items():
                with suppress(MatcherError):
                    await self._outbox.feed(site, self._process, 1, 1, fed.committed, fed.forgotten, fed.removed)

    async def _feed_on(self, backlogs: Sequence[Backlog]) -> None:
        """Feed the sites that have a backlog, and remove what is to go."""
        for backlog in backlogs:
            await self.feed(backlog.site)
        if self._is_away:
            self._is_away = False
            log.info("the ledger answers again")
        if self._ledger.database.has_log_to_empty:
            await self._ledger.write(self._ledger.database.empty_log)
        for uid in await self._outbox.gone():
            now_ms = round(time.time() * 1000)
            removed = await self._ledger.write(partial(remove_site, self._ledger.database, uid, now_ms))
            await self._outbox.forget_gone(uid)
            log.info("a removed site's rows are gone from the ledger", rows=removed)
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_SECONDS
            await self.prune()

    async def look(self) -> None:
        """Feed every site whose outbox holds something, once."""
        _, backlogs = await self.measure()
        for backlog in backlogs:
            await self.feed(backlog.site)

    async def measure(self) -> tuple[int, list[Backlog]]:
        """Return how many sites there are, and the backlogs of those whose outbox holds something; tell of these."""
        after, count, found = "", 0, list[Backlog]()
        while True:
            page = await self._sites.sites(PAGE, after)
            count += len(page.items)
            backlogs = await self._outbox.backlogs([site.id for site in page.items])
            found += [backlog for backlog in backlogs if backlog.entries or backlog.forgets]
            if not page.next:
                break
            after = page.next
        self._observer.on_backlogs([(one.site, one.entries, self._age(one)) for one in found])
        return count, found

    async def feed(self, site: str) -> None:
        """Commit what a site's outbox holds, unless another process does. Raises LedgerAway: then all stays."""
        while True:
            fed = self._fed.get(site, _Fed())
            try:
                found = await self._outbox.feed(
                    site, self._process, LEASE_MS, AT_ONCE, fed.committed, fed.forgotten, fed.removed
                )
            except SiteNotFound:
                found = None
            if found is None:
                self._fed.pop(site, None)
                return
            self._fed[site] = _Fed()
            if found.entries or found.forgets:
                await self._commit(site, found)
                self._fed[site] = _done_with(found)
            if len(found.entries) < AT_ONCE:
                return

    async def prune(self) -> None:
        """Remove what is older than it may be, slice by slice; one process an hour."""
        if not await self._outbox.may_prune(self._process, round(PRUNE_SECONDS * 1000)):
            return
        before_ms, removed = round(time.time() * 1000) - self._keep_ms, 0
        while rows := await self._ledger.write(partial(prune_slice, self._ledger.database, before_ms)):
            removed += rows
            await asyncio.sleep(PRUNE_PAUSE_SECONDS)
        if removed:
            log.info("the ledger was pruned", rows=removed)

    async def _commit(self, site: str, found: Feeding) -> None:
        batch = _batch(site, found)
        if len(batch.steps) < len(found.entries):
            self._refuse(site, len(found.entries) - len(batch.steps), "cannot be read")
        try:
            done = await self._ledger.write(partial(self._ledger.writer.commit, batch))
        except LedgerRefuses:
            done = await self._commit_each(batch)
        self._observer.on_commit(done.steps)
        if done.lost:
            log.error("the outbox was full, and the ledger has a gap", site=site, entries=done.lost)
            self._observer.on_lost(site, done.lost)

    async def _commit_each(self, batch: Batch) -> Committed:
        """Commit the steps of a batch one by one, without those that the database refuses."""
        steps, lost, first, first_at = 0, 0, batch.first, batch.first_at
        for step in batch.steps:
            alone = replace(
                batch, steps=[step], first=first, last=step.number, first_at=first_at, last_at=step.at_ms, forgets=()
            )
            try:
                done = await self._ledger.write(partial(self._ledger.writer.commit, alone))
            except LedgerRefuses as fault:
                self._refuse(batch.site, 1, fault.why)
                continue
            steps, lost = steps + done.steps, lost + done.lost
            first, first_at = step.number + 1, step.at_ms
        last = replace(batch, steps=(), first=first, first_at=first_at)
        if last.first <= last.last or last.forgets:
            await self._ledger.write(partial(self._ledger.writer.commit, last))
        return Committed(steps, lost)

    def _refuse(self, site: str, entries: int, why: str) -> None:
        log.error("entries of the outbox are not in the ledger", site=site, entries=entries, why=why)
        for _ in range(entries):
            self._observer.on_refused()

    def _age(self, backlog: Backlog) -> float:
        """Return the age of the oldest entry in seconds."""
        now_ms = self._clocks.of(backlog.site).now_ms()
        return 0.0 if backlog.oldest_ms is None else max(0.0, (now_ms - backlog.oldest_ms) / 1000)

    def _tell_away(self, fault: LedgerAway) -> None:
        if self._is_away:
            return
        self._is_away = True
        if isinstance(fault, LedgerNewer):
            log.error("the ledger is of a later version: this process does not feed it", why=str(fault))
        else:
            log.warning("the ledger is away: steps wait in the store", why=fault.why)


def _batch(site: str, found: Feeding) -> Batch:
    steps = [step for entry in found.entries if (step := step_of(entry)) is not None]
    ends = (found.entries[0].number, found.entries[-1].number) if found.entries else (0, 0)
    return Batch(
        site,
        found.uid,
        steps,
        first=ends[0],
        last=ends[1],
        first_at=steps[0].at_ms if steps else found.now_ms,
        last_at=steps[-1].at_ms if steps else found.now_ms,
        removed=frozenset(found.removed),
        forgets=tuple(found.forgets),
    )


def _done_with(found: Feeding) -> _Fed:
    """Return what the next read trims."""
    last = found.entries[-1] if found.entries else None
    before = last.number if last else 0
    removed = {number: stamp for number, stamp in found.removed.items() if number <= before}
    return _Fed(last, found.forgets, removed)
