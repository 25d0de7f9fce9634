"""Lines: the interests of all agents as vectors, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_BLOCK: Final = 256
"""Rows widened at a time, few enough to stay in the second cache."""

_SIGN_AND_DIGITS: Final = np.int32(-0x70002000)  # 0x8fffe000: sign, 5 bits of exponent, 10 of fraction
_REBIAS: Final = np.float32(2.0**112)  # half counts exponents from 15, single from 127


def widen(half: NDArray[np.float16]) -> Floats:
    """Convert halves to singles, exactly; infinities and NaN, which no vector holds, excepted.

    numpy's own cast takes several times as long (it is not vectorised on every machine).
    """
    bits = half.view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_DIGITS, out=bits)
    single = bits.view(np.float32)
    np.multiply(single, _REBIAS, out=single)
    return single


class LineTable:
    """Keep each interest's vector as the store does (16 bits), with whose it is and its line in the lexicon.

    With a linear map M on both sides of the cosine, cos(uM, vM) = (uM·Mᵀ) · v / (|uM| |vM|): the map is put on the
    message's side alone, and of it a row keeps only 1 / |vM|. So rows stay as they were stored, whatever the map.
    """

    def __init__(self, dimension: int, linear_map: Floats | None) -> None:
        self._map = linear_map
        self._vectors = np.zeros((256, dimension), np.float16)
        self._shrink = np.zeros(256, np.float32)
        self.handle = np.zeros(256, np.int64)
        self.slot = np.zeros(256, np.int64)
        self.interest = np.zeros(256, np.int64)
        self.held = np.zeros(256, np.int64)
        self._used = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        """Count the rows in use."""
        return self._used - len(self._free)

    def toward(self, projected: Floats) -> Floats:
        """Turn projected unit vectors [n, k] into those whose dot product with a `scaled` row is the cosine."""
        if self._map is None:
            return projected
        return np.ascontiguousarray(projected @ self._map.T, dtype=np.float32)

    def add(self, slot: int, vectors: NDArray[np.float16], handles: Sequence[int]) -> Rows:
        """Take the interests of an agent in, vectors [n, dimension], and return their rows."""
        count = len(vectors)
        reused = min(count, len(self._free))
        rows = [self._free.pop() for _ in range(reused)]
        rows += range(self._used, self._used + count - reused)
        self._used += count - reused
        if self._used > len(self._vectors):
            self._grow()
        taken = np.array(rows, np.int64)
        self._vectors[taken] = vectors
        self._shrink[taken] = self._shrinkage(vectors)
        self.handle[taken] = handles
        self.slot[taken] = slot
        self.interest[taken] = np.arange(count)
        self.held[taken] = count
        return taken

    def remove(self, rows: Rows) -> None:
        """Give rows back."""
        self._free.extend(rows.tolist())

    def stored(self, rows: Rows) -> NDArray[np.float16]:
        """Return the vectors as they were stored."""
        return self._vectors[rows]

    def scaled(self, rows: Rows) -> Floats:
        """Return the vectors, scaled as the scorer's projection scales them."""
        scaled = widen(self._vectors[rows])
        scaled *= self._shrink[rows][:, None]
        return scaled

    def cosines(self, toward: Floats, unit: NDArray[np.integer], rows: Rows) -> Floats:
        """Return the exact cosine of each pair [pairs] of a unit, as made by `toward`, and a row; units ascending.

        Each is summed by itself, so it is the same to the last bit whatever else is asked with it.
        """
        dots = np.empty(len(rows), np.float32)
        if len(rows) <= _BLOCK:
            np.vecdot(widen(self._vectors[rows]), toward[unit], out=dots)
        else:  # unit by unit, so that a unit is read again from the nearest cache in place of being copied
            ends = np.searchsorted(unit, np.arange(len(toward)), side="right").tolist()
            for number, (start, end) in enumerate(pairwise([0, *ends])):
                for at in range(start, end, _BLOCK):
                    block = slice(at, min(end, at + _BLOCK))
                    np.vecdot(widen(self._vectors[rows[block]]), toward[number], out=dots[block])
        dots *= self._shrink[rows]
        return dots

    def _shrinkage(self, vectors: NDArray[np.float16]) -> Floats:
        """Return 1 / |vM|, as `Scorer.project` would bring vM to length 1; it leaves v as it is without a map."""
        if self._map is None:
            return np.ones(len(vectors), np.float32)
        length = np.linalg.norm(widen(vectors) @ self._map, axis=1)
        shrinkage = np.zeros(len(vectors), np.float32)
        np.divide(1.0, length, out=shrinkage, where=length > 0)
        return shrinkage

    def _grow(self) -> None:
        size = max(self._used, len(self._vectors) * 3 // 2)
        for name in ("_vectors", "_shrink", "handle", "slot", "interest", "held"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
