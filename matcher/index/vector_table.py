"""Lines: the interests of all agents as vectors, one row each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from matcher import kernels

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_VANISHED: Final = np.float32(1e-7)
"""A unit whose squared length a map brings below this share of the mean meets nothing: only rounding is left of it."""

_BLOCK: Final = 256
"""Rows widened at a time, few enough to stay in the second cache."""

_SIGN_AND_DIGITS: Final = np.int32(-0x70002000)  # 0x8fffe000: sign, 5 bits of exponent, 10 of fraction
_REBIAS: Final = np.float32(2.0**112)  # half counts exponents from 15, single from 127


def widen(half: NDArray[np.float16]) -> Floats:
    """Convert halves to singles, exactly; infinities and NaN, which no vector holds, excepted.

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


def _gram(linear_map: Floats) -> Floats:
    wide = linear_map.astype(np.float64)
    return np.asarray(wide @ wide.T, np.float32)


class VectorTable:
    """Keep each interest's vector as the store does (16 bits), with whose it is and its line in the lexicon."""

    def __init__(self, dimension: int) -> None:
        self.vectors = np.zeros((256, dimension), np.float16)
        self.handle = np.zeros(256, np.int64)
        self.slot = np.zeros(256, np.int64)
        self.interest = np.zeros(256, np.int64)
        self.held = np.zeros(256, np.int64)
        self._used = 0
        self._free: list[int] = []
        self._mapped: WeakValueDictionary[int, ProjectedVectors] = WeakValueDictionary()

    def __len__(self) -> int:
        """Count the rows in use."""
        return self._used - len(self._free)

    def under(self, linear_map: Floats | None) -> ProjectedVectors:
        """Return the rows as a map shows them; the table refers to them weakly, so the caller must keep them."""
        mapped = self._mapped.get(id(linear_map))
        if mapped is None:
            mapped = self._mapped[id(linear_map)] = ProjectedVectors(self, linear_map)
        return mapped

    def add(self, slot: int, vectors: NDArray[np.float16], handles: Sequence[int]) -> Rows:
        """Take the interests of an agent in, vectors [n, dimension], and return their rows."""
        count = len(vectors)
        reused = min(count, len(self._free))
        rows = [self._free.pop() for _ in range(reused)]
        rows += range(self._used, self._used + count - reused)
        self._used += count - reused
        if self._used > len(self.vectors):
            self._grow()
        taken = np.array(rows, np.int64)
        self.vectors[taken] = vectors
        self.handle[taken] = handles
        self.slot[taken] = slot
        self.interest[taken] = np.arange(count)
        self.held[taken] = count
        for mapped in self._mapped.values():
            mapped.renew(taken)
        return taken

    def remove(self, rows: Rows) -> None:
        """Give rows back."""
        self._free.extend(rows.tolist())

    def stored(self, rows: Rows) -> NDArray[np.float16]:
        """Return the vectors as they were stored."""
        return self.vectors[rows]

    def _grow(self) -> None:
        size = max(self._used, len(self.vectors) * 3 // 2)
        for name in ("vectors", "handle", "slot", "interest", "held"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


class ProjectedVectors:
    """The rows as scorers with one linear map compare them.

    With a map M on both sides of the cosine, cos(uM, vM) = (uM·Mᵀ) · v / (|uM| |vM|): the map is put on the
    message's side alone, and of it a row needs only 1 / |vM|, reckoned when the row is first compared. So rows
    stay as they were stored, whatever the map, and several maps may be put on the same rows.
    """

    def __init__(self, lines: VectorTable, linear_map: Floats | None) -> None:
        self.lines = lines
        self._map = linear_map
        self._gram = None if linear_map is None else _gram(linear_map)
        self._least = _VANISHED * (1.0 if self._gram is None else float(np.trace(self._gram)) / len(self._gram))
        self._shrink = np.full(0 if linear_map is None else len(lines.vectors), np.nan, np.float32)

    @property
    def halves(self) -> NDArray[np.uint16]:
        """The vectors' bits, as they were stored."""
        return self.lines.vectors.view(np.uint16)

    @property
    def shrink(self) -> Floats:
        """What each row's cosine is multiplied with, NaN where nobody has asked; empty: with nothing."""
        return self._shrink

    def toward(self, units: Floats) -> Floats:
        """Turn unit vectors [n, dimension] into those whose dot product with a `scaled` row is the cosine.

        With G = M·Mᵀ it is u·G / |uM|, and |uM|² = (u·G) · u: one product in place of two.
        """
        units = np.ascontiguousarray(units, np.float32)
        if self._gram is None:
            return units
        mapped: Floats = units @ self._gram
        squared = np.vecdot(mapped, units)
        mapped /= np.sqrt(np.maximum(squared, self._least, out=squared))[:, None]
        return mapped

    def renew(self, rows: Rows) -> None:
        """Forget what is known of rows that hold other vectors now."""
        if self._map is not None:
            missing = len(self.lines.vectors) - len(self._shrink)
            if missing:
                self._shrink = np.concatenate([self._shrink, np.full(missing, np.nan, np.float32)])
            self._shrink[rows] = np.nan

    def prepare(self, rows: Rows) -> None:
        """Reckon what comparing these rows will need."""
        if self._map is None:
            return
        unknown = rows[np.isnan(self._shrink[rows])]
        if len(unknown):
            length = np.linalg.norm(widen(self.lines.vectors[unknown]) @ self._map, axis=1)
            shrinkage = np.zeros(len(unknown), np.float32)
            np.divide(1.0, length, out=shrinkage, where=length > 0)
            self._shrink[unknown] = shrinkage

    def scaled(self, rows: Rows) -> Floats:
        """Return the vectors, scaled as the scorer's projection scales them."""
        if kernels.compiled is not None:
            widened = np.empty((len(rows), self.lines.vectors.shape[1]), np.float32)
            if not kernels.compiled.scaled(self.halves, self._shrink, rows, widened):
                self.prepare(rows)
                kernels.compiled.scaled(self.halves, self._shrink, rows, widened)
            return widened
        scaled = widen(self.lines.vectors.take(rows, axis=0, mode="clip"))
        if self._map is not None:
            shrink = self._shrink[rows]
            if math.isnan(shrink.sum()):
                self.prepare(rows)
                shrink = self._shrink[rows]
            scaled *= shrink[:, None]
        return scaled

    def cosines(self, toward: Floats, unit: NDArray[np.integer], rows: Rows) -> Floats:
        """Return the exact cosine of each pair [pairs] of a unit, made by `toward`, and a row that was `scaled`.

        The units ascend.

        Each is summed by itself, so it is the same to the last bit whatever else is asked with it.
        """
        dots = np.empty(len(rows), np.float32)
        if kernels.compiled is not None:
            kernels.compiled.cosines(self.halves, self._shrink, toward, unit, rows, dots)
            return dots
        raised = toward * _REBIAS  # in place of every row: a power of two changes no digit
        if len(rows) <= _BLOCK:
            half = self.lines.vectors.take(rows, axis=0, mode="clip")
            np.vecdot(_shifted(half), raised if len(raised) == 1 else raised[unit], out=dots)
        else:  # unit by unit, so that a unit is read again from the nearest cache in place of being copied
            ends = np.searchsorted(unit, np.arange(len(raised)), side="right").tolist()
            for number, (start, end) in enumerate(pairwise([0, *ends])):
                for at in range(start, end, _BLOCK):
                    block = slice(at, min(end, at + _BLOCK))
                    half = self.lines.vectors.take(rows[block], axis=0, mode="clip")
                    np.vecdot(_shifted(half), raised[number], out=dots[block])
        if self._map is not None:
            dots *= self._shrink[rows]
        return dots
