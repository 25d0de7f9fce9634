"""The work that all peers do: of 100,000 agents with a vector each, find the nearest free one and claim them."""

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
"""Queries that nobody is near to have no right answer by our policy, and are left out for everybody."""


@dataclass(frozen=True, slots=True, repr=False)
class Work:
    """Vectors [agents, dimension], who is free [agents], and queries [queries, dimension]; all of unit length."""

    vectors: Floats
    free: NDArray[np.bool_]
    queries: Floats
    best: Floats
    """The cosine of each query with its nearest free agent."""

    def right(self, query: int, agent: int) -> bool:
        """Tell whether an agent is the nearest free one, or as near."""
        return bool(
            agent >= 0 and self.free[agent] and self.vectors[agent] @ self.queries[query] >= self.best[query] - SAME
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that finds and claims: made ready before a slice; `release` is not counted."""

    name: str
    ready: Callable[[], None]
    claim: Callable[[Floats], int]
    release: Callable[[int], None]


def make_work(roster: Roster, queries: Floats) -> Work:
    """Make the work of a roster with one interest each and the vectors of messages."""
    vectors = np.ascontiguousarray(roster.vectors[:, 0])
    free = np.zeros(len(vectors), np.bool_)
    free[np.random.default_rng(SEED).permutation(len(vectors))[: max(1, round(FREE_SHARE * len(vectors)))]] = True
    best = (queries @ vectors[free].T).max(axis=1)
    near = best > LEAST_COSINE
    return Work(vectors, free, queries[near], best[near])


class Slices:
    """Runs slices of claims of one peer after the other over the same queries, and counts who was right."""

    def __init__(self, work: Work, queries: int) -> None:
        self._work = work
        self._queries = queries
        self.right: dict[str, list[bool]] = {}

    def arm(self, peer: Peer, name: str = "") -> Callable[[], float]:
        """Return a slice: the median seconds of a claim."""
        numbers = count()
        right = self.right.setdefault(name or peer.name, [])

        def run() -> float:
            peer.ready()
            return float(np.median(self._claims(peer, [next(numbers) for _ in range(self._queries)], right)))

        return run

    def _claims(self, peer: Peer, numbers: Sequence[int], right: list[bool]) -> list[float]:
        taken = []
        for number in numbers:
            query = number % len(self._work.queries)
            vector = self._work.queries[query]
            begun = time.perf_counter()
            agent = peer.claim(vector)
            taken.append(time.perf_counter() - begun)
            right.append(self._work.right(query, agent))
            if agent >= 0:
                peer.release(agent)
        return taken

    def judge(self, peer: Peer, checks: int) -> tuple[float, float]:
        """Return the median seconds and the share right of a peer as it is set."""
        peer.ready()
        right: list[bool] = []
        self._claims(peer, range(min(10, checks)), [])
        seconds = self._claims(peer, range(checks), right)
        return float(np.median(seconds)), sum(right) / len(right)
