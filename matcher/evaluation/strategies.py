"""Ways to choose among the free agents: the policy that serves, and what it is compared with."""

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

CLOCK: Final = 60_000.0
"""The policy's milliseconds in a minute."""

OF_REASONS: Final = frozenset({"first", "reason", "strength"})
"""What `Scores` holds by reason; all else it holds by agent."""


@dataclass(slots=True)
class Staff:
    """Keep what the agents hold and since when they are idle, each array [agents]."""

    capacity: int
    ids: list[str]
    position: dict[str, int]
    load: NDArray[np.int64]
    idle_since_ms: NDArray[np.int64]

    @classmethod
    def rested(cls, suite: Suite, capacity: int) -> Staff:
        """Begin a day: nobody holds anything, and who comes first in the roster has waited longest."""
        agents = len(suite.agents)
        ids = [agent.id for agent in suite.agents]
        position = {agent: number for number, agent in enumerate(ids)}
        return cls(capacity, ids, position, np.zeros(agents, np.int64), np.arange(-agents, 0))

    @property
    def free(self) -> NDArray[np.bool_]:
        """Return who has room [agents]."""
        return self.load < self.capacity

    def anybody_free(self) -> bool:
        """Tell whether somebody has room."""
        return bool(self.free.any())

    def take(self, agent: int) -> None:
        """Begin a conversation."""
        self.load[agent] += 1

    def complete(self, agent: int, minute: float) -> None:
        """End a conversation."""
        self.load[agent] -= 1
        self.idle_since_ms[agent] = round(minute * CLOCK)

    def longest_idle(self) -> int:
        """Return the free agent idle longest; of equals the less loaded, then the lower id."""
        free = np.flatnonzero(self.free)
        since = self.idle_since_ms[free]
        equal = free[since == since.min()].tolist()
        return int(min(equal, key=lambda agent: (self.load[agent], self.ids[agent])))


@dataclass(frozen=True, slots=True)
class Met:
    """Hold whom a message meets if everybody is free."""

    found: SearchResult
    units: Sentences
    position: NDArray[np.int64]
    """In the roster, ascending, of `found.agents`."""

    @classmethod
    def of(cls, found: SearchResult, units: Sentences, suite: Suite) -> Met:
        """Place those found in a suite's roster; the index was filled in the roster's order."""
        position = found.scores.agent.astype(np.int64)
        assert all(suite.agents[at].id == agent.id for at, agent in zip(position.tolist(), found.agents, strict=True))
        return cls(found, units, position)

    def affinity(self, agent: int) -> float:
        """Return an agent's affinity; 0 where the message does not meet them."""
        at = int(np.searchsorted(self.position, agent))
        there = at < len(self.position) and self.position[at] == agent
        return float(self.found.scores.affinity[at]) if there else 0.0

    def among(self, staff: Staff) -> SearchResult:
        """Return what the index would find at this moment: those who have room, as loaded and idle as they are."""
        found, scores = self.found, self.found.scores
        free = staff.free[self.position]
        length = np.diff(scores.first)
        met = np.repeat(free, length)
        position = self.position[free]
        of_agents: dict[str, Any] = {
            one.name: getattr(scores, one.name)[free] for one in fields(scores) if one.name not in OF_REASONS
        }
        return replace(
            found,
            scores=Scores(
                **of_agents,
                first=np.concatenate([[0], np.cumsum(length[free])]),
                reason=scores.reason[met],
                strength=scores.strength[met],
            ),
            agents=found.agents[free],
            utilization=staff.load[position] / staff.capacity,
            idle_since_ms=staff.idle_since_ms[position],
            eligible=int(np.count_nonzero(staff.free)),
        )


class Choice(Protocol):
    """A way to choose."""

    @property
    def name(self) -> str:
        """Return what it is called."""

    @property
    def tolerance(self) -> float | None:
        """Return within what affinities count as equal; None: affinity is not asked."""

    def choose(self, met: Met, staff: Staff) -> int:
        """Return the agent, as a position in the roster; somebody is free."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """What serves: `policy.rank`."""

    tolerance: float
    floor: float

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"affinity within {self.tolerance:g}" if self.tolerance else "affinity only"

    def choose(self, met: Met, staff: Staff) -> int:
        """Return the policy's first candidate; below the floor the longest idle."""
        ranking = rank(met.among(staff), met.units, RankingTerms(self.floor, self.tolerance, most=1))
        if ranking.basis is Basis.FALLBACK:
            return staff.longest_idle()
        return staff.position[ranking.candidates[0].agent]


@dataclass(frozen=True, slots=True)
class LongestIdle:
    """What most contact centers do."""

    name: str = "longest idle"
    tolerance: float | None = None

    def choose(self, met: Met, staff: Staff) -> int:  # noqa: ARG002  # the message does not matter here
        """Return the free agent idle longest."""
        return staff.longest_idle()


@dataclass(frozen=True, slots=True)
class Random:
    """Chance."""

    random: np.random.Generator
    name: str = "random"
    tolerance: float | None = None

    def choose(self, met: Met, staff: Staff) -> int:  # noqa: ARG002  # the message does not matter here
        """Return any free agent."""
        return int(self.random.choice(np.flatnonzero(staff.free)))
