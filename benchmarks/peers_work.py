"""The work of all peers: find the nearest free agent among 100,000 with a vector each, and reserve the agent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.material import Roster

Floats = NDArray[np.float32]

FREE_SHARE: Final = 0.1
SAME: Final = 1e-5
SEED: Final = 23
LEAST_COSINE: Final = 0.35
"""Queries without an agent of at least this cosine have no right answer by our policy; no peer gets them."""


@dataclass(frozen=True, slots=True, repr=False)
class Work:
    """Unit vectors of agents [agents, dimension] and of queries [queries, dimension], and which agents are free."""

    vectors: Floats
    free: NDArray[np.bool_]
    queries: Floats
    best: Floats
    """The cosine of each query with its nearest free agent [queries]."""

    def right(self, query: int, agent: int) -> bool:
        """Return whether an agent is the nearest free agent, or as near."""
        return bool(
            agent >= 0 and self.free[agent] and self.vectors[agent] @ self.queries[query] >= self.best[query] - SAME
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """An alternative that finds and reserves an agent; `ready` runs before a slice, and `release` is not counted."""

    name: str
    ready: Callable[[], None]
    reserve: Callable[[Floats], int]
    release: Callable[[int], None]


def make_work(roster: Roster, queries: Floats) -> Work:
    """Return the work for a roster with one interest each and for the vectors of messages."""
    vectors = np.ascontiguousarray(roster.vectors[:, 0])
    free = np.zeros(len(vectors), np.bool_)
    free[np.random.default_rng(SEED).permutation(len(vectors))[: max(1, round(FREE_SHARE * len(vectors)))]] = True
    best = (queries @ vectors[free].T).max(axis=1)
    near = best > LEAST_COSINE
    return Work(vectors, free, queries[near], best[near])


class Slices:
    """Runs slices of the peers over the same queries, and counts their right answers."""

    def __init__(self, work: Work, queries: int) -> None:
        self._work = work
        self._queries = queries
        self.right: dict[str, list[bool]] = {}

    def arm(self, peer: Peer, name: str = "") -> Callable[[], float]:
        """Return a function that runs a slice and returns the median seconds of a reserve."""
        numbers = count()
        right = self.right.setdefault(name or peer.name, [])

        def run() -> float:
            peer.ready()
            return float(np.median(self._reserve(peer, [next(numbers) for _ in range(self._queries)], right)))

        return run

    def _reserve(self, peer: Peer, numbers: Sequence[int], right: list[bool]) -> list[float]:
        durations = []
        for number in numbers:
            query = number % len(self._work.queries)
            vector = self._work.queries[query]
            start = time.perf_counter()
            agent = peer.reserve(vector)
            durations.append(time.perf_counter() - start)
            right.append(self._work.right(query, agent))
            if agent >= 0:
                peer.release(agent)
        return durations

    def judge(self, peer: Peer, checks: int) -> tuple[float, float]:
        """Return the median seconds and the share of right answers of a peer at a setting."""
        peer.ready()
        right: list[bool] = []
        self._reserve(peer, range(min(10, checks)), [])
        seconds = self._reserve(peer, range(checks), right)
        return float(np.median(seconds)), sum(right) / len(right)
