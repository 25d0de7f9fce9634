"""Scorer: computes scores and reasons of agents from evidence (which unit met which interest, how closely)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.affinity.confidence import Calibration
from matcher.affinity.kinds import Halves, Others

UNTRAINED: Final = Calibration((-3.195, -2.843, 6.462, 7.951, -0.0418, 0.932, 9.423, -5.224, -0.821, -0.192, 1.641))
"""The confidence of an untrained cosine, fitted on the suites named in matcher/maps/README.md."""

_TINY: Final = np.finfo(np.float64).tiny

_UNWEIGHTED: Final = np.zeros(0, np.float32)

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold triples of one message, each array [triples]: a unit that met an agent's interest.

    `unit` is the number of the unit in the message, `agent` the agent's row in the index, `interest` the number of the
    interest in the profile, all from 0; `cosine` is that of the projected vectors, or what `Scorer.values` makes of it
    where the unit and the interest are not both English; `lexical` the weight from `Lexicon.shared`, `held` the number
    of interests that the agent has.
    """

    unit: Integers
    agent: Integers
    interest: Integers
    cosine: Floats
    lexical: Floats
    held: Integers
    similarity: Floats | None = None
    """The cosine of the vectors as they were compared; None: it is `cosine`."""

    def only(self, kept: NDArray[np.bool_] | slice) -> Evidence:
        """Return some of the triples, by a mask [triples] or a slice."""
        return Evidence(
            unit=self.unit[kept],
            agent=self.agent[kept],
            interest=self.interest[kept],
            cosine=self.cosine[kept],
            lexical=self.lexical[kept],
            held=self.held[kept],
            similarity=None if self.similarity is None else self.similarity[kept],
        )

    def followed_by(self, other: Evidence) -> Evidence:
        """Return the triples of both, these first; either both have similarities or neither."""
        return Evidence(
            unit=np.concatenate([self.unit, other.unit]),
            agent=np.concatenate([self.agent, other.agent]),
            interest=np.concatenate([self.interest, other.interest]),
            cosine=np.concatenate([self.cosine, other.cosine]),
            lexical=np.concatenate([self.lexical, other.lexical]),
            held=np.concatenate([self.held, other.held]),
            similarity=(
                None
                if self.similarity is None or other.similarity is None
                else np.concatenate([self.similarity, other.similarity])
            ),
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold scores and reasons of the agents that a message met, in ascending order of their rows.

    `agent`, `score`, `affinity`, `breadth` are [agents]. The reasons of agent i are `reason[first[i]:first[i + 1]]`:
    positions in the evidence, for each unit that met an interest the best interest, units ascending.
    """

    agent: NDArray[np.int64]
    score: NDArray[np.float64]
    affinity: NDArray[np.float64]
    breadth: NDArray[np.float64]
    """The evidence of all interests together over that of the best, in [0, 1]: 1 where all interests meet alike."""
    first: NDArray[np.int64]
    reason: NDArray[np.int64]
    strength: NDArray[np.float64]
    """The evidence of each reason times its unit's weight, before handicap and corroboration; aligned with `reason`."""

    def part(self, start: int, end: int, *, triples_before: int, rows_before: int) -> Scores:
        """Return the agents from `start` up to `end`; their rows and reasons less those of the messages before."""
        first = self.first[start : end + 1]
        reasons = slice(int(first[0]), int(first[-1]))
        return Scores(
            agent=self.agent[start:end] - rows_before,
            score=self.score[start:end],
            affinity=self.affinity[start:end],
            breadth=self.breadth[start:end],
            first=first - reasons.start,
            reason=self.reason[reasons] - triples_before,
            strength=self.strength[reasons],
        )


@dataclass(frozen=True, slots=True)
class Scorer:
    """Score agents by the sum over units of how well their interests meet each.

    The defaults are those of an untrained cosine; a learned map comes with its own.
    """

    map: Floats | None = None
    """Linear map [dimension, dimension] applied to both sides of the cosine; None is the identity."""
    threshold: float = 0.3
    """Cosine above which a unit meets an interest."""
    lexical_weight: float = 0.1
    lexical_from: float = 0.15
    """Cosine above the threshold from which shared words begin to count, so that they never outweigh meaning."""
    lexical_full: float = 0.25
    """Cosine above the threshold from which shared words count in full."""
    corroboration: float = 0.3
    """Share of a unit's evidence that all the agent's interests give together; the best interest gives the rest."""
    ample: int = 5
    """Interests that a profile may have without a handicap."""
    handicap: float = 0.09
    """Times ln(interests / ample), subtracted from each piece of evidence: many generic interests gain nothing."""
    saturation: float = 3.0
    """How fast affinity approaches 1: affinity = 1 - exp(-saturation * score)."""
    calibration: Calibration = UNTRAINED
    halves: Halves | None = None
    """Of vectors of a pair of models; the map, if any, is of two blocks, one a half. None: of one model."""
    others: Others | None = None
    """How pairs are compared that are not both English; None: of vectors of one model."""
    whole: float = 0.0
    """Weight of a message as a whole, by its second half alone, beside its units; 0: only the units are compared."""

    def __post_init__(self) -> None:
        """Raise ValueError where halves, others and map do not belong together."""
        if (self.halves is None) != (self.others is None):
            raise ValueError("halves and others belong together")
        if self.whole and self.halves is None:
            raise ValueError("only vectors of a pair of models compare a message as a whole")
        if self.halves is not None and self.map is not None:
            first = self.halves[0]
            if len(self.map) != sum(self.halves) or self.map[:first, first:].any() or self.map[first:, :first].any():
                raise ValueError("the map does not consist of one block a half")

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits of everything that decides a score."""
        left_out = {"map"} if self.halves else {"map", "halves", "others", "whole"}
        settings = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name not in left_out]
        digest = hashlib.sha256(repr(settings).encode())
        if self.map is not None:
            digest.update(np.ascontiguousarray(self.map).tobytes())
        return digest.hexdigest()[:16]

    def project(self, vectors: Floats) -> Floats:
        """Return vectors [n, dimension] under the map, at length 1 (zero stays zero)."""
        if self.map is None:
            return vectors
        mapped = vectors @ self.map
        length = np.linalg.norm(mapped, axis=-1, keepdims=True)
        return np.asarray(mapped / np.maximum(length, np.finfo(np.float32).tiny), dtype=np.float32)

    def values(self, similarity: Floats, both_english: NDArray[np.bool_]) -> Floats:
        """Return what cosines [triples] are worth: those of pairs that are not both English by `others`."""
        if self.others is None or both_english.all():
            return similarity
        other = self.threshold + self.others.slope * (similarity - self.others.threshold)
        return np.where(both_english, similarity, other).astype(np.float32, copy=False)

    def score(self, evidence: Evidence, weight: Floats | None = None) -> Scores:
        """Score every agent in the evidence.

        weight: [triples], of each triple's unit, not negative; None: each is 1.

        Evidence of a triple: e = cosine - threshold + lexical_weight * lexical * g, where g rises from 0 to 1 as the
        cosine passes from lexical_from to lexical_full above the threshold; there is none below the threshold. An agent
        of n interests, with h = handicap * ln(max(n, ample) / ample), scores the sum over units of
        (1 - corroboration) * max(e - h) + corroboration * sum(e - h) / max(n, ample), without negative terms, times
        the unit's weight. So a unit of weight 0 counts as if the message did not have it.

        As affinity = 1 - Π exp(-saturation * a unit's part), it lies in [0, 1], orders agents as the score does,
        never falls when a similarity rises, and does not change by a unit that meets no interest.
        The result does not depend on the order of the triples, to the last bit.
        """
        if kernels.compiled is not None:
            return self._score_compiled(kernels.compiled, evidence, weight)
        above = evidence.cosine > self.threshold
        if weight is not None:
            above &= weight > 0
        if not above.all():
            met = np.flatnonzero(above)
            scores = self.score(evidence.only(above), None if weight is None else weight[above])
            return replace(scores, reason=met[scores.reason])
        if not len(above):
            none = np.zeros(0, np.int64)
            nothing = np.zeros(0)
            return Scores(none, nothing, nothing, nothing, np.zeros(1, np.int64), none, nothing)
        wide, deep = int(evidence.unit.max()) + 1, int(evidence.interest.max()) + 1
        pair = evidence.agent * np.int64(wide) + evidence.unit
        order = np.argsort(pair * deep + evidence.interest)
        pair = pair[order]
        start, end = _runs(pair)
        strength = self._strength(evidence.cosine[order], evidence.lexical[order])
        plenty = np.maximum(evidence.held[order], self.ample)
        if int(plenty.max()) == self.ample:
            handicap, counted = np.zeros(len(pair)), strength
        else:
            handicap = self.handicap * np.log(plenty / self.ample)
            counted = np.maximum(strength - handicap, 0.0)
        if len(start) == len(pair):  # no agent has two interests that meet one unit
            best, winner, together, highest = strength, order, counted / plenty, counted
        else:
            best = np.maximum.reduceat(strength, start)
            # The first triple of the pair with the best evidence: of equal interests the earlier is the reason.
            reached = np.flatnonzero(strength == np.repeat(best, end - start))
            winner = order[reached[np.searchsorted(reached, start)]]
            together = np.add.reduceat(counted, start) / plenty[start]
            highest = np.maximum(best - handicap[start], 0.0)
        if weight is not None:
            of_unit = weight[winner].astype(np.float64)
            best, highest, together = best * of_unit, highest * of_unit, together * of_unit
        part = (1 - self.corroboration) * highest + self.corroboration * together
        agent = pair[start] // wide
        first, last = _runs(agent)
        score = np.add.reduceat(part, first)
        most = np.add.reduceat(highest, first)
        return Scores(
            agent=agent[first],
            score=score,
            affinity=-np.expm1(-self.saturation * score),
            breadth=np.add.reduceat(together, first) / np.maximum(most, _TINY),
            first=np.concatenate([first, last[-1:]]),
            reason=winner,
            strength=best,
        )

    def _score_compiled(self, compiled: ModuleType, evidence: Evidence, weight: Floats | None) -> Scores:
        triples = len(evidence.cosine)
        agent, first, reason = np.empty(triples, np.int64), np.zeros(triples + 1, np.int64), np.empty(triples, np.int64)
        table, strength = np.empty((3, triples)), np.empty(triples)
        agents, reasons = compiled.score(
            np.ascontiguousarray(evidence.unit, np.int64),
            np.ascontiguousarray(evidence.agent, np.int64),
            np.ascontiguousarray(evidence.interest, np.int64),
            np.ascontiguousarray(evidence.cosine, np.float32),
            np.ascontiguousarray(evidence.lexical, np.float32),
            np.ascontiguousarray(evidence.held, np.int64),
            _UNWEIGHTED if weight is None else np.ascontiguousarray(weight, np.float32),
            (
                self.threshold,
                self.lexical_weight,
                self.lexical_from,
                self.lexical_full,
                self.corroboration,
                self.ample,
                self.handicap,
                self.saturation,
            ),
            *(agent, table, first, reason, strength),
        )
        score, affinity, breadth = table[:, :agents]
        return Scores(
            agent=agent[:agents],
            score=score,
            affinity=affinity,
            breadth=breadth,
            first=first[: agents + 1],
            reason=reason[:reasons],
            strength=strength[:reasons],
        )

    def _strength(self, cosine: Floats, lexical: Floats) -> NDArray[np.float64]:
        excess = cosine.astype(np.float64) - self.threshold
        shared = np.flatnonzero(lexical)
        if len(shared):
            gate = (excess[shared] - self.lexical_from) / (self.lexical_full - self.lexical_from)
            gate = np.minimum(np.maximum(gate, 0.0), 1.0)
            excess[shared] += self.lexical_weight * lexical[shared].astype(np.float64) * gate
        return excess


def untrained(halves: Halves | None) -> Scorer:
    """Return the scorer of vectors that nothing was learned from; halves: of a pair of models, which count alike."""
    return Scorer() if halves is None else Scorer(halves=halves, others=Others())


def _runs(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each run of equal values begins and where it ends; there is at least one value."""
    border = np.flatnonzero(values[1:] != values[:-1]) + 1
    bounds = np.empty(len(border) + 2, np.int64)
    bounds[0], bounds[1:-1], bounds[-1] = 0, border, len(values)
    return bounds[:-1], bounds[1:]
