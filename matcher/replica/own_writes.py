"""Own writes: the agents that this process wrote or removed, until the events of these writes have been read."""

from __future__ import annotations

from typing import NamedTuple

from matcher.index import SiteIndex


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
