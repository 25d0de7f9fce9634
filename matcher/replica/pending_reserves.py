"""Pending reserves: the calls of this process that the store has not answered, counted by their first candidate."""

from __future__ import annotations

from collections.abc import Collection


class PendingReserves:
    """Know which agents the pending reserves are likely to get, so that other reserves name other agents first.

    Messages without an affinity all rank the least utilized agent first. The encoder finishes a batch of them at one
    moment, and if others get all its candidates, a reserve has to be sent again.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    @property
    def agents(self) -> Collection[str]:
        """Return the first candidates of the pending reserves."""
        return self._counts.keys()

    def begin(self, agent: str) -> None:
        """Note a reserve that is about to be sent, by its first candidate."""
        self._counts[agent] = self._counts.get(agent, 0) + 1

    def end(self, agent: str) -> None:
        """Note that a reserve was answered or cancelled."""
        left = self._counts[agent] - 1
        if left:
            self._counts[agent] = left
        else:
            del self._counts[agent]
