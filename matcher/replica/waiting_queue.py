"""Waiting queue of a site in memory: the order of its contacts, their places and the pace. It has no message text."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Final

from matcher.model import Queued, Requirements
from matcher.model.lifecycle import ContactState
from matcher.store.change_stream import ContactStepped, PlaceRepaired
from matcher.store.contacts import QueuePlace

PACE_CONTACTS: Final = 32
PACE_MS: Final = 600_000
"""The pace is measured over the last 32 contacts that left for an agent, those of the last ten minutes."""

SPARE: Final = 256


TOLD_MS: Final = 1_000
"""How long the places that watchers are told stay as they were computed."""


@dataclass(frozen=True, slots=True)
class _Told:
    """The places of a pool's contacts at one time."""

    at_ms: int
    positions: Mapping[str, int]
    pace: float | None

    def holds(self, now_ms: int) -> bool:
        """Return whether the places are told at this time; not where the store's clock was set back."""
        return 0 <= now_ms - self.at_ms < TOLD_MS


class WaitingQueue:
    """Keep the contacts of a site that wait, in order.

    A contact's score is the time of its beginning (ms) minus its pool's head start; the lowest score is served first.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        """Set when a contact entered, or when another change may allow a waiting contact to be offered."""
        self._waiting: dict[str, QueuePlace] = {}
        self._by_pool: dict[str, list[tuple[int, str]]] = {}
        """Scores and contacts of each pool, ascending."""
        self._served_ms: dict[str, deque[int]] = {}
        self._required: dict[str, Requirements] = {}
        """What the contacts require whose messages this process has read."""
        self._freed: dict[str, int] = {}
        self._told: dict[str, _Told] = {}
        self.told_computed = 0
        """How often the places of a pool were computed for watchers."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[QueuePlace]:
        """Iterate over the contacts in the order in which they are served."""
        return (self._waiting[contact] for _, contact in merge(*self._by_pool.values()))

    def __contains__(self, contact: str) -> bool:
        return contact in self._waiting

    def reset(self, queue: Iterable[QueuePlace]) -> None:
        """Replace all contacts by those of a snapshot."""
        self._waiting.clear()
        self._by_pool.clear()
        self._told.clear()
        self._required.clear()
        for place in queue:
            self._enter(place)
        self.changed.set()

    def notify(self) -> None:
        """Note a change that may allow a waiting contact to be offered."""
        if self._waiting:
            self.changed.set()

    def note_free(self, agent: str, at_ms: int) -> None:
        """Note an agent that may have become free for a waiting contact, and when (ms)."""
        if self._waiting:
            self._freed[agent] = at_ms
            self.changed.set()

    def pop_freed(self) -> dict[str, int]:
        """Return the agents that may have become free for a waiting contact since the last call, and when (ms)."""
        freed, self._freed = self._freed, {}
        return freed

    def enter(self, contact: str, pool: str, score: int, sequence: int = 0) -> None:
        """Add a contact."""
        self._enter(QueuePlace(contact, pool, score, sequence))
        self.changed.set()

    def note_required(self, contact: str, requirements: Requirements) -> None:
        """Note what a contact requires that waits, or is about to: the queue has no message."""
        self._required[contact] = requirements
        if len(self._required) > 2 * len(self._waiting) + SPARE:
            # A contact that left before this was noted would be kept for ever.
            self._required = {held: self._required[held] for held in self._waiting if held in self._required}

    def required(self, contact: str) -> Requirements | None:
        """Return what a contact requires from its beginning, None where this process has not read its message."""
        return self._required.get(contact)

    def leave(self, contact: str) -> QueuePlace | None:
        """Remove a contact; return its place, None if it did not wait."""
        self._required.pop(contact, None)
        return self._remove(contact)

    def _remove(self, contact: str) -> QueuePlace | None:
        place = self._waiting.pop(contact, None)
        if place is not None:
            order = self._by_pool[place.pool]
            del order[bisect_left(order, (place.score, contact))]
            if not order:
                del self._by_pool[place.pool]
        return place

    def apply(self, change: ContactStepped) -> None:
        """Apply an event of a contact."""
        event = change.event
        if change.score is not None:
            self.enter(event.contact, event.pool, change.score, event.sequence)
            return
        if event.state in (ContactState.RESERVED, ContactState.ASSIGNED):
            self.serve(event.contact, event.at_ms)
        else:
            self.leave(event.contact)

    def repair(self, change: PlaceRepaired) -> None:
        """Apply a repair of the store's queue."""
        if change.score is None:
            self.leave(change.contact)
        else:
            self.enter(change.contact, change.pool, change.score)

    def serve(self, contact: str, at_ms: int) -> None:
        """Remove a contact that leaves for an agent: the pace is measured by these."""
        place = self.leave(contact)
        if place is not None:
            self._served_ms.setdefault(place.pool, deque(maxlen=PACE_CONTACTS)).append(at_ms)

    def counts(self) -> dict[str, int]:
        """Return how many contacts wait, by pool."""
        return {pool: len(order) for pool, order in self._by_pool.items()}

    def place(
        self, contact: str, pool: str, score: int, waits_until_ms: int, now_ms: int, *, served: bool = True
    ) -> Queued:
        """Return a contact's position in its pool, and how long it will probably wait at the current pace.

        served: whether an agent who could take it is ONLINE; the pace of before says nothing where none is.
        """
        position = bisect_left(self._by_pool.get(pool, []), (score, contact)) + 1
        return _queued(position, self._pace(pool, now_ms) if served else None, waits_until_ms)

    def place_of(self, contact: str, waits_until_ms: int, now_ms: int, *, served: bool = True) -> Queued | None:
        """Return the place of a contact, None where it does not wait as far as this process knows."""
        place = self._waiting.get(contact)
        if place is None:
            return None
        return self.place(contact, place.pool, place.score, waits_until_ms, now_ms, served=served)

    def told_place_of(self, contact: str, waits_until_ms: int, now_ms: int, *, served: bool = True) -> Queued | None:
        """Return the place of a contact as of this second: the watchers of a pool's contacts share one computation.

        None where the contact does not wait, or came to the queue since the places were computed: ask a second later.
        """
        place = self._waiting.get(contact)
        if place is None:
            return None
        told = self._told.get(place.pool)
        if told is None or not told.holds(now_ms):
            self.told_computed += 1
            positions = {waiting: number for number, (_, waiting) in enumerate(self._by_pool[place.pool], 1)}
            told = _Told(now_ms, positions, self._pace(place.pool, now_ms))
            self._told = {pool: kept for pool, kept in self._told.items() if kept.holds(now_ms)} | {place.pool: told}
        position = told.positions.get(contact)
        return None if position is None else _queued(position, told.pace if served else None, waits_until_ms)

    def _pace(self, pool: str, now_ms: int) -> float | None:
        """Return how many ms pass from one contact of a pool that leaves for an agent to the next; None: not known."""
        left_ms = [at for at in self._served_ms.get(pool, ()) if at > now_ms - PACE_MS]
        return (now_ms - left_ms[0]) / len(left_ms) if len(left_ms) > 1 else None

    def _enter(self, place: QueuePlace) -> None:
        self._remove(place.contact)
        self._waiting[place.contact] = place
        insort(self._by_pool.setdefault(place.pool, []), (place.score, place.contact))


def _queued(position: int, pace: float | None, waits_until_ms: int) -> Queued:
    return Queued(position, None if pace is None else round(position * pace), waits_until_ms)
