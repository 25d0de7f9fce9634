"""The ledger of a simulated day: its terms, its arrivals, its conversations and its result."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.metrics import busiest_share, gini
from matcher.evaluation.strategies import Matches, Staff
from matcher.evaluation.suite import Suite


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a day; conversations last log-normally (Brown et al. 2005, JASA 100, on call durations)."""

    hours: float = 8.0
    capacity: int = 2
    """Conversations that an agent has at once."""
    occupancy: float = 0.3
    """Average share of the agents' capacity that the arrivals use."""
    mean_minutes: float = 15.0
    sigma: float = 0.8
    """The standard deviation of the logarithm of a conversation's length."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The day's arrivals in order, each array [arrivals]; every strategy gets the same."""

    at: NDArray[np.float64]
    """Minutes."""
    minutes: NDArray[np.float64]
    message: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayResult:
    """The result of a day under one strategy."""

    name: str
    tolerance: float | None
    """The tolerance of a strategy by affinity."""
    conversations: int
    turned_away: int
    """Arrivals that found no free agent."""
    mean_affinity: float
    recall: float
    """Share of the conversations that a right agent got."""
    gini: float
    busiest_share: float
    by_agent: NDArray[np.int64]
    """Conversations of each agent [agents]."""
    mean_wait_seconds: float = 0.0
    """Mean time from an arrival to the decision."""


@dataclass(slots=True)
class DayLedger:
    """The conversations of a day, as they start and end."""

    suite: Suite
    staff: Staff
    _ends: list[tuple[float, int]] = field(default_factory=list)
    _agents: list[int] = field(default_factory=list)
    """The agent of each conversation."""
    _affinity: float = 0.0
    _right: int = 0
    _waited: float = 0.0

    def until(self, minute: float) -> None:
        """End the conversations that have ended by a minute."""
        while self._ends and self._ends[0][0] <= minute:
            ended, agent = heapq.heappop(self._ends)
            self.staff.complete(agent, ended)

    def start(
        self, agent: int, matches: Matches, message: int, minute: float, minutes: float, waited: float = 0.0
    ) -> None:
        """Start a conversation at a minute; minutes: its length; waited: minutes before it."""
        self.staff.start(agent)
        heapq.heappush(self._ends, (minute + minutes, agent))
        self._agents.append(agent)
        self._affinity += matches.affinity(agent)
        self._right += self.suite.agents[agent].id in self.suite.messages[message].relevant
        self._waited += waited

    def result(self, name: str, tolerance: float | None, arrivals: int) -> DayResult:
        """Return the day's result; arrivals: their number."""
        by_agent = np.bincount(self._agents, minlength=len(self.suite.agents)).astype(np.int64)
        conversations = len(self._agents)
        return DayResult(
            name=name,
            tolerance=tolerance,
            conversations=conversations,
            turned_away=arrivals - conversations,
            mean_affinity=self._affinity / max(conversations, 1),
            recall=self._right / max(conversations, 1),
            gini=gini(by_agent),
            busiest_share=busiest_share(by_agent),
            by_agent=by_agent,
            mean_wait_seconds=60 * self._waited / max(conversations, 1),
        )
