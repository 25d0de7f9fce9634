"""The claims of this process that the store has not answered yet, by whom each is likely to get."""

from __future__ import annotations

from collections.abc import Collection


class PendingClaims:
    """Know whom claims under way are likely to take, so that those made at the same moment ask for somebody else.

    Messages that say nothing to go by all want the longest idle. A batch of them leaves the encoder together, and
    whoever asks for agents that the others get has to ask again.
    """

    def __init__(self) -> None:
        self._claims: dict[str, int] = {}

    @property
    def agents(self) -> Collection[str]:
        """Return whom claims under way are likely to take."""
        return self._claims.keys()

    def begin(self, agent: str) -> None:
        """Note a claim that is about to be made, and its first choice."""
        self._claims[agent] = self._claims.get(agent, 0) + 1

    def end(self, agent: str) -> None:
        """Note that a claim was answered, or given up."""
        left = self._claims[agent] - 1
        if left:
            self._claims[agent] = left
        else:
            del self._claims[agent]
