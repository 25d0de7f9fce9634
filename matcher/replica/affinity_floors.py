"""Affinity floors of pools: what small talk of a language reaches with a pool's own roster, and at least anywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.affinity.comparable import prepare
from matcher.affinity.scorer import Scorer
from matcher.affinity.small_talk import measured_sentences
from matcher.aio import cancel_and_wait
from matcher.encoder import Encoder
from matcher.index import SiteIndex
from matcher.ranking.floors import Floors, floor_of
from matcher.replica.absolute_floors import AbsoluteFloors
from matcher.replica.floor_texts import FloorText, floor_texts

log = structlog.get_logger(__name__)

MUCH: Final = 0.1
"""The share of a site's agents that must be new, gone or changed for a call to wait for the new floors."""

PAUSE: Final = 20
"""Floors of a roster that changed little are not computed again for this many times as long as they took to compute."""

_TOGETHER: Final = ""
"""Stands for several pools among the running computations; no pool has an empty id."""

Computation: TypeAlias = "asyncio.Task[list[Floors]]"


class _Computed(NamedTuple):
    """Computed floors, with the roster's number of changes and the scorer that they were computed by."""

    floors: Floors
    changes: int
    scorer: Scorer
    renew_at: float
    """The earliest time of the next computation after a small change, by the monotonic clock in seconds."""


class AffinityFloors:
    """Compute floors on first use, and again when the roster or the pool's scorer has changed."""

    def __init__(self, texts: Mapping[str, Sequence[FloorText]], absolute: AbsoluteFloors | None = None) -> None:
        """texts: small talk by the tag of its language. absolute: no floor is lower; None: any may be 0."""
        self._absolute = absolute
        self._texts = [text for of_language in texts.values() for text in of_language]
        self._languages = [language for language, of_language in texts.items() for _ in of_language]
        self._floors: WeakKeyDictionary[SiteIndex, dict[str, _Computed]] = WeakKeyDictionary()
        self._computing: dict[tuple[int, str, int], Computation] = {}
        """Running computations by index, pool and scorer; each task keeps its index, so that no id is used twice."""

    @classmethod
    async def open(cls, encoder: Encoder, absolute: AbsoluteFloors | None = None) -> AffinityFloors:
        """Encode the small talk; a sentence of which the model knows no word meets nobody, and counts for nothing."""
        await asyncio.to_thread(prepare)
        sentences = measured_sentences()
        texts = {language: await floor_texts(encoder, language, sentences[language]) for language in sentences}
        return cls(texts, absolute)

    async def prepare(self, scorer: Scorer) -> None:
        """Measure or read the absolute floors by a scorer, so that no message waits for them."""
        if self._absolute:
            await self._absolute.of(scorer)

    async def close(self) -> None:
        """Cancel the running computations."""
        for task in tuple(self._computing.values()):
            await cancel_and_wait(task)

    async def of(self, index: SiteIndex, pool: str) -> Floors:
        """Return the floors of a pool for its roster as it is now, or was a short time ago.

        After a small change of the roster it returns the old floors while the new ones are computed; after a change of
        a tenth of the agents, or of the scorer, it waits for the new ones.
        """
        computed = self._floors.setdefault(index, {}).get(pool)
        if computed is None or self._must_wait(index, pool):
            return (await asyncio.shield(self._start(index, pool)))[0]
        if index.changes != computed.changes and time.monotonic() >= computed.renew_at:
            self._start(index, pool)
        return computed.floors

    def _must_wait(self, index: SiteIndex, pool: str) -> bool:
        """Return whether the floors of a pool are unknown, or of another scorer or a roster that has changed much."""
        computed = self._floors.get(index, {}).get(pool)
        if computed is None or computed.scorer is not index.scorer_of(pool):
            return True
        changed = index.changes - computed.changes
        return changed > 0 and changed >= MUCH * len(index)

    async def prepare_pools(self, index: SiteIndex, pools: Sequence[str]) -> None:
        """Compute together what `of` would wait for, pool after pool: one search of all agents for all these pools.

        A pool that has a scorer of its own is left to `of`.
        """
        alike = [pool for pool in pools if index.scorer_of(pool) is index.scorer and self._must_wait(index, pool)]
        if len(alike) > 1:
            key = (id(index), _TOGETHER, id(index.scorer))
            task = self._computing.get(key) or self._keep(key, self._compute(index, alike))
            await asyncio.shield(task)

    def forget(self, index: SiteIndex, pool: str) -> None:
        """Forget the floors of a pool that was removed."""
        self._floors.get(index, {}).pop(pool, None)

    def _start(self, index: SiteIndex, pool: str) -> Computation:
        """Return the task that computes a pool's floors: a running one, or a new one."""
        key = (id(index), pool, id(index.scorer_of(pool)))
        return self._computing.get(key) or self._keep(key, self._compute(index, [pool]))

    def _keep(self, key: tuple[int, str, int], run: Coroutine[Any, Any, list[Floors]]) -> Computation:
        task = self._computing[key] = asyncio.create_task(run)
        task.add_done_callback(lambda _: self._computing.pop(key))
        return task

    async def _compute(self, index: SiteIndex, pools: Sequence[str]) -> list[Floors]:
        """Compute the floors of a pool, or of several pools that have the default scorer, and keep them."""
        changes, scorer, started = index.changes, index.scorer_of(pools[0]), time.monotonic()
        found = await asyncio.to_thread(self._measure, index, scorer, pools)
        if self._absolute:
            absolute = await self._absolute.of(scorer)
            found = [floors.at_least(absolute) for floors in found]
        now = time.monotonic()
        for pool, floors in zip(pools, found, strict=True):
            self._floors.setdefault(index, {})[pool] = _Computed(floors, changes, scorer, now + PAUSE * (now - started))
            log.debug("floors computed", pool=pool, unknown=round(floors.unknown, 4), agents=len(index))
        return found

    def _measure(self, index: SiteIndex, scorer: Scorer, pools: Sequence[str]) -> list[Floors]:
        small_talk = [text.query(scorer.whole) for text in self._texts]
        if len(pools) == 1:
            return [self._by_language(index.best_affinities(small_talk, pools[0]))]
        return [self._by_language(best) for best in index.best_affinities_by_pool(small_talk, pools).T]

    def _by_language(self, best: NDArray[np.float64]) -> Floors:
        """Return the floors, given the best affinity of each message; that of an unknown language is the highest."""
        languages = np.array(self._languages)
        floors = {language: floor_of(best[languages == language]) for language in dict.fromkeys(self._languages)}
        return Floors(floors, max(floors.values(), default=0.0))
