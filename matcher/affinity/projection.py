"""Projection: vectors as a scorer compares them, and the comparison of all with all in plain numpy.

For learning, evaluation and tests. A search computes the same from vectors as they are stored (`matcher.index`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.kinds import are_english
from matcher.affinity.scorer import Floats, Scorer


@dataclass(frozen=True, slots=True)
class Projection:
    """Vectors under a scorer's map. `second` and `english` are None for a scorer of one space."""

    whole: Floats
    """[n, dimension], at length 1; zero stays zero."""
    second: Floats | None = None
    """[n, components of the second half], at length 1 by itself."""
    english: NDArray[np.bool_] | None = None
    """[n]"""

    def rows(self, kept: slice) -> Projection:
        """Return some of the vectors."""
        if self.second is None or self.english is None:
            return Projection(self.whole[kept])
        return Projection(self.whole[kept], self.second[kept], self.english[kept])


def projected(scorer: Scorer, vectors: Floats) -> Projection:
    """Return vectors [n, dimension] as a scorer compares them."""
    if scorer.halves is None:
        return Projection(scorer.project(vectors))
    first = scorer.halves[0]
    mapped = vectors if scorer.map is None else vectors @ scorer.map
    return Projection(_at_length_1(mapped), _at_length_1(mapped[:, first:]), are_english(vectors, scorer.halves))


def similarities(one: Projection, other: Projection) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Return the cosine of all pairs [one, other] as they are compared, and whether both are English.

    The second is None for a scorer of one space.
    """
    if one.second is None or other.second is None or one.english is None or other.english is None:
        return one.whole @ other.whole.T, None
    both = one.english[:, None] & other.english[None, :]
    if both.all():
        return one.whole @ other.whole.T, both
    second = one.second @ other.second.T
    return (np.where(both, one.whole @ other.whole.T, second) if both.any() else second), both


def _at_length_1(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.finfo(np.float32).tiny), np.float32)
