"""Which scorer ranks each pool, and the rows as it compares them."""

from __future__ import annotations

from dataclasses import dataclass

from matcher.affinity.scorer import Scorer
from matcher.index.vector_table import ProjectedVectors, VectorTable


@dataclass(frozen=True, slots=True)
class Serving:
    """A scorer that serves."""

    scorer: Scorer
    fingerprint: str
    lines: ProjectedVectors


class PoolScorers:
    """Know the scorers of pools that have one of their own, and the one of all others."""

    def __init__(self, usual: Scorer, lines: VectorTable) -> None:
        self._lines = lines
        self._usual = self._serving(usual)
        self._own: dict[str, Serving] = {}

    def of(self, pool: str) -> Serving:
        """Return what ranks a pool's contacts."""
        return self._own.get(pool, self._usual)

    def set(self, pool: str, scorer: Scorer | None) -> bool:
        """Let a scorer rank a pool's contacts, None: the usual one; tell whether its rows are others than before."""
        before = self.of(pool)
        if scorer is None or scorer is self._usual.scorer:
            self._own.pop(pool, None)
        elif scorer is not before.scorer:
            self._own[pool] = self._serving(scorer)
        return self.of(pool).lines is not before.lines

    def _serving(self, scorer: Scorer) -> Serving:
        return Serving(scorer, scorer.fingerprint, self._lines.under(scorer.map))
