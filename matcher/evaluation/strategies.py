"""Strategies that choose among the free agents: the service's policy, and those it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.scorer import Scores
from matcher.affinity.search_result import SearchResult
from matcher.affinity.sentences import Sentences
from matcher.evaluation.suite import Suite
from matcher.model import Basis
from matcher.ranking.policy import RankingTerms, rank

MS_PER_MINUTE: Final = 60_000.0

REASON_COLUMNS: Final = frozenset({"first", "reason", "strength"})
"""The columns of `Scores` that are not by agent."""


@dataclass(slots=True)
class Staff:
    """The load of the agents and the times since which they are idle, each array [agents]."""

    capacity: int
    ids: list[str]
    position: dict[str, int]
    load: NDArray[np.int64]
    idle_since_ms: NDArray[np.int64]

    @classmethod
    def at_start(cls, suite: Suite, capacity: int) -> Staff:
        """Return the staff at the start of a day: no agent has a conversation, the roster's first is idle longest."""
        agents = len(suite.agents)
        ids = [agent.id for agent in suite.agents]
        position = {agent: number for number, agent in enumerate(ids)}
        return cls(capacity, ids, position, np.zeros(agents, np.int64), np.arange(-agents, 0))

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which agents have free capacity [agents]."""
        return self.load < self.capacity

    def has_free_agent(self) -> bool:
        """Return whether any agent has free capacity."""
        return bool(self.free.any())

    def start(self, agent: int) -> None:
        """Start a conversation."""
        self.load[agent] += 1

    def complete(self, agent: int, minute: float) -> None:
        """End a conversation."""
        self.load[agent] -= 1
        self.idle_since_ms[agent] = round(minute * MS_PER_MINUTE)

    def least_utilized(self) -> int:
        """Return the free agent with the lowest load; ties go to the longest idle, then to the lower id."""
        free = np.flatnonzero(self.free).tolist()
        return int(min(free, key=lambda agent: (self.load[agent], self.idle_since_ms[agent], self.ids[agent])))

    def longest_idle(self) -> int:
        """Return the free agent who is idle longest; ties go to the lower load, then to the lower id."""
        free = np.flatnonzero(self.free)
        since = self.idle_since_ms[free]
        equal = free[since == since.min()].tolist()
        return int(min(equal, key=lambda agent: (self.load[agent], self.ids[agent])))


@dataclass(frozen=True, slots=True)
class Matches:
    """The agents whose interests a message meets, if all agents are free."""

    result: SearchResult
    units: Sentences
    floor: float
    """The floor of the message's language."""
    position: NDArray[np.int64]
    """The positions of `result.agents` in the roster, ascending."""

    @classmethod
    def of(cls, result: SearchResult, units: Sentences, floor: float, suite: Suite) -> Matches:
        """Return the matches of a search; the index must have been filled in the order of the suite's roster."""
        position = result.scores.agent.astype(np.int64)
        assert all(suite.agents[at].id == agent.id for at, agent in zip(position.tolist(), result.agents, strict=True))
        return cls(result, units, floor, position)

    def affinity(self, agent: int) -> float:
        """Return an agent's affinity; 0 where the message meets none of the agent's interests."""
        at = int(np.searchsorted(self.position, agent))
        is_match = at < len(self.position) and self.position[at] == agent
        return float(self.result.scores.affinity[at]) if is_match else 0.0

    def among(self, staff: Staff) -> SearchResult:
        """Return the search result of this moment: the agents with free capacity, with their load and idle time."""
        scores = self.result.scores
        free = staff.free[self.position]
        length = np.diff(scores.first)
        of_free = np.repeat(free, length)
        position = self.position[free]
        by_agent: dict[str, Any] = {
            column.name: getattr(scores, column.name)[free]
            for column in fields(scores)
            if column.name not in REASON_COLUMNS
        }
        return replace(
            self.result,
            scores=Scores(
                **by_agent,
                first=np.concatenate([[0], np.cumsum(length[free])]),
                reason=scores.reason[of_free],
                strength=scores.strength[of_free],
            ),
            agents=self.result.agents[free],
            utilization=staff.load[position] / staff.capacity,
            idle_since_ms=staff.idle_since_ms[position],
            eligible=int(np.count_nonzero(staff.free)),
        )


class Strategy(Protocol):
    """A rule that chooses an agent."""

    @property
    def name(self) -> str:
        """The strategy's name."""

    @property
    def tolerance(self) -> float | None:
        """The difference below which affinities count as equal; None for a strategy without affinity."""

    def choose(self, matches: Matches, staff: Staff) -> int:
        """Return the chosen agent, as a position in the roster; at least one agent must be free."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """The service's policy, `ranking.policy.rank`."""

    tolerance: float

    @property
    def name(self) -> str:
        """The strategy's name."""
        return f"affinity within {self.tolerance:g}" if self.tolerance else "affinity only"

    def choose(self, matches: Matches, staff: Staff) -> int:
        """Return the policy's first candidate, or, below the floor, the least utilized agent."""
        ranking = rank(matches.among(staff), matches.units, RankingTerms(matches.floor, self.tolerance, most=1))
        if ranking.basis is Basis.FALLBACK:
            return staff.least_utilized()
        return staff.position[ranking.candidates[0].agent]


@dataclass(frozen=True, slots=True)
class LongestIdle:
    """The longest idle agent first, as in most contact centers."""

    name: str = "longest idle"
    tolerance: float | None = None

    def choose(self, matches: Matches, staff: Staff) -> int:  # noqa: ARG002  # this strategy ignores the message
        """Return the free agent who is idle longest."""
        return staff.longest_idle()


@dataclass(frozen=True, slots=True)
class Random:
    """A random free agent."""

    random: np.random.Generator
    name: str = "random"
    tolerance: float | None = None

    def choose(self, matches: Matches, staff: Staff) -> int:  # noqa: ARG002  # this strategy ignores the message
        """Return a random free agent."""
        return int(self.random.choice(np.flatnonzero(staff.free)))
