"""Affinity floors of pools: the affinity that small talk reaches with a pool's own roster, in any language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import structlog
from numpy.typing import NDArray

from matcher.affinity.comparable import comparable, prepare
from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.affinity.sentences import split
from matcher.affinity.small_talk import measured_sentences
from matcher.aio import cancel_and_wait
from matcher.encoder import Encoder, Priority, unknown_words
from matcher.index import Query, SiteIndex
from matcher.ranking.policy import floor_of

log = structlog.get_logger(__name__)

MUCH: Final = 0.1
"""The share of a site's agents that must be new, gone or changed for a call to wait for the new floor."""

PAUSE: Final = 20
"""A floor that changed little is not computed again for this many times as long as it took to compute."""


class _Floor(NamedTuple):
    """A computed floor, with the roster's number of changes and the scorer that it was computed by."""

    value: float
    changes: int
    scorer: Scorer
    renew_at: float
    """The earliest time of the next computation after a small change, by the monotonic clock in seconds."""


class AffinityFloors:
    """Compute floors on first use, and again when the roster or the pool's scorer has changed."""

    def __init__(self, messages: Sequence[Query], languages: Sequence[int] = ()) -> None:
        """messages: small talk, language by language; languages: how many are of each, none: all are of one."""
        self._messages = messages
        self._highest_floor = partial(_highest_floor, languages or (len(messages),))
        self._floors: WeakKeyDictionary[SiteIndex, dict[str, _Floor]] = WeakKeyDictionary()
        self._computing: dict[tuple[int, str, int], asyncio.Task[float]] = {}
        """Running computations by index, pool and scorer; each task keeps its index, so that no id is used twice."""

    @classmethod
    async def open(cls, encoder: Encoder) -> AffinityFloors:
        """Encode the small talk; a sentence of which the model knows no word meets nobody, and counts for nothing."""
        await asyncio.to_thread(prepare)
        messages: list[Query] = []
        languages = []
        for sentences in measured_sentences():
            units = [comparable(split(text).texts(text), partial(unknown_words, encoder)) for text in sentences]
            known = [texts for of_sentence in units if (texts := [text for text in of_sentence if text])]
            vectors = await encoder.encode([text for texts in known for text in texts], priority=Priority.PROFILE)
            ends = list(accumulate(map(len, known), initial=0))
            messages += [
                Query(vectors[start:end], [stems(text) for text in texts])
                for texts, (start, end) in zip(known, pairwise(ends), strict=True)
            ]
            languages.append(len(known))
        return cls(messages, languages)

    async def close(self) -> None:
        """Cancel the running computations."""
        for task in tuple(self._computing.values()):
            await cancel_and_wait(task)

    async def of(self, index: SiteIndex, pool: str) -> float:
        """Return the floor of a pool for its roster as it is now, or was a short time ago.

        After a small change of the roster it returns the old floor while the new one is computed; after a change of a
        tenth of the agents, or of the scorer, it waits for the new floor.
        """
        floor = self._floors.setdefault(index, {}).get(pool)
        if floor is not None and floor.scorer is index.scorer_of(pool):
            changed = index.changes - floor.changes
            if not changed:
                return floor.value
            if changed < MUCH * len(index):
                if time.monotonic() >= floor.renew_at:
                    self._start(index, pool)
                return floor.value
        return await asyncio.shield(self._start(index, pool))

    def forget(self, index: SiteIndex, pool: str) -> None:
        """Forget the floor of a pool that was removed."""
        self._floors.get(index, {}).pop(pool, None)

    def _start(self, index: SiteIndex, pool: str) -> asyncio.Task[float]:
        """Return the task that computes a floor: a running one, or a new one."""
        key = (id(index), pool, id(index.scorer_of(pool)))
        task = self._computing.get(key)
        if task is None:
            task = self._computing[key] = asyncio.create_task(self._compute(index, pool))
            task.add_done_callback(lambda _: self._computing.pop(key))
        return task

    async def _compute(self, index: SiteIndex, pool: str) -> float:
        changes, scorer, started = index.changes, index.scorer_of(pool), time.monotonic()
        value = self._highest_floor(await asyncio.to_thread(index.best_affinities, self._messages, pool))
        now = time.monotonic()
        self._floors.setdefault(index, {})[pool] = _Floor(value, changes, scorer, now + PAUSE * (now - started))
        log.debug("floor computed", pool=pool, floor=round(value, 4), agents=len(index))
        return value


def _highest_floor(languages: Sequence[int], best: NDArray[np.float64]) -> float:
    """Return the highest floor of all languages, since a message does not say which one it is in.

    languages: how many of the best affinities are of each, in their order.
    """
    return max(floor_of(best[start:end]) for start, end in pairwise(accumulate(languages, initial=0)))
