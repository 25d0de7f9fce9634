"""Scorers of a site's pools, each with the interest vectors as its map projects them."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.affinity.scorer import Scorer
from matcher.index.vector_table import ProjectedVectors, VectorTable


@dataclass(frozen=True, slots=True)
class ServingScorer:
    """A scorer that ranks a pool's contacts."""

    scorer: Scorer
    fingerprint: str
    vectors: ProjectedVectors


class PoolScorers:
    """Keep the scorers of pools that have their own, and the default of all other pools."""

    def __init__(self, default: Scorer, vectors: VectorTable) -> None:
        self._vectors = vectors
        self._default = self._serving(default)
        self._own: dict[str, ServingScorer] = {}

    def of(self, pool: str) -> ServingScorer:
        """Return the scorer that ranks a pool's contacts."""
        return self._own.get(pool, self._default)

    def set(self, pool: str, scorer: Scorer | None) -> bool:
        """Set the scorer of a pool, None: the default; tell whether its projected vectors are others than before."""
        before = self.of(pool)
        if scorer is None or scorer is self._default.scorer:
            self._own.pop(pool, None)
        elif scorer is not before.scorer:
            self._own[pool] = self._serving(scorer)
        return self.of(pool).vectors is not before.vectors

    def _serving(self, scorer: Scorer) -> ServingScorer:
        return ServingScorer(scorer, scorer.fingerprint, self._vectors.projected(scorer.map, scorer.halves))
