"""Table of the interests' vectors, one row each, and their projections by the maps of scorers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.affinity.kinds import Halves
from matcher.index.kinds import RowKinds, UnitKinds

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_VANISHED: Final = np.float32(1e-7)
"""A unit whose squared length a map brings below this share of the mean meets nothing: only rounding is left."""

_BLOCK: Final = 256
"""Rows widened at a time, few enough to stay in the L2 cache."""

_SIGN_AND_DIGITS: Final = np.int32(-0x70002000)  # 0x8fffe000: sign, 5 bits of exponent, 10 of fraction
_REBIAS: Final = np.float32(2.0**112)  # half counts exponents from 15, single from 127


def widen(half: NDArray[np.float16]) -> Floats:
    """Convert halves to singles, exactly, but for infinities and NaN, which no vector holds.

    numpy's own cast takes several times as long (it is not vectorised on every machine).
    """
    single = _shifted(half)
    single *= _REBIAS
    return single


def _shifted(half: NDArray[np.float16]) -> Floats:
    """Convert halves to singles that are 2^112 times smaller."""
    bits = half.view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_DIGITS, out=bits)
    return bits.view(np.float32)


def _blocks(linear_map: Floats, halves: Halves | None) -> list[tuple[slice, Floats]]:
    """Return the blocks of a map, each with its components."""
    if halves is None:
        return [(slice(0, len(linear_map)), linear_map)]
    of = (slice(0, halves[0]), slice(halves[0], sum(halves)))
    return [(block, np.ascontiguousarray(linear_map[block, block])) for block in of]


def _product(vectors: Floats, blocks: Sequence[tuple[slice, Floats]]) -> Floats:
    """Return vectors [n, dimension] under a map of blocks; without a block as they are, to be changed."""
    if not blocks:
        return vectors.copy()
    if len(blocks) == 1:
        return vectors @ blocks[0][1]
    return np.concatenate([vectors[:, block] @ linear for block, linear in blocks], axis=1)


def _stretch(gram: Floats) -> float:
    """Return the mean squared length of unit vectors under a map."""
    return float(np.trace(gram)) / len(gram)


def _gram(linear_map: Floats) -> Floats:
    wide = linear_map.astype(np.float64)
    return np.asarray(wide @ wide.T, np.float32)


class VectorTable:
    """Keep each interest's vector at 16 bits, as the store does, with its agent and its handle in the lexicon.

    A removed interest's row is given to a later interest.
    """

    def __init__(self, dimension: int) -> None:
        self.vectors = np.zeros((256, dimension), np.float16)
        self.handle = np.zeros(256, np.int64)
        self.agent = np.zeros(256, np.int64)
        """By row: the agent's row in the agent table."""
        self.interest = np.zeros(256, np.int64)
        """By row: the interest's place in the agent's profile."""
        self.held = np.zeros(256, np.int64)
        """By row: how many interests the agent has."""
        self._used = 0
        self._free: list[int] = []
        self._projections: WeakValueDictionary[tuple[int, Halves | None], ProjectedVectors] = WeakValueDictionary()

    def __len__(self) -> int:
        """Count the rows in use."""
        return self._used - len(self._free)

    def projected(self, linear_map: Floats | None, halves: Halves | None = None) -> ProjectedVectors:
        """Return the vectors projected by a map; callers get one object as long as any of them keeps it.

        halves: of the vectors of a pair of models; None: they are of one model.
        """
        key = (id(linear_map), halves)
        projection = self._projections.get(key)
        if projection is None:
            projection = self._projections[key] = ProjectedVectors(self, linear_map, halves)
        return projection

    def add(self, agent: int, vectors: NDArray[np.float16], handles: Sequence[int]) -> Rows:
        """Add the interests of an agent, vectors [n, dimension], and return their rows."""
        count = len(vectors)
        reused = min(count, len(self._free))
        rows = [self._free.pop() for _ in range(reused)]
        rows += range(self._used, self._used + count - reused)
        self._used += count - reused
        if self._used > len(self.vectors):
            self._grow()
        added = np.array(rows, np.int64)
        self.vectors[added] = vectors
        self.handle[added] = handles
        self.agent[added] = agent
        self.interest[added] = np.arange(count)
        self.held[added] = count
        for projection in self._projections.values():
            projection.invalidate(added)
        return added

    def remove(self, rows: Rows) -> None:
        """Remove interests."""
        self._free.extend(rows.tolist())

    def stored(self, rows: Rows) -> NDArray[np.float16]:
        """Return the vectors as they were stored."""
        return self.vectors[rows]

    def _grow(self) -> None:
        size = max(self._used, len(self.vectors) * 3 // 2)
        for name in ("vectors", "handle", "agent", "interest", "held"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


class ProjectedVectors:
    """The vectors of a table as scorers with one linear map compare them.

    With a map M on both sides of the cosine, cos(uM, vM) = (uM·Mᵀ) · v / (|uM| |vM|). So the map is applied to the
    message's side alone, and a row needs only its factor 1 / |vM|, computed when the row is first compared. Rows stay
    as they were stored, whatever the map, and several maps can share them.
    """

    def __init__(self, table: VectorTable, linear_map: Floats | None, halves: Halves | None = None) -> None:
        self.table = table
        self._blocks = [] if linear_map is None else _blocks(linear_map, halves)
        self._grams = [(block, _gram(linear)) for block, linear in self._blocks]
        stretches = [_stretch(gram) for _, gram in self._grams] or [1.0, 1.0]
        self.kinds = None
        """Of the rows; None for vectors of one model."""
        if halves is not None:
            self.kinds = RowKinds(halves, len(table.vectors), math.sqrt(stretches[1] / sum(stretches)))
        self._least = _VANISHED * sum(stretches) / len(stretches)
        self._factored = bool(self._blocks) or halves is not None
        self._shrink = np.full(len(table.vectors) if self._factored else 0, np.nan, np.float32)
        """By row: 1 / |vM|, NaN where it is not computed yet; empty where every vector has length 1.

        Of a row in another language than English it is `RowKinds.evening` / |v₂M₂|, which only the scan uses.
        """

    @property
    def halves(self) -> NDArray[np.uint16]:
        """The bits of the vectors, as they were stored."""
        return self.table.vectors.view(np.uint16)

    @property
    def shrink(self) -> Floats:
        """The factor of each row's cosine, NaN where it is not computed yet; empty: no factor."""
        return self._shrink

    def toward(self, units: Floats) -> Floats:
        """Return for unit vectors [n, dimension] the vectors whose dot product with a `scaled` row is the cosine.

        With G = M·Mᵀ that is u·G / |uM|, where |uM|² = (u·G) · u: one matrix product instead of two.
        """
        units = np.ascontiguousarray(units, np.float32)
        if not self._factored:
            return units
        mapped = _product(units, self._grams)
        squared = np.vecdot(mapped, units)
        mapped /= np.sqrt(np.maximum(squared, self._least, out=squared))[:, None]
        return mapped

    def invalidate(self, rows: Rows) -> None:
        """Forget the factors of rows whose vectors have changed."""
        if self._factored:
            missing = len(self.table.vectors) - len(self._shrink)
            if missing:
                self._shrink = np.concatenate([self._shrink, np.full(missing, np.nan, np.float32)])
                if self.kinds is not None:
                    self.kinds.grow(missing)
            self._shrink[rows] = np.nan

    def prepare(self, rows: Rows) -> None:
        """Compute the factors of these rows, so that no search has to."""
        if not self._factored:
            return
        unknown = rows[np.isnan(self._shrink[rows])]
        if len(unknown):
            vectors = widen(self.table.vectors[unknown])
            mapped = _product(vectors, self._blocks)
            length = np.linalg.norm(mapped, axis=1)
            if self.kinds is not None:
                second = np.linalg.norm(mapped[:, self.kinds.halves[0] :], axis=1)
                english = self.kinds.write(unknown, vectors, second, length)
                length = np.where(english, length, second / self.kinds.evening)
            shrinkage = np.zeros(len(unknown), np.float32)
            np.divide(1.0, length, out=shrinkage, where=length > 0)
            self._shrink[unknown] = shrinkage

    def scaled(self, rows: Rows) -> Floats:
        """Return the vectors of rows [rows, dimension], each times its factor."""
        if kernels.compiled is not None:
            widened = np.empty((len(rows), self.table.vectors.shape[1]), np.float32)
            if not kernels.compiled.scaled(self.halves, self._shrink, rows, widened):
                self.prepare(rows)
                kernels.compiled.scaled(self.halves, self._shrink, rows, widened)
            return widened
        scaled = widen(self.table.vectors.take(rows, axis=0, mode="clip"))
        if self._factored:
            shrink = self._shrink[rows]
            if math.isnan(shrink.sum()):
                self.prepare(rows)
                shrink = self._shrink[rows]
            scaled *= shrink[:, None]
        return scaled

    def cosines(self, toward: Floats, unit: NDArray[np.integer], rows: Rows, kinds: UnitKinds | None = None) -> Floats:
        """Return the exact cosine of each pair [pairs] of a unit, made by `toward`, and a row that was `scaled` before.

        kinds: of the units, where the vectors are of a pair of models. The units ascend. Each cosine is summed by
        itself, so it is the same to the last bit whatever the other pairs.
        """
        dots = np.empty(len(rows), np.float32)
        if kernels.compiled is not None:
            shrink = self._shrink if kinds is None else self._shrink[:0]
            kernels.compiled.cosines(self.halves, shrink, toward, unit, rows, dots)
            return self._by_kind(dots, unit, rows, kinds)
        raised = toward * _REBIAS  # instead of every row: a power of two changes no digit
        if len(rows) <= _BLOCK:
            half = self.table.vectors.take(rows, axis=0, mode="clip")
            np.vecdot(_shifted(half), raised if len(raised) == 1 else raised[unit], out=dots)
        else:  # unit by unit: a unit is read again from the nearest cache instead of being copied
            ends = np.searchsorted(unit, np.arange(len(raised)), side="right").tolist()
            for number, (start, end) in enumerate(pairwise([0, *ends])):
                for at in range(start, end, _BLOCK):
                    block = slice(at, min(end, at + _BLOCK))
                    half = self.table.vectors.take(rows[block], axis=0, mode="clip")
                    np.vecdot(_shifted(half), raised[number], out=dots[block])
        if kinds is None and self._factored:
            dots *= self._shrink[rows]
        return self._by_kind(dots, unit, rows, kinds)

    def both_english(self, unit: NDArray[np.integer], rows: Rows, kinds: UnitKinds) -> NDArray[np.bool_]:
        """Tell of each pair [pairs] whether the unit and the row are English."""
        assert self.kinds is not None
        both: NDArray[np.uint8] = kinds.english[unit] & self.kinds.english[rows]
        return both.view(np.bool_)

    def _by_kind(self, dots: Floats, unit: NDArray[np.integer], rows: Rows, kinds: UnitKinds | None) -> Floats:
        if kinds is None or self.kinds is None:
            return dots
        both = self.both_english(unit, rows, kinds)
        dots *= np.where(both, self._shrink[rows], kinds.lift[unit] * self.kinds.alone[rows])
        return dots
