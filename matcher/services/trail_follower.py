"""The follower of the audit trail: chains what changes wrote beside sites and keys, in one process for all.

A batch is chained first and trimmed then. A process that dies between the two leaves the entries to the next one, which
finds them chained by their marks. Two processes that chain at once cannot fork the chain: the second is refused and
reads the head again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import structlog

from matcher.errors import LedgerAway, MatcherError
from matcher.ledger.audit_trail import LedgerTrail
from matcher.model.resource_names import new_id
from matcher.model.trail import Chained, Head, TrailRecord, chain, names_and_ids, salted
from matcher.services.ledger import Ledger
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.pages import every_page
from matcher.store.said import Said, say
from matcher.store.sites import PAGE, SiteStore
from matcher.store.trail import ACCESS_KEYS, AuditEntry, TrailStore

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the sources are looked at: a change is chained after about this time."""
SITES_A_SECOND: Final = 2_000
"""More sites are looked at less often, as by the ledger's feeder."""
LEASE_MS: Final = 15_000
HEAD_SECONDS: Final = 3_600.0
"""How often the head goes to the log: a tail that is cut later is missed by it."""
TRIES: Final = 100
AT_ONCE: Final = 500
"""Records in a transaction."""


@dataclass(frozen=True, slots=True)
class TrailObserver:
    """What the follower tells of its work.

    on_waiting: called at every look with how many entries wait. on_head: with the number of the last record. on_lost:
    with a site and how many entries its full source lost.
    """

    on_waiting: Callable[[int], None] = lambda _: None
    on_head: Callable[[int], None] = lambda _: None
    on_lost: Callable[[str, int], None] = lambda _site, _lost: None


