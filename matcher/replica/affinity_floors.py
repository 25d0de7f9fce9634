"""The affinity floor of each pool: what small talk reaches against the pool's own roster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from importlib import resources
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import structlog

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.affinity.sentences import split
from matcher.aio import cancel_and_wait
from matcher.encoder import Encoder, Priority
from matcher.index import Query, SiteIndex
from matcher.ranking.policy import floor_of

log = structlog.get_logger(__name__)

MUCH: Final = 0.1
"""The share of a site's agents that must have come, gone or changed for a floor to be computed before it is used."""

PAUSE: Final = 20
"""A floor that is current enough rests this many times as long as it took to compute."""


def small_talk() -> list[str]:
    """Return messages that say nothing of a person, one a line of the packaged file."""
    lines = (resources.files("matcher") / "small_talk.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line.strip()]


class _Known(NamedTuple):
    """A floor, and by what it was computed."""

    changes: int
    scorer: Scorer
    floor: float


class AffinityFloors:
    """Compute floors when they are first asked for, and anew when the roster or the pool's scorer has changed."""

    def __init__(self, messages: Sequence[Query]) -> None:
        self._messages = messages
        self._known: WeakKeyDictionary[SiteIndex, dict[str, _Known]] = WeakKeyDictionary()
        self._next: dict[tuple[int, str], float] = {}
        self._computing: dict[tuple[int, str, int], asyncio.Task[float]] = {}

    @classmethod
    async def open(cls, encoder: Encoder) -> AffinityFloors:
        """Encode the small talk."""
        messages = []
        for text in small_talk():
            units = split(text).texts(text)
            vectors = await encoder.encode(units, priority=Priority.PROFILE)
            messages.append(Query(vectors, [stems(unit) for unit in units]))
        return cls(messages)

    async def close(self) -> None:
        """Stop computing."""
        for task in tuple(self._computing.values()):
            await cancel_and_wait(task)

    async def of(self, index: SiteIndex, pool: str) -> float:
        """Return the floor of a pool by its roster as it is, or was shortly ago.

        A roster that changed a little answers with the old floor while the new one is computed; one that changed by
        a tenth, or another scorer, waits for it.
        """
        known = self._known.setdefault(index, {}).get(pool)
        if known is not None and known.scorer is index.scorer_of(pool):
            changed = index.changes - known.changes
            if not changed:
                return known.floor
            if changed < MUCH * len(index):
                if time.monotonic() >= self._next.get((id(index), pool), 0.0):
                    self._compute(index, pool)
                return known.floor
        return await asyncio.shield(self._compute(index, pool))

    def _compute(self, index: SiteIndex, pool: str) -> asyncio.Task[float]:
        key = (id(index), pool, id(index.scorer_of(pool)))
        task = self._computing.get(key)
        if task is None:
            task = self._computing[key] = asyncio.create_task(self._computed(index, pool))
            task.add_done_callback(lambda _: self._computing.pop(key))
        return task

    async def _computed(self, index: SiteIndex, pool: str) -> float:
        changes, scorer, started = index.changes, index.scorer_of(pool), time.monotonic()
        value = floor_of(await asyncio.to_thread(index.best_affinities, self._messages, pool))
        self._known.setdefault(index, {})[pool] = _Known(changes, scorer, value)
        now = time.monotonic()
        self._next[(id(index), pool)] = now + PAUSE * (now - started)
        log.debug("floor computed", pool=pool, floor=round(value, 4), agents=len(index))
        return value
