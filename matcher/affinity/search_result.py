"""Result of a search: the evidence of a message, its scores, and the agents they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from matcher.affinity.confidence import Calibration
from matcher.affinity.scorer import Evidence, Scores
from matcher.model import Agent


class FreeAgent(msgspec.Struct, frozen=True):
    """Hold an eligible agent with what an order by utilization and idle time needs."""

    row: int
    """The agent's row in the index, as in `Evidence.agent`."""
    agent: Agent
    utilization: float
    idle_since_ms: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hold the eligible agents that a message met, as they were at the search.

    `agents`, `utilization`, `idle_since_ms` are [agents], aligned with `scores.agent`. An `Agent` here has the profile;
    load and idle time, which change by the second, are in the arrays.
    """

    evidence: Evidence
    scores: Scores
    agents: NDArray[np.object_]
    utilization: NDArray[np.float64]
    """Load over capacity, in [0, 1]; 1 where the capacity is 0."""
    idle_since_ms: NDArray[np.int64]
    least_utilized: tuple[FreeAgent, ...]
    """The least utilized of the eligible agents, of equals the longest idle first, met or not."""
    eligible: int
    """Agents that meet every constraint."""
    pool_agents: int
    """Agents of the pool, eligible or not."""
    rows: int
    """Interests compared: exactly those of the eligible agents."""
    calibration: Calibration
    """Turns margins into confidence."""
    scorer: str
    """The fingerprint of the scorer."""
    by_profile: bool = False
    """Whether the customer's profile counts: the message itself reaches the floor with no agent."""

    def confidence(self, at: Sequence[int]) -> list[float]:
        """Return the probability that each agent at these places of `scores` is a right one."""
        places = np.asarray(at, np.int64)
        scores = self.scores
        shares = self.calibration.confidence(scores.score, scores.breadth, places, self.eligible, self.pool_agents)
        return [float(share) for share in shares]


def top_k(columns: Sequence[NDArray[Any]] | NDArray[Any], most: int) -> NDArray[np.intp]:
    """Return the indexes of the first `most` rows of a lexicographic order, without sorting.

    columns: [rows] each, the deciding column first, lower values first. The result is unsorted; rows that tie with the
    last in every column are all returned, so there may be more than `most`.
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