class TrailFollower:
    """Chain until cancelled. Faults of the store are waited out; no call waits for it."""

    def __init__(
        self,
        store: TrailStore,
        sites: SiteStore,
        keys: ServiceKeys,
        observer: TrailObserver | None = None,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ledger: takes the chained records from the store; None, or one that is off: they stay there."""
        self._clock = clock
        self._ledger = ledger or Ledger()
        self._moved: Head | None = None
        self._store = store
        self._sites = sites
        self._keys = keys
        self._observer = observer or TrailObserver()
        self._process = new_id()
        self._head_at = -math.inf

    async def run(self) -> None:
        """Chain what every source has, until cancelled."""
        pause = LOOK_SECONDS
        while True:
            try:
                if await self._store.lead(self._process, LEASE_MS):
                    pause = max(LOOK_SECONDS, await self.follow() / SITES_A_SECOND)
                    await self.move()
                    await self._tell_head()
            except MatcherError as fault:
                log.warning("the audit trail waits", why=str(fault))
            await asyncio.sleep(pause)

    async def follow(self) -> int:
        """Chain what waits now; return how many sites were looked at."""
        count, total = 0, await self._drain_all([ACCESS_KEYS])
        async for page in every_page(lambda after: self._sites.sites(PAGE, after)):
            count += len(page.items)
            total += await self._drain_all([site.id for site in page.items])
        self._observer.on_waiting(total)
        return count

    async def move(self) -> None:
        """Move the chained records into the ledger, where there is one. Raises LedgerAway."""
        if not self._ledger.is_on:
            return
        trail = LedgerTrail(self._ledger.database)
        moved = await self._head_of_ledger()
        batch = [one async for one in self._store.records(moved.number)]
        if not batch:
            return
        for start in range(0, len(batch), AT_ONCE):
            await self._ledger.write(partial(trail.add, batch[start : start + AT_ONCE]))
        self._moved = Head(batch[-1].number, batch[-1].mac)
        await self._store.trim_records(batch[-1].number)

    async def _head_of_ledger(self) -> Head:
        """Return the last record that the ledger has. Raises LedgerAway."""
        if not self._ledger.is_on:
            return Head()
        if self._moved is None:
            database = self._ledger.database
            await self._ledger.write(database.prepare)
            self._moved = await self._ledger.write(LedgerTrail(database).head)
        return self._moved

    async def _newest(self, head: Head) -> Head:
        """Return the end of the chain: a store that lost its last writes in a failover goes on after the ledger."""
        try:
            moved = await self._head_of_ledger()
        except LedgerAway:
            return head
        return moved if moved.number > head.number else head

    async def _drain_all(self, sites: Sequence[str]) -> int:
        total = 0
        for site, waits in await self._store.waiting(sites):
            total += waits
            await self.drain(site)
        return total

    async def drain(self, site: str) -> None:
        """Chain all that one site wrote; "": what the access keys wrote. Also for a site that is being deleted."""
        for _ in range(TRIES):
            # The head first: it has moved where another process chains what is read here, and nothing is appended.
            state = await self._store.state()
            uid, entries = await self._store.entries(site)
            if not entries:
                return
            source = f"{site}|{uid}"
            new, lost = _not_taken(entries, state.taken.get(source, ""))
            if new:
                records = self._chained(await self._newest(state.head), site, uid, new, lost)
                if not await self._store.append(state.head, records, source, entries[-1].mark):
                    continue
                if lost:
                    self._observer.on_lost(site, lost)
                    log.warning("changes were lost before they were in the audit trail", site=site, lost=lost)
            await self._store.trim(site, entries[-1])
        log.warning("the audit trail is behind", site=site)

    async def note(self, site: str, name: str) -> None:
        """Write that the current call forgets a person, by the resource name."""
        await self._store.note(site, say(name, None, None))

    async def forget(self, site: str, persons: Collection[str]) -> None:
        """Remove the values of persons, given by their resource names, from the trail; the digests stay.

        While the ledger is away its values stay until it has done what the outbox asks (NAMED).
        """
        await self.drain(site)
        named = names_and_ids(persons).__contains__
        await self._store.forget(site, named)
        if self._ledger.is_on:
            # Twice around the ledger: a record that is moved meanwhile is in the one or in the other.
            with suppress(LedgerAway):
                await self._ledger.write(partial(LedgerTrail(self._ledger.database).forget, site, named))
            await self._store.forget(site, named)

    def _chained(self, head: Head, site: str, uid: str, entries: Sequence[AuditEntry], lost: int) -> list[Chained]:
        key_id, key = self._keys.to_chain()
        chained = list[Chained]()
        for entry in entries:
            said = _said(entry)
            digests, clear = salted(
                {"name": said.name, "peer": said.peer}
                | {f"field.{name}": msgspec.json.encode(values).decode() for name, values in said.fields.items()}
            )
            record = TrailRecord(
                number=head.number + 1,
                at_ms=entry.at_ms,
                site=site,
                source=uid,
                entry=entry.number,
                lost=lost if entry is entries[0] else 0,
                method=said.method,
                principal=said.principal,
                request=said.request,
                digests=digests,
            )
            chained.append(chain(head, record, clear, key_id, key))
            head = Head(record.number, chained[-1].mac)
        return chained

    async def _tell_head(self) -> None:
        if self._clock() < self._head_at:
            return
        self._head_at = self._clock() + HEAD_SECONDS
        head = (await self._store.state()).head
        self._observer.on_head(head.number)
        log.info("audit head", head=str(head))


def _not_taken(entries: Sequence[AuditEntry], mark: str) -> tuple[Sequence[AuditEntry], int]:
    """Return the entries that are not chained yet, and how many before them the source has lost."""
    number = int(mark.partition("|")[0] or 0)
    for place, entry in enumerate(entries):
        if entry.mark == mark:
            return entries[place + 1 :], 0
    # After a failover numbers are given again: these entries are others than those that were chained.
    return entries, max(0, entries[0].number - number - 1)


def _said(entry: AuditEntry) -> Said:
    """Return what an entry says; what cannot be read stands on record by its bytes."""
    try:
        return msgspec.json.decode(entry.said, type=Said)
    except msgspec.MsgspecError:
        return Said("", "", "", "", "", {"unreadable": entry.text.decode(errors="replace")})
