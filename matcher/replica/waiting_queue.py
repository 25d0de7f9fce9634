"""Who waits at a site, as this process knows it: order, places, pace. Nothing of what they wrote."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Final

from matcher.model import Queued
from matcher.model.lifecycle import ContactState
from matcher.store.change_stream import ContactStepped
from matcher.store.contacts import QueuePlace

PACE_STEPS: Final = 32
PACE_MS: Final = 600_000
"""The pace is that of the last 32 contacts served, of those of the last ten minutes."""


class WaitingQueue:
    """Keep the queue of a site in order; a contact's place is its beginning less its pool's head start."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        """Set when somebody came, or something changed that may let somebody be served."""
        self._waiting: dict[str, QueuePlace] = {}
        self._lines: dict[str, list[tuple[int, str]]] = {}
        self._served: dict[str, deque[int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[QueuePlace]:
        """Go through those who wait, the first to be served first."""
        return (self._waiting[contact] for _, contact in merge(*self._lines.values()))

    def __contains__(self, contact: str) -> bool:
        return contact in self._waiting

    def reset(self, queue: Iterable[QueuePlace]) -> None:
        """Begin anew with those who wait."""
        self._waiting.clear()
        self._lines.clear()
        for one in queue:
            self._enter(one)
        self.stirred.set()

    def stir(self) -> None:
        """Note that something changed that may let somebody be served."""
        if self._waiting:
            self.stirred.set()

    def enter(self, contact: str, pool: str, score: int, sequence: int = 0) -> None:
        """Let a contact wait."""
        self._enter(QueuePlace(contact, pool, score, sequence))
        self.stirred.set()

    def leave(self, contact: str) -> QueuePlace | None:
        """Let a contact go; return its place."""
        place = self._waiting.pop(contact, None)
        if place is not None:
            line = self._lines[place.pool]
            del line[bisect_left(line, (place.score, contact))]
            if not line:
                del self._lines[place.pool]
        return place

    def take_in(self, change: ContactStepped) -> None:
        """Take in a step of a contact's life."""
        event = change.event
        if change.score is not None:
            self.enter(event.contact, event.pool, change.score, event.sequence)
            return
        if event.state in (ContactState.RESERVED, ContactState.ASSIGNED):
            self.serve(event.contact, event.at_ms)
        else:
            self.leave(event.contact)

    def serve(self, contact: str, at_ms: int) -> None:
        """Let a contact go to an agent: by that the pace is measured."""
        place = self.leave(contact)
        if place is not None:
            self._served.setdefault(place.pool, deque(maxlen=PACE_STEPS)).append(at_ms)

    def counts(self) -> dict[str, int]:
        """Return how many wait, by pool."""
        return {pool: len(line) for pool, line in self._lines.items()}

    def place(self, contact: str, pool: str, score: int, waits_until_ms: int, now_ms: int) -> Queued:
        """Return a contact's place in its pool: how many are before it, and how long that may take at today's pace."""
        position = bisect_left(self._lines.get(pool, []), (score, contact)) + 1
        served = [at for at in self._served.get(pool, ()) if at > now_ms - PACE_MS]
        pace = (now_ms - served[0]) / len(served) if len(served) > 1 else None
        return Queued(position, None if pace is None else round(position * pace), waits_until_ms)

    def place_of(self, contact: str, waits_until_ms: int, now_ms: int) -> Queued | None:
        """Return the place of a contact, None where it does not wait as far as is known here."""
        one = self._waiting.get(contact)
        return None if one is None else self.place(contact, one.pool, one.score, waits_until_ms, now_ms)

    def _enter(self, one: QueuePlace) -> None:
        self.leave(one.contact)
        self._waiting[one.contact] = one
        insort(self._lines.setdefault(one.pool, []), (one.score, one.contact))
