"""Cache of a site's views: one for each pool and channel that requests name."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import ABSENT, Attribute, Attributes
from matcher.index.vector_table import ProjectedVectors
from matcher.index.view import View

MOST_VIEWS: Final = 256
"""Views kept; the least recently used is evicted first, and built again when a request needs it."""

MOST_KEYED: Final = 4096
"""Distinct attributes whose view keys are kept."""


class ViewKey(NamedTuple):
    """Names a view: the available agents of a pool for a channel, or all that serve it (channel None: any)."""

    pool: str
    channel: str | None
    all_agents: bool


EVERYBODY: Final = ViewKey("", None, all_agents=True)
"""Names the view of all agents of all pools; no pool has an empty id. Its vectors are those of the default scorer."""


class ViewCache:
    """Build views at first use, and update them with every change of an agent."""

    def __init__(self, agents: AgentTable, dimension: int) -> None:
        self._agents = agents
        self._dimension = dimension
        self._views: OrderedDict[ViewKey, View] = OrderedDict()
        self._keys: dict[int, tuple[Attributes, tuple[ViewKey, ...]]] = {}
        self._servers: Counter[tuple[str, str]] = Counter()
        """By pool and channel: agents of the pool that serve the channel."""

    def __len__(self) -> int:
        return len(self._views)

    def get(self, key: ViewKey, vectors: ProjectedVectors) -> View:
        """Return a view that is valid until the next change; the cache keeps it up to date unless it is evicted.

        vectors: the interests as the pool's scorer projects them; before they change, the caller calls `evict_pool`.
        """
        view = self._views.get(key)
        if view is not None:
            self._views.move_to_end(key)
            return view
        view = View(vectors, self._dimension)
        if key.channel is not None and not self._servers[key.pool, key.channel]:
            return view  # no agent serves it: not kept, so that callers cannot evict the other views
        agents, rows = self._agents, self._agents.rows_in_use()
        if len(rows):
            everybody = np.ones(len(rows), np.bool_)
            member = everybody if key is EVERYBODY else agents.values(rows, Attribute.POOL, key.pool) > 0
            if key.channel is not None:
                member &= agents.values(rows, Attribute.COST, key.channel) != ABSENT
                if not key.all_agents:
                    member &= agents.online(rows) & agents.have_capacity(rows, key.channel)
            rows = rows[member]
        view.fill(rows, [agents.interests[row] for row in rows.tolist()])
        self._views[key] = view
        if len(self._views) > MOST_VIEWS:
            self._views.popitem(last=False)
        return view

    def evict(self, key: ViewKey) -> None:
        """Drop a view."""
        self._views.pop(key, None)

    def evict_pool(self, pool: str) -> None:
        """Drop all views of a pool."""
        for key in [key for key in self._views if key.pool == pool]:
            del self._views[key]

    def register(self, row: int) -> None:
        """Count an agent whose pools and channels are new here, and add the agent to the views it belongs to."""
        self._count(row, 1)
        self.refresh(row)

    def unregister(self, row: int) -> None:
        """Forget an agent's pools and channels, and drop the agent from all views."""
        self._count(row, -1)
        for key in self._keys_of(row):
            view = self._views.get(key)
            if view is not None and row in view:
                view.drop(row)

    def refresh(self, row: int) -> None:
        """Bring the views up to date with an agent's status and load."""
        for key in self._keys_of(row):
            view = self._views.get(key)
            if view is None:
                continue
            member = key.all_agents or (key.channel is not None and self._agents.is_available(row, key.channel))
            if member and row not in view:
                view.add(row, self._agents.interests[row])
            elif not member and row in view:
                view.drop(row)

    def _keys_of(self, row: int) -> tuple[ViewKey, ...]:
        """Return the keys of all views that an agent can be a member of."""
        attributes = self._agents.attribute_table[int(self._agents.attributes[row])]
        kept = self._keys.get(id(attributes))
        if kept is None or kept[0] is not attributes:
            if len(self._keys) >= MOST_KEYED:
                self._keys.clear()
            kept = self._keys[id(attributes)] = (attributes, tuple(_keys_for(attributes)))
        return kept[1]

    def _count(self, row: int, change: int) -> None:
        attributes = self._agents.attribute_table[int(self._agents.attributes[row])]
        for pool in attributes.pools:
            for channel in attributes.channels:
                self._servers[pool, channel] += change
                if not self._servers[pool, channel]:
                    del self._servers[pool, channel]


def _keys_for(attributes: Attributes) -> Iterator[ViewKey]:
    yield EVERYBODY
    for pool in attributes.pools:
        yield ViewKey(pool, None, all_agents=True)
        for channel in attributes.channels:
            yield ViewKey(pool, channel, all_agents=False)
            yield ViewKey(pool, channel, all_agents=True)
