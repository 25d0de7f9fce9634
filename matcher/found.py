"""What the index finds for a message: the evidence, its scores, and who they are about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.model import Agent
from matcher.scorer import Evidence, Scores


@dataclass(frozen=True, slots=True)
class Resting:
    """Hold an eligible agent as the index knows them, for an order by idleness."""

    slot: int
    agent: Agent
    utilization: float
    idle_since_ms: int


@dataclass(frozen=True, slots=True)
class Found:
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
    resting: tuple[Resting, ...]
    """The eligible agents idle longest, in that order; met or not."""
    eligible: int
    """Agents that meet every constraint."""
    rows: int
    """Interests compared: those of the eligible agents, no more and no less."""
