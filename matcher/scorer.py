"""The scorer: from evidence (which unit met which interest, how closely) to scores and reasons."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

THRESHOLD: Final = 0.3
"""Cosine from which a unit counts as meeting an interest; flat between 0.25 and 0.35."""

LEXICAL_WEIGHT: Final = 0.1
SATURATION: Final = 2.0

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold triples of one message, each array [triples]: a unit that met an agent's interest.

    `unit` counts the units of the message from 0, `agent` names a slot of the index, `interest` counts
    within the agent, `cosine` is that of the projected vectors, `lexical` the weight `Lexicon.shared` gives.
    """

    unit: Integers
    agent: Integers
    interest: Integers
    cosine: Floats
    lexical: Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold what a message's evidence says of each agent it met, in ascending order of the slots.

    `agent`, `score`, `affinity` are [agents]. The reasons of agent i are `reason[first[i]:first[i + 1]]`:
    positions in the evidence, one a unit that met an interest (the best one), units ascending.
    """

    agent: NDArray[np.int64]
    score: NDArray[np.float64]
    affinity: NDArray[np.float64]
    first: NDArray[np.int64]
    reason: NDArray[np.int64]
    strength: NDArray[np.float64]
    """What each reason adds to the score, aligned with `reason`."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Score agents by the sum over units of each unit's best interest, above a threshold."""

    map: Floats | None = None
    """Linear map [dimension, dimension] put on both sides of the cosine; None is the identity."""
    threshold: float = THRESHOLD
    lexical_weight: float = LEXICAL_WEIGHT
    saturation: float = SATURATION
    """How fast affinity nears 1: affinity = 1 - exp(-saturation · score)."""

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of all that decides a score."""
        digest = hashlib.sha256(repr((self.threshold, self.lexical_weight, self.saturation)).encode())
        if self.map is not None:
            digest.update(np.ascontiguousarray(self.map).tobytes())
        return digest.hexdigest()[:16]

    def project(self, vectors: Floats) -> Floats:
        """Put vectors [n, dimension] through the map and bring them back to length 1 (zero stays zero)."""
        if self.map is None:
            return vectors
        mapped = vectors @ self.map
        length = np.linalg.norm(mapped, axis=-1, keepdims=True)
        return np.asarray(mapped / np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)

    def score(self, evidence: Evidence) -> Scores:
        """Score every agent in the evidence.

        The score is the sum over units of the best max(0, cosine - threshold) + lexical_weight * lexical among
        the agent's interests; words count only where the cosine exceeds the threshold. As
        affinity = 1 - Π exp(-saturation · strength), it lies in [0, 1), orders agents as the score does, never
        falls when a similarity rises, and a unit that meets nobody's interest leaves it as it was.
        The result does not depend on the order of the triples.
        """
        met = np.flatnonzero(evidence.cosine > self.threshold)
        agents, units, interests = evidence.agent[met], evidence.unit[met], evidence.interest[met]
        excess = evidence.cosine[met].astype(np.float64) - self.threshold
        strength = excess + self.lexical_weight * evidence.lexical[met].astype(np.float64)
        if not len(met):
            none = np.zeros(0, np.int64)
            return Scores(none, np.zeros(0), np.zeros(0), np.zeros(1, np.int64), none, np.zeros(0))
        wide = int(units.max()) + 1
        deep = int(interests.max()) + 1
        key = (agents.astype(np.int64) * wide + units) * deep + interests
        order = np.argsort(key)
        pair = key[order] // deep
        strength = strength[order]
        start = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
        best = np.maximum.reduceat(strength, start)
        # The first triple of the pair that reaches the best: of equal interests the earlier one is told.
        reached = np.flatnonzero(strength == np.repeat(best, np.diff(np.r_[start, len(pair)])))
        winner = reached[np.searchsorted(reached, start)]
        agent = pair[start] // wide
        first = np.flatnonzero(np.r_[True, agent[1:] != agent[:-1]])
        score = np.add.reduceat(best, first)
        return Scores(
            agent=agent[first],
            score=score,
            affinity=-np.expm1(-self.saturation * score),
            first=np.r_[first, len(agent)].astype(np.int64),
            reason=met[order[winner]],
            strength=best,
        )
