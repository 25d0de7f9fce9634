"""What the index finds for a message: the evidence, its scores, and who they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.confidence import Calibration
from matcher.affinity.scorer import Evidence, Scores
from matcher.model import Agent


@dataclass(frozen=True, slots=True)
class IdleAgent:
    """Hold an eligible agent as the index knows them, for an order by idleness."""

    row: int
    """Of the index, as in `Evidence.agent`."""
    agent: Agent
    utilization: float
    idle_since_ms: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hold a snapshot of everyone eligible whom a message met.

    `agents`, `utilization`, `idle_since_ms` are [agents], aligned with `scores.agent`. An `Agent` here tells who
    someone is; what changes by the second (load, status, idleness) is in the arrays.
    """

    evidence: Evidence
    scores: Scores
    agents: NDArray[np.object_]
    utilization: NDArray[np.float64]
    """Load over capacity, in [0, 1]; 1 where the capacity is 0."""
    idle_since_ms: NDArray[np.int64]
    longest_idle: tuple[IdleAgent, ...]
    """The eligible agents idle longest, in that order; met or not."""
    eligible: int
    """Agents that meet every constraint."""
    pool_agents: int
    """Agents of the pool, whatever else they meet."""
    rows: int
    """Interests compared: those of the eligible agents, no more and no less."""
    calibration: Calibration
    """What turns margins into confidence."""
    scorer: str
    """The fingerprint of the scorer."""

    def confidence(self, at: Sequence[int]) -> list[float]:
        """Return how likely each agent at these places of `scores` is a right one."""
        places = np.asarray(at, np.int64)
        scores = self.scores
        found = self.calibration.confidence(scores.score, scores.breadth, places, self.eligible, self.pool_agents)
        return [float(one) for one in found]


def top_k(columns: Sequence[NDArray[Any]] | NDArray[Any], most: int) -> NDArray[np.intp]:
    """Return where the `most` first rows of a lexicographic order lie, without sorting.

    columns: [rows] each, the one that decides first before the others, lower values first. Unsorted; rows that tie
    with the last in every column are all returned, so there may be more than `most`.
    """
    border = np.arange(len(columns[0]))
    certain: list[NDArray[np.intp]] = []
    for column in columns:
        if len(border) <= most:
            break
        values = column[border]
        last = np.partition(values, most - 1)[most - 1]
        certain.append(border[values < last])
        most -= len(certain[-1])
        border = border[values == last]
    return np.concatenate([*certain, border])
