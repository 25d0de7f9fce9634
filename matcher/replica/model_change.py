"""A changed model: the roster is encoded by it beside the old vectors, then every site switches. Routes go on."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from matcher.encoder import Encoder, fingerprint_of
from matcher.errors import ModelUnusable, SettingsWrong, StoreUnavailable
from matcher.replica.interest_vectors import ensure_vectors
from matcher.replica.model_bundle import ModelBundle
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.store.models import KnownModel, ModelStore
from matcher.store.roster import RosterStore

log = structlog.get_logger(__name__)

PAGE: Final = 500
CHUNK: Final = 32
"""Agents encoded together: about 160 interests, a fifth of a second of a core."""
REST: Final = 1.0
"""Beside routes, each chunk is followed by a rest of this many times as long: half the machine is theirs."""
RETRY_SECONDS: Final = 5.0
LEAVE_SECONDS: Final = 30.0
"""How long calls under way may go on with what another model took over from."""

Told = Callable[[int, int], None]
"""Is told how many agents are done, of how many."""


class ModelChange:
    """Open the model that answers, and where the settings name another than the store's roster is answered by, change.

    Until the wanted model has vectors of every agent, the former one answers; where that one cannot be had any more,
    nothing does until they are complete.
    """

    def __init__(
        self,
        wanted: str,
        open_matching: Callable[[str], Awaitable[ModelBundle]],
        models: ModelStore,
        roster: RosterStore,
        told: Told,
    ) -> None:
        """Take the model of the settings; `told` is told how far encoding the roster is."""
        self._wanted = wanted
        self._open = open_matching
        self._models = models
        self._roster = roster
        self._told = told
        self._opened: list[ModelBundle] = []
        self._answering = KnownModel("", wanted)

    async def begin(self, check: Callable[[str], object]) -> ModelBundle:
        """Open the model to answer by.

        check: called with the fingerprint of a wanted model that is not opened yet; raises where it will not do.
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
            await encode_roster(self._roster, matching.encoder, self._aloud())
        return matching

    async def _former(self, before: KnownModel, check: Callable[[str], object]) -> KnownModel | None:
        """Return the model that answered before, where the wanted one is another and that one can be had."""
        wanted = await fingerprint_of(self._wanted)
        if wanted == before.fingerprint:
            return None
        check(wanted)
        try:
            if before.name and await fingerprint_of(before.name) == before.fingerprint:
                return before
            obstacle = "its files are no longer what they were"
        except ModelUnusable as fault:
            obstacle = str(fault)
        log.warning("the model that answered before cannot be had: no route until the roster is encoded", why=obstacle)
        return None

    async def run(
        self, sites: SiteRegistry, replicas_by: Callable[[ModelBundle], Callable[[str], SiteReplica]]
    ) -> None:
        """Say which model answers, and change it where another is wanted; return when nothing asks the former one.

        A store that is away is waited for. A model or a scorer that cannot be had leaves the former one answering.
        """
        try:
            await self._patiently(partial(self._models.answer_by, self._answering))
            if self._answering.name != self._wanted:
                await self._change(sites, replicas_by)
        except (ModelUnusable, SettingsWrong) as fault:
            log.error("the model cannot be changed: the former one goes on answering", why=str(fault))  # noqa: TRY400
        except Exception:
            log.exception("the change of the model has failed: the former one goes on answering")

    async def _change(
        self, sites: SiteRegistry, replicas_by: Callable[[ModelBundle], Callable[[str], SiteReplica]]
    ) -> None:
        matching = await self._open(self._wanted)
        self._opened.append(matching)
        model = KnownModel(matching.model, self._wanted)
        await self._patiently(partial(self._models.add, model))
        await self._patiently(partial(encode_roster, self._roster, matching.encoder, self._aloud(), rest=REST))
        left = await sites.change(replicas_by(matching))
        try:
            await self._patiently(partial(self._models.answer_by, model))
            log.info("model changed", model=self._wanted, fingerprint=matching.model)
            await asyncio.sleep(LEAVE_SECONDS)
        finally:
            for replica in left:
                await replica.close()
        await self._opened.pop(0).close()

    async def close(self) -> None:
        """Close the models that are open."""
        for matching in self._opened:
            await matching.close()

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await act()
            except StoreUnavailable as fault:
                log.warning("the change of the model waits for the store", why=fault.why)
                await asyncio.sleep(RETRY_SECONDS)

    def _aloud(self) -> Told:
        """Tell the log, too, at every tenth."""
        said = -1

        def tell(done: int, total: int) -> None:
            nonlocal said
            self._told(done, total)
            tenth = 10 * done // total if total else 10
            if tenth > said:
                said = tenth
                log.info("encoding the roster by the new model", agents_done=done, agents=total)

        return tell


async def encode_roster(store: RosterStore, encoder: Encoder, told: Told, *, rest: float = 0.0) -> None:
    """Encode and store what a model has no vectors of yet, for the agents of every site.

    Several processes may do so at once: each goes its own way through the roster and takes what others have stored.
    rest: pauses between chunks, in times of what a chunk took.
    """
    chunks = await _chunks(store)
    random.shuffle(chunks)
    done, total = 0, sum(len(agents) for _, agents in chunks)
    told(done, total)
    for site, ids in chunks:
        started = time.monotonic()
        agents = [agent for agent in await store.agents(site, ids) if agent is not None]
        await ensure_vectors(store, site, encoder, agents)
        done += len(ids)
        told(done, total)
        await asyncio.sleep(rest * (time.monotonic() - started))


async def _chunks(store: RosterStore) -> list[tuple[str, tuple[str, ...]]]:
    """Return every site's agents by id, some at a time."""
    found: list[tuple[str, tuple[str, ...]]] = []
    after_site, more_sites = "", True
    while more_sites:
        sites = await store.sites(PAGE, after_site)
        for site in sites.items:
            after, more = "", True
            while more:
                page = await store.agent_ids(site, PAGE, after)
                found += [(site, page.items[start : start + CHUNK]) for start in range(0, len(page.items), CHUNK)]
                after, more = page.next, bool(page.next)
        after_site, more_sites = sites.next, bool(sites.next)
    return found
