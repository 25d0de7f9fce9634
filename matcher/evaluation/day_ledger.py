"""The books of a day: what it is like, who came, and what became of them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.metrics import busiest_share, gini
from matcher.evaluation.strategies import Met, Staff
from matcher.evaluation.suite import Suite


@dataclass(frozen=True, slots=True)
class Terms:
    """Say what the day is like. Conversations last log-normally (Brown et al. 2005, JASA 100, on call durations)."""

    hours: float = 8.0
    capacity: int = 2
    """Conversations an agent holds at once."""
    occupancy: float = 0.3
    """Share of all slots that arrivals keep taken on average."""
    mean_minutes: float = 15.0
    sigma: float = 0.8
    """Of the logarithm of a conversation's length."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Hold the day's arrivals in order, each array [arrivals]: the same day for every way to choose."""

    at: NDArray[np.float64]
    """Minutes."""
    minutes: NDArray[np.float64]
    message: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Played:
    """Hold what a way to choose made of the day."""

    name: str
    tolerance: float | None
    """Of a choice by affinity."""
    conversations: int
    turned_away: int
    """Arrivals that found nobody free."""
    mean_affinity: float
    recall: float
    """Share of the conversations that an agent who is right for the message took."""
    gini: float
    busiest_share: float
    taken: NDArray[np.int64]
    """Conversations of each agent [agents]."""
    mean_wait_seconds: float = 0.0
    """From an arrival to the decision."""


@dataclass(slots=True)
class Books:
    """Keep a day's conversations as they begin and end."""

    suite: Suite
    staff: Staff
    _ends: list[tuple[float, int]] = field(default_factory=list)
    _taken: list[int] = field(default_factory=list)
    _affinity: float = 0.0
    _right: int = 0
    _waited: float = 0.0

    def until(self, minute: float) -> None:
        """End what has ended by then."""
        while self._ends and self._ends[0][0] <= minute:
            ended, agent = heapq.heappop(self._ends)
            self.staff.complete(agent, ended)

    def take(self, agent: int, met: Met, message: int, minute: float, minutes: float, waited: float = 0.0) -> None:
        """Begin a conversation; waited: minutes."""
        self.staff.take(agent)
        heapq.heappush(self._ends, (minute + minutes, agent))
        self._taken.append(agent)
        self._affinity += met.affinity(agent)
        self._right += self.suite.agents[agent].id in self.suite.messages[message].relevant
        self._waited += waited

    def played(self, name: str, tolerance: float | None, arrivals: int) -> Played:
        """Return what became of the day's arrivals."""
        taken = np.bincount(self._taken, minlength=len(self.suite.agents)).astype(np.int64)
        conversations = len(self._taken)
        return Played(
            name=name,
            tolerance=tolerance,
            conversations=conversations,
            turned_away=arrivals - conversations,
            mean_affinity=self._affinity / max(conversations, 1),
            recall=self._right / max(conversations, 1),
            gini=gini(taken),
            busiest_share=busiest_share(taken),
            taken=taken,
            mean_wait_seconds=60 * self._waited / max(conversations, 1),
        )
