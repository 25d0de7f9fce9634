"""Own writes: the agents that this process wrote or removed, until the events of these writes have been read."""

from __future__ import annotations

from typing import Final, NamedTuple

from matcher.index import SiteIndex

LONGEST_WRITE_MS: Final = 600_000
"""No call that writes an agent lasts longer: to encode the largest frame of an import takes a minute."""


class _Write(NamedTuple):
    """The version that an agent was written with, or that it was removed at."""

    version: int
    removed: bool


class OwnWrites:
    """Keep the latest own write of each agent until its event has been read."""

    def __init__(self) -> None:
        self._writes: dict[str, _Write] = {}

    def add(self, agent: str, version: int) -> None:
        """Note that this process wrote an agent."""
        self._writes[agent] = _Write(version, removed=False)

    def add_removal(self, agent: str, version: int) -> None:
        """Note that this process removed an agent at a version."""
        self._writes[agent] = _Write(version, removed=True)

    def confirm(self, agent: str, version: int) -> None:
        """Forget a write whose event has been read.

        version: of the event; the event of a removal has its time in microseconds, as versions are.
        """
        own = self._writes.get(agent)
        if own is not None and (version > own.version or (version == own.version and not own.removed)):
            del self._writes[agent]

    def known_to(self, index: SiteIndex) -> bool:
        """Return whether an index has each agent as it was written, or newer, and none that was removed."""
        for agent, write in self._writes.items():
            known = index.agent(agent)
            if write.removed and known is not None and known.version <= write.version:
                return False
            if not write.removed and (known is None or known.version < write.version):
                return False
        return True


class Removals:
    """Keep when agents were removed, so that an own write from before does not bring an agent back."""

    def __init__(self) -> None:
        self._removed_ms: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._removed_ms)

    def add(self, agent: str, at_ms: int) -> None:
        """Note that an agent was removed; forget those that no write under way can be older than."""
        self._removed_ms.pop(agent, None)
        self._removed_ms[agent] = at_ms
        while next(iter(self._removed_ms.values())) < at_ms - LONGEST_WRITE_MS:
            del self._removed_ms[next(iter(self._removed_ms))]

    def followed(self, agent: str, written_ms: int) -> bool:
        """Return whether an agent was removed after a write."""
        return self._removed_ms.get(agent, 0) >= written_ms
