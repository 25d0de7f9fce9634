"""What this process wrote of a site's agents, until the events of it come round."""

from __future__ import annotations

from matcher.index import SiteIndex


class OwnWrites:
    """Keep the versions of own writes whose events have not come round."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        """-version: removed at that one."""

    def put(self, agent: str, version: int) -> None:
        """Note that an agent was written."""
        self._versions[agent] = version

    def removed(self, agent: str, version: int) -> None:
        """Note that an agent was removed at a version."""
        self._versions[agent] = -version

    def heard_of(self, agent: str, version: int) -> None:
        """Forget a write whose event has come round; a removal's has its time in microseconds, as versions are."""
        own = self._versions.get(agent, 0)
        if 0 < own <= version or version > -own > 0:
            del self._versions[agent]

    def known_to(self, index: SiteIndex) -> bool:
        """Tell whether an index has the agents as they were written, or newer, and those gone who were removed."""
        for agent, version in self._versions.items():
            known = index.agent(agent)
            if version > 0 and (known is None or known.version < version):
                return False
            if version < 0 and known is not None and known.version <= -version:
                return False
        return True
