"""The views of a site: one for each pool and channel that is asked for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import NOT_TAKEN, Attribute, Attributes
from matcher.index.vector_table import ProjectedVectors
from matcher.index.view import View

MOST_VIEWS: Final = 256
"""Views kept; the one used longest ago is given up first, and built anew when it is asked for."""


MOST_NAMED: Final = 4096
"""Distinct traits whose views are named beforehand."""


class ViewKey(NamedTuple):
    """What a view shows: who has room for a channel of a pool, or everybody who takes it (None: any channel)."""

    pool: str
    channel: str | None
    everybody: bool


class ViewCache:
    """Build views at first use, and keep them true change by change."""

    def __init__(self, people: AgentTable, dimension: int) -> None:
        self._people = people
        self._dimension = dimension
        self._views: OrderedDict[ViewKey, View] = OrderedDict()
        self._named: dict[int, tuple[Attributes, tuple[ViewKey, ...]]] = {}
        self._takers: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._views)

    def get(self, shown: ViewKey, lines: ProjectedVectors) -> View:
        """Return a view that is true until the next change, and kept true afterwards unless it is given up.

        lines: the rows as the pool's scorer compares them; when that changes, `give_up_pool` comes first.
        """
        view = self._views.get(shown)
        if view is not None:
            self._views.move_to_end(shown)
            return view
        view = View(lines, self._dimension)
        if shown.channel is not None and not self._takers[shown.pool, shown.channel]:
            return view  # nobody ever takes it: not kept, so that callers cannot push out the others
        people, slots = self._people, self._people.present()
        if len(slots):
            wanted = people.answers(slots, Attribute.POOL, shown.pool) > 0
            if shown.channel is not None:
                wanted &= people.answers(slots, Attribute.COST, shown.channel) != NOT_TAKEN
                if not shown.everybody:
                    wanted &= people.online(slots) & people.have_room(slots, shown.channel)
            slots = slots[wanted]
        view.fill(slots, [people.rows[slot] for slot in slots.tolist()])
        self._views[shown] = view
        if len(self._views) > MOST_VIEWS:
            self._views.popitem(last=False)
        return view

    def give_up(self, shown: ViewKey) -> None:
        """Keep a view no longer."""
        self._views.pop(shown, None)

    def give_up_pool(self, pool: str) -> None:
        """Keep no view of a pool any longer."""
        for shown in [shown for shown in self._views if shown.pool == pool]:
            del self._views[shown]

    def register(self, slot: int) -> None:
        """Count an agent whose pools and channels are new here, and show them where they belong."""
        self._count(slot, 1)
        self.refresh(slot)

    def unregister(self, slot: int) -> None:
        """Forget an agent's pools and channels, and show them nowhere."""
        self._count(slot, -1)
        for shown in self._of(slot):
            view = self._views.get(shown)
            if view is not None and slot in view:
                view.drop(slot)

    def refresh(self, slot: int) -> None:
        """Bring the views up to date with an agent's status and load."""
        for shown in self._of(slot):
            view = self._views.get(shown)
            if view is None:
                continue
            wanted = shown.everybody or (shown.channel is not None and self._people.takes(slot, shown.channel))
            if wanted and slot not in view:
                view.add(slot, self._people.rows[slot])
            elif not wanted and slot in view:
                view.drop(slot)

    def _of(self, slot: int) -> tuple[ViewKey, ...]:
        """Name every view that an agent can be in."""
        traits = self._people.traits[int(self._people.trait[slot])]
        named = self._named.get(id(traits))
        if named is None or named[0] is not traits:
            if len(self._named) >= MOST_NAMED:
                self._named.clear()
            named = self._named[id(traits)] = (traits, tuple(_shown_to(traits)))
        return named[1]

    def _count(self, slot: int, change: int) -> None:
        traits = self._people.traits[int(self._people.trait[slot])]
        for pool in traits.pools:
            for channel in traits.channels:
                self._takers[pool, channel] += change
                if not self._takers[pool, channel]:
                    del self._takers[pool, channel]


def _shown_to(traits: Attributes) -> Iterator[ViewKey]:
    for pool in traits.pools:
        yield ViewKey(pool, None, everybody=True)
        for channel in traits.channels:
            yield ViewKey(pool, channel, everybody=False)
            yield ViewKey(pool, channel, everybody=True)
