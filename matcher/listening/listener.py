"""Listener: compares what decisions have encoded with the entries, and writes the counts by the minute."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.encoder import Encoder
from matcher.errors import MatcherError, SiteNotFound
from matcher.listening.entry_vectors import EntryVectors, entry_vectors
from matcher.listening.hearing import Hearing
from matcher.listening.listened_entries import of_site
from matcher.listening.shared_interests import Roster, SharedInterests
from matcher.model import Pool, Requirements
from matcher.model.coverage import EntryKind
from matcher.store.listening import DAY_MS, Heard, ListeningStore

log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 60.0
"""How long what was heard stays in the process."""
MOST_GATHERED: Final = 50_000
"""Contacts that are gathered while the store is away; more are dropped, and the log says how many."""
MOST_ASKED: Final = 16
"""Agents who share an entry of whom it is asked whether one is free."""


@dataclass(frozen=True, slots=True, repr=False)
class Said:
    """What a decision has of a contact's message: texts and vectors [texts or more, dimension]. Never logged."""

    contact: str
    customer: str
    agent: str
    """Who was held for the contact; "": it waits."""
    channel: str
    texts: Sequence[str]
    vectors: NDArray[np.float32]
    language: str


class Matching(Protocol):
    """The model by which a site is served."""

    @property
    def encoder(self) -> Encoder:
        """Return the encoder."""


class ListenedSite(Protocol):
    """A site in memory."""

    site: str
    life: str
    """The uid of its life."""

    @property
    def matching(self) -> Matching:
        """Return the model."""

    @property
    def index(self) -> Roster:
        """Return the agents."""


class Listener:
    """Hear what contacts bring up. Until the entries are encoded, and in pools that do not listen, nothing is heard."""

    def __init__(
        self,
        store: ListeningStore,
        now_ms: Callable[[str], int],
        vectors_folder: Path,
        entries_folder: Path | None,
    ) -> None:
        """now_ms: gives the time by the store of a site. entries_folder: of sites' own entries, a folder a site."""
        self._store = store
        self._now_ms = now_ms
        self._vectors_folder = vectors_folder
        self._entries_folder = entries_folder
        self._sites: dict[str, SharedInterests] = {}
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self._vectors: dict[str, EntryVectors] = {}
        self._gathered: defaultdict[tuple[str, str, str, int], list[Heard]] = defaultdict(list)
        self._waiting = 0
        self._dropped = 0

    def hear(self, site: ListenedSite, pool: Pool, said: Said) -> None:
        """Note what a contact brings up, where its pool listens; it waits for nothing and keeps no word."""
        if not pool.policy.listening:
            return
        shared = self._sites.get(site.site)
        if shared is None or shared.roster is not site.index:
            self._prepare(site)
            return
        if self._waiting >= MOST_GATHERED:
            self._dropped += 1
            return
        found = shared.hearing.find(said.texts, said.vectors[: len(said.texts)], said.language)
        brings = tuple(
            (shared.hearing.entry(number).key, _nobody_free(shared, number, pool.id, said)) for number in found
        )
        day = self._now_ms(site.site) // DAY_MS
        self._gathered[site.site, site.life, pool.id, day].append(Heard(said.contact, said.customer, brings))
        self._waiting += 1

    async def shared(self, site: ListenedSite) -> SharedInterests:
        """Return which agents of a site share which entries, as of now; the first call prepares the site.

        Raises what the encoder raises.
        """
        while (shared := self._sites.get(site.site)) is None or shared.roster is not site.index:
            await asyncio.shield(self._prepare(site))
        await shared.update()
        return shared

    async def run(self) -> None:
        """Write what was heard by the minute."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what was heard until now; what the store does not take is kept for the next time."""
        gathered, self._gathered, self._waiting = self._gathered, defaultdict(list), 0
        if self._dropped:
            log.warning("contacts were not listened to, because the store was away", contacts=self._dropped)
            self._dropped = 0
        for (site, life, pool, day), heard in gathered.items():
            try:
                await self._store.count(site, life, pool, day, heard)
            except SiteNotFound:
                continue
            except MatcherError as fault:
                log.warning("what was heard is not written yet", site=site, fault=type(fault).__name__)
                self._gathered[site, life, pool, day] += heard
                self._waiting += len(heard)
        await self._store.forget_past(self._now_ms)

    async def close(self) -> None:
        """Write the rest, and end."""
        for task in tuple(self._preparing.values()):
            task.cancel()
        await self.write()

    def _prepare(self, site: ListenedSite) -> asyncio.Task[None]:
        """Return the task that makes a site ready, a running one or a new one."""
        task = self._preparing.get(site.site)
        if task is None:
            task = self._preparing[site.site] = asyncio.create_task(self._open(site))
            task.add_done_callback(lambda done: self._opened(site.site, done))
        return task

    def _opened(self, site: str, task: asyncio.Task[None]) -> None:
        self._preparing.pop(site, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("listening could not begin, and is tried again with the next contact", fault=type(fault).__name__)

    async def _open(self, site: ListenedSite) -> None:
        entries = await asyncio.to_thread(of_site, self._entries_folder, site.site)
        encoder = site.matching.encoder
        key = f"{encoder.fingerprint} {entries.digest}"
        if key not in self._vectors:
            self._vectors[key] = await entry_vectors(encoder, entries, self._vectors_folder)
        shared = SharedInterests(await asyncio.to_thread(Hearing, entries, self._vectors[key]), site.index)
        await shared.update()
        self._sites[site.site] = shared


def _nobody_free(shared: SharedInterests, number: int, pool: str, said: Said) -> bool:
    """Return whether an entry is an interest that no agent shares who could have taken the contact."""
    if shared.hearing.entry(number).kind is EntryKind.THEME:
        return False
    agents = shared.sharing(number)
    if said.agent in agents:
        return False
    wanted = Requirements(pool=pool, channel=said.channel)
    return all(shared.roster.unmet(agent, wanted) != [] for agent in agents[:MOST_ASKED])
