"""Site labels of metrics: the busiest sites by their names, all others together as `other`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

OTHER: Final = "other"
"""The label of every site that is not among the busiest; a site whose id is `other` is counted with them."""
MOST_NAMED: Final = 20
COUNTED_AT_ONCE: Final = 1_000
"""After this number of routes the busiest sites are chosen again and counts are halved: an hour ago counts little."""
AHEAD: Final = 2
"""An unnamed site replaces a named one when it has this many times the named site's routes: labels that came and went
between two sites of the same size would tear the series of both."""


class SiteMeasure(NamedTuple):
    """What is measured of one site now."""

    site: str
    agents: int
    """Agents in the index."""
    silent_seconds: float
    """Since the follower of the site's streams has last heard from the store."""
    waiting: Mapping[str, int]
    """Contacts in the queue, by pool; each pool of the site is named."""


class SiteLabels:
    """Names of the sites that have series of their own. The labels are bounded, however many sites there are."""

    def __init__(self, most: int = MOST_NAMED, on_drop: Callable[[str], None] = lambda _: None) -> None:
        """most: sites with a name. on_drop: called with each site that loses its name; its series end."""
        self._most = most
        self._on_drop = on_drop
        self._named: set[str] = set()
        self._routes: dict[str, int] = {}
        self._counted = 0

    def of(self, site: str) -> str:
        """Return the label of a site; while there is a place, a new site is named."""
        if site in self._named:
            return site
        if len(self._named) < self._most and site and site != OTHER:
            self._named.add(site)
            return site
        return OTHER

    def routed(self, site: str) -> str:
        """Count a route of a site, by which the busiest are known; return its label."""
        self._routes[site] = self._routes.get(site, 0) + 1
        self._counted += 1
        if self._counted >= COUNTED_AT_ONCE:
            self._choose()
        return self.of(site)

    def forget(self, site: str) -> None:
        """End the series of a site that is not followed any more, and give its place to another."""
        self._routes.pop(site, None)
        if site in self._named:
            self._drop(site)

    def _choose(self) -> None:
        self._counted = 0
        candidates = sorted(
            (site for site in self._routes if site not in self._named and site != OTHER),
            key=lambda site: self._routes[site],
            reverse=True,
        )
        for site in candidates[: self._most]:
            least = min(self._named, key=self._count, default=None)
            if least is None or self._count(site) < max(1, AHEAD * self._count(least)):
                break
            self._drop(least)
            self._named.add(site)
        self._routes = {site: count // 2 for site, count in self._routes.items() if count > 1}

    def _count(self, site: str) -> int:
        return self._routes.get(site, 0)

    def _drop(self, site: str) -> None:
        self._named.discard(site)
        self._on_drop(site)
