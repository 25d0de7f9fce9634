"""Change of the model: encodes the roster by the new model beside the old vectors, then switches every site to it.

Routes continue meanwhile by the former model.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import structlog

from matcher.encoder import Encoder, fingerprint_of
from matcher.errors import ModelUnusable, SettingsWrong, SiteNotFound, StoreUnavailable
from matcher.model.durations import in_words
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.models import KnownModel, ModelStore
from matcher.store.pages import every_page
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

PAGE: Final = 500
CHUNK: Final = 32
"""Agents encoded together: about 160 interests, a fifth of a second of a core."""
REST: Final = 1.0
"""While routes are served, each chunk is followed by a pause of this many times as long: they get half the machine."""
RETRY_SECONDS: Final = 5.0
LEAVE_SECONDS: Final = 30.0
"""How long calls in flight may still use the replicas of the former model."""

OnProgress: TypeAlias = Callable[[int, int], None]
"""Is called with the number of agents that are encoded, and of all agents."""


class ModelChange:
    """Open the model that answers, and change to the model of the settings where that is another one.

    The former model answers until the wanted model has vectors of every agent. If the former model cannot be opened any
    more, no route is answered until these vectors are complete.
    """

    def __init__(
        self,
        wanted: str,
        open_matching: Callable[[str], Awaitable[ModelBundle]],
        models: ModelStore,
        roster: RosterStore,
        on_progress: OnProgress,
    ) -> None:
        """wanted: the model of the settings."""
        self._wanted = wanted
        self._open = open_matching
        self._models = models
        self._roster = roster
        self._on_progress = on_progress
        self._opened: list[ModelBundle] = []
        self._answering = KnownModel("", wanted)

    async def begin(self, check: Callable[[str], object]) -> ModelBundle:
        """Open the model that answers at the start.

        check: called with the fingerprint of a wanted model that is not opened yet; raises if it cannot be used.
        Raises ModelUnusable, or what `open_matching` and `check` raise.
        """
        before = await self._models.answering()
        former = None if before is None or before.name == self._wanted else await self._former(before, check)
        name = former.name if former else self._wanted
        matching = await self._open(name)
        self._opened.append(matching)
        self._answering = KnownModel(matching.model, name)
        await self._models.add(self._answering)
        if before is not None and before.fingerprint != matching.model:
            await encode_roster(self._roster, matching.encoder, self._logged_progress())
        return matching

    async def _former(self, before: KnownModel, check: Callable[[str], object]) -> KnownModel | None:
        """Return the model that answered before, if it is not the wanted one and can still be opened."""
        wanted = await fingerprint_of(self._wanted)
        if wanted == before.fingerprint:
            return None
        check(wanted)
        try:
            if before.name and await fingerprint_of(before.name) == before.fingerprint:
                return before
            obstacle = "its files have changed"
        except ModelUnusable as fault:
            obstacle = str(fault)
        log.warning("the former model cannot be opened: no route until the roster is encoded", why=obstacle)
        return None

    async def run(
        self, sites: SiteRegistry, replicas_by: Callable[[ModelBundle], Callable[[str], SiteReplica]]
    ) -> None:
        """Record which model answers, and change it if another is wanted; return when no call uses the former one.

        While the store is away this waits. If the model or its scorer cannot be opened, the former model stays.
        """
        try:
            await self._patiently(partial(self._models.answer_by, self._answering))
            if self._answering.name != self._wanted:
                await self._change(sites, replicas_by)
        except (ModelUnusable, SettingsWrong) as fault:
            log.error("the model cannot be changed: the former model still answers", why=str(fault))  # noqa: TRY400
        except Exception:
            log.exception("the change of the model failed: the former model still answers")

    async def _change(
        self, sites: SiteRegistry, replicas_by: Callable[[ModelBundle], Callable[[str], SiteReplica]]
    ) -> None:
        matching = await self._open(self._wanted)
        self._opened.append(matching)
        model = KnownModel(matching.model, self._wanted)
        await self._patiently(partial(self._models.add, model))
        progress = self._logged_progress()
        await self._patiently(partial(encode_roster, self._roster, matching.encoder, progress, rest=REST))
        replaced = await sites.switch(replicas_by(matching))
        try:
            await self._patiently(partial(self._models.answer_by, model))
            log.info("model changed", model=self._wanted, fingerprint=matching.model)
            await asyncio.sleep(LEAVE_SECONDS)
        finally:
            for replica in replaced:
                await replica.close()
        await self._opened.pop(0).close()

    async def close(self) -> None:
        """Close the open models."""
        for matching in self._opened:
            await matching.close()

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act, and again as long as the store is away."""
        while True:
            try:
                return await act()
            except StoreUnavailable as fault:
                log.warning("the change of the model waits for the store", why=fault.why)
                await asyncio.sleep(RETRY_SECONDS)

    def _logged_progress(self) -> OnProgress:
        """Return a callback that also logs every tenth of the roster."""
        logged, began, first = -1, time.monotonic(), 0

        def on_progress(done: int, total: int) -> None:
            nonlocal logged, began, first
            if logged < 0:
                began, first = time.monotonic(), done
            self._on_progress(done, total)
            tenth = 10 * done // total if total else 10
            if tenth > logged:
                logged = tenth
                left = (time.monotonic() - began) * (total - done) / max(done - first, 1)
                ahead = {"left": f"about {in_words(left)}"} if done > first else {}
                log.info("encoding the roster by the new model", agents_done=done, agents=total, **ahead)

        return on_progress


async def encode_roster(store: RosterStore, encoder: Encoder, on_progress: OnProgress, *, rest: float = 0.0) -> None:
    """Encode and store the vectors that a model lacks, for the agents of every site.

    Several processes may do so at once: each goes through the roster in its own order and uses what others have stored.
    rest: length of the pause after a chunk, in multiples of the time that the chunk took.
    """
    chunks = await _chunks(store)
    random.shuffle(chunks)
    done, total = 0, sum(len(agents) for _, agents in chunks)
    on_progress(done, total)
    for site, ids in chunks:
        started = time.monotonic()
        agents = [agent for agent in await store.agents(site, ids) if agent is not None]
        with suppress(SiteNotFound):  # the site was removed meanwhile
            await ensure_vectors(store, site, encoder, agents)
        done += len(ids)
        on_progress(done, total)
        await asyncio.sleep(rest * (time.monotonic() - started))


async def _chunks(store: RosterStore) -> list[tuple[str, tuple[str, ...]]]:
    """Return the ids of every site's agents in chunks, each with its site."""
    sites = [site async for page in every_page(lambda after: store.site_ids(PAGE, after)) for site in page.items]
    chunks: list[tuple[str, tuple[str, ...]]] = []
    for site in sites:
        async for page in every_page(partial(store.agent_ids, site, PAGE)):
            chunks += [(site, page.items[start : start + CHUNK]) for start in range(0, len(page.items), CHUNK)]
    return chunks
