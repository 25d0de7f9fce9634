"""Deadlines: which hold lapses next."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

from matcher.model import Hold

Holds = Mapping[int, Mapping[str, Hold]]
"""The live holds: slot → reservation → hold."""

_STALE: Final = 64


class Deadlines:
    """Order the holds by deadline; an entry whose hold has gone or moved is passed over when its turn comes."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._heap: list[tuple[int, int, str]] = []

    def push(self, slot: int, hold: Hold, live: int) -> None:
        """Enter a hold; `live` is how many there are, and bounds how many stale entries may lie about."""
        if len(self._heap) > 2 * live + _STALE:
            self._heap = [
                (held.deadline_ms, owner, held.reservation)
                for owner, holds in self._holds.items()
                for held in holds.values()
            ]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (hold.deadline_ms, slot, hold.reservation))

    def next(self) -> int | None:
        """Return the earliest deadline of a live hold."""
        while self._heap:
            deadline, slot, reservation = self._heap[0]
            if self._live(deadline, slot, reservation):
                return deadline
            heapq.heappop(self._heap)
        return None

    def passed(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Take out the holds whose deadline is `now_ms` or earlier, as (slot, reservation), earliest first."""
        while self._heap and self._heap[0][0] <= now_ms:
            deadline, slot, reservation = heapq.heappop(self._heap)
            if self._live(deadline, slot, reservation):
                yield slot, reservation

    def _live(self, deadline: int, slot: int, reservation: str) -> bool:
        hold = self._holds.get(slot, {}).get(reservation)
        return hold is not None and hold.deadline_ms == deadline
