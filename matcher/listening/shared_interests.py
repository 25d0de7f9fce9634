"""Shared interests: which agents of a site share which entries, kept current with the roster."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.language import language_of
from matcher.listening.hearing import Hearing
from matcher.model import Agent, Constraint, Requirements

AT_ONCE: Final = 50
"""Agents whose interests are compared before the thread lets others run."""


class Roster(Protocol):
    """The agents of a site, as the index has them."""

    @property
    def changes(self) -> int:
        """Return the number of profiles added or replaced so far."""

    def ids(self) -> list[str]:
        """Return the ids of all agents."""

    def agent(self, agent: str) -> Agent | None:
        """Return an agent."""

    def interests(self, agent: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Return an agent's interests and their vectors."""

    def unmet(self, agent: str, requirements: Requirements) -> list[Constraint] | None:
        """Return the constraints that an agent does not meet; None: there is no such agent."""


class SharedInterests:
    """Know which agents share an entry. `sharing` is called on the event loop, and never waits."""

    def __init__(self, hearing: Hearing, roster: Roster) -> None:
        self.hearing = hearing
        self.roster = roster
        self._entries: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {}
        """The interests of each agent, and the entries that they are."""
        self._agents: Mapping[int, tuple[str, ...]] = {}
        self._changes = -1
        self._updating: asyncio.Task[None] | None = None

    def sharing(self, entry: int) -> Sequence[str]:
        """Return the agents who share an entry, by its number, in whatever pool; as of a moment ago."""
        if self._changes != self.roster.changes and self._updating is None:
            self._updating = asyncio.create_task(self.update())
        return self._agents.get(entry, ())

    async def update(self) -> None:
        """Compare the interests of new and changed agents, off the event loop."""
        try:
            changes = self.roster.changes
            ids = self.roster.ids()
            for begin in range(0, len(ids), AT_ONCE):
                await asyncio.to_thread(self._compare, ids[begin : begin + AT_ONCE])
            self._agents = self._by_entry(set(ids))
            self._changes = changes
        finally:
            self._updating = None

    def of_pool(self, pool: str) -> dict[str, list[str]]:
        """Return the agents of a pool who share each entry, by the entry's key."""
        found = dict[str, list[str]]()
        for number, agents in self._agents.items():
            known = [(name, self.roster.agent(name)) for name in agents]
            in_pool = [name for name, agent in known if agent is not None and pool in agent.profile.pools]
            if in_pool:
                found[self.hearing.entry(number).key] = in_pool
        return found

    def _compare(self, agents: Sequence[str]) -> None:
        for agent in agents:
            texts, vectors = self.roster.interests(agent)
            before = self._entries.get(agent)
            if before is None or before[0] != texts:
                numbers = set[int]()
                for place, text in enumerate(texts):
                    row = vectors[place : place + 1]
                    numbers |= self.hearing.stated(text, row, language_of(text, ""))
                self._entries[agent] = texts, tuple(sorted(numbers))

    def _by_entry(self, agents: set[str]) -> Mapping[int, tuple[str, ...]]:
        found = defaultdict[int, list[str]](list)
        for agent in sorted(self._entries.keys() - agents):
            del self._entries[agent]
        for agent, (_, numbers) in self._entries.items():
            for number in numbers:
                found[number].append(agent)
        return {number: tuple(names) for number, names in found.items()}
