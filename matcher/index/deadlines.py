"""Deadlines of holds, in a heap: which hold expires next."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

from matcher.model import Hold

Holds = Mapping[int, Mapping[str, Hold]]
"""The live holds: row of the agent → reservation → hold."""

_STALE: Final = 64


class Deadlines:
    """Order the holds by deadline; an entry whose hold was removed or got another deadline is ignored when popped."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._heap: list[tuple[int, int, str]] = []

    def push(self, row: int, hold: Hold, live_holds: int) -> None:
        """Add a hold; stale entries are dropped when there are more than 2 x `live_holds` + 64 entries."""
        if len(self._heap) > 2 * live_holds + _STALE:
            self._heap = [
                (live.deadline_ms, owner, live.reservation)
                for owner, holds in self._holds.items()
                for live in holds.values()
            ]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (hold.deadline_ms, row, hold.reservation))

    def next(self) -> int | None:
        """Return the earliest deadline of a live hold."""
        while self._heap:
            deadline, row, reservation = self._heap[0]
            if self._is_live(deadline, row, reservation):
                return deadline
            heapq.heappop(self._heap)
        return None

    def pop_passed(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Pop the holds whose deadline is `now_ms` or earlier, as (row, reservation), the earliest first."""
        while self._heap and self._heap[0][0] <= now_ms:
            deadline, row, reservation = heapq.heappop(self._heap)
            if self._is_live(deadline, row, reservation):
                yield row, reservation

    def _is_live(self, deadline: int, row: int, reservation: str) -> bool:
        hold = self._holds.get(row, {}).get(reservation)
        return hold is not None and hold.deadline_ms == deadline
