"""Kinds of the rows and units that are compared by a scorer of two halves: English, or another language.

With a map of two blocks on both sides, two English vectors u and v have the cosine u·G·v / (|uM| |vM|), and all other
pairs that of their second halves, u₂·G₂·v₂ / (|u₂M₂| |v₂M₂|). Where one of the first halves is zero, u·G·v = u₂·G₂·v₂.
So one product of a unit, as `toward` makes it, and a row as it was stored serves every kind; only the factor differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.kinds import Halves, are_english

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class RowKinds:
    """By row: whether the interest is English, and the factor of its second half alone."""

    def __init__(self, halves: Halves, size: int, evening: float) -> None:
        self.halves = halves
        self.evening = evening
        """The factor of a row in another language as it is scanned: about |v₂M₂| / |vM| of an English row.

        So rows of both kinds are equally long for the scan, whose precision is that of the longest.
        """
        self.english = np.zeros(size, np.uint8)
        self.alone = np.zeros(size, np.float32)
        """1 / |v₂M₂|; 0 where it vanishes."""
        self.least_share = 1.0
        """The least |v₂M₂| / |vM| of an English row so far, 0 left out: by how much the factors of a row differ."""

    def grow(self, missing: int) -> None:
        """Append room for further rows."""
        self.english = np.concatenate([self.english, np.zeros(missing, np.uint8)])
        self.alone = np.concatenate([self.alone, np.zeros(missing, np.float32)])

    def write(self, rows: Rows, vectors: Floats, second: Floats, whole: Floats) -> NDArray[np.bool_]:
        """Set rows [n] by their vectors [n, dimension], and the lengths |v₂M₂| and |vM| [n] under the map.

        Return which of them are English.
        """
        english = are_english(vectors, self.halves)
        there = second > 0
        alone = np.zeros(len(rows), np.float32)
        np.divide(1.0, second, out=alone, where=there)
        self.english[rows], self.alone[rows] = english, alone
        both = english & there
        if both.any():
            self.least_share = min(self.least_share, float((second[both] / whole[both]).min()))
        return english


@dataclass(frozen=True, slots=True)
class UnitKinds:
    """Of each unit [units]: whether it is English, and what its pairs that are not both English must exceed."""

    english: NDArray[np.uint8]
    lift: Floats
    """|uM| / |u₂M₂|, the factor of the second half alone; 0 where that vanishes, 1 in another language."""
    threshold: float
    """Cosine of the second halves above which two texts meet that are not both English."""

    def bars(self, both: float, rows: RowKinds) -> Floats:
        """Return what the product of a unit and a row as it is scanned must exceed [units, 2].

        The first column is for rows in another language, the second for English rows. It is never too high: an English
        row may have any share of its length in the second half, from `least_share` to 1.
        """
        bars = np.empty((len(self.english), 2), np.float32)
        bars[:, 1] = np.where(self.english, both, min(self.threshold, self.threshold * rows.least_share))
        with np.errstate(divide="ignore", invalid="ignore"):
            bars[:, 0] = self.threshold * rows.evening / self.lift
        bars[self.lift == 0, 0] = np.inf if self.threshold >= 0 else -np.inf
        return bars


def kinds_of(units: Floats, toward: Floats, halves: Halves, threshold: float) -> UnitKinds:
    """Return the kinds of units [units, dimension], given what `ProjectedVectors.toward` made of them.

    threshold: as in `UnitKinds`.
    """
    first = halves[0]
    english = are_english(units, halves)
    # toward = uG / |uM|: its product with u is |uM|, with u₂ alone |u₂M₂|² / |uM|.
    whole = np.vecdot(toward, units)
    second = np.vecdot(toward[:, first:], units[:, first:])
    share = np.zeros(len(units), np.float32)
    np.divide(whole, second, out=share, where=second > 0)
    lift = np.where(english, np.sqrt(share), np.float32(1.0))
    return UnitKinds(english.view(np.uint8), lift.astype(np.float32), threshold)
