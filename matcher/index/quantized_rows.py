"""Rows quantized to 8-bit codes, and the scan for those whose cosine may be above a threshold.

FAISS keeps the codes and scans them. FAISS 1.15 does not use the instruction of some processors that multiplies and
adds bytes; where there is one, the compiled `above` reads the codes in FAISS's memory, in less than half the time.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import faiss as _typed_faiss
import numpy as np
from numpy.typing import NDArray

from matcher import kernels

Floats = NDArray[np.float32]

# FAISS's stubs have the C++ signatures; its Python layer takes arrays and keywords instead.
faiss: Any = _typed_faiss

_LEVELS: Final = 127
_ZERO: Final = 128
"""The code of 0 in FAISS's QT_8bit_direct_signed."""

_ROUNDING: Final = 1e-5
"""More than the rounding error of the bound's sums, which are in single floats, for vectors of length 1."""

_NONE: Final = np.zeros(0, np.int64)

_thread = threading.local()


class QuantizedRows:
    """Keep rows [n, dimension] as signed 8-bit codes that are changed in place, and scan them.

    A scan reads a quarter of the memory of single floats, and reading memory is its cost. It misses no row: with ε the
    longest rounding error of a row and δ that of a unit, the dot product of the codes is within
    δ·|row| + ε·|coded unit| of the true one (Cauchy-Schwarz), and the scan lowers the threshold by that much. The
    caller then compares exactly what the scan returns.

    The codes lie in the one list of an inverted file, since FAISS's range search over a bare scalar quantizer
    decodes row by row (50 times slower, faiss 1.15). Not for several threads at once.
    """

    def __init__(self, dimension: int, peak: float) -> None:
        self.peak = peak
        """The largest component a row may have; a larger one needs new codes for all rows."""
        self._scale = _LEVELS / peak
        self._error = 0.0
        self._length = 0.0
        self._count = 0
        self._listed = 0
        """Rows in FAISS's list: as many as there are or, until the next scan, more."""
        self._capacity = 0
        self._quantizer = faiss.IndexFlatIP(dimension)
        self._quantizer.add(np.zeros((1, dimension), np.float32))
        self._file = faiss.IndexIVFScalarQuantizer(
            self._quantizer,
            dimension,
            1,
            faiss.ScalarQuantizer.QT_8bit_direct_signed,
            faiss.METRIC_INNER_PRODUCT,
            False,
        )
        self._file.is_trained = True
        self._lists = faiss.downcast_InvertedLists(self._file.invlists)
        self._codes = np.zeros((0, dimension), np.uint8)
        self._positions = self._numbers = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    @property
    def codes(self) -> NDArray[np.uint8]:
        """The codes [rows, dimension], as FAISS keeps them; valid until the next change."""
        return self._codes[: self._count]

    @property
    def bounds(self) -> tuple[float, float, float]:
        """The factor of a component, the length of the longest row, and that of the longest rounding error."""
        return self._scale, self._length, self._error

    def append(self, rows: Floats) -> bool:
        """Append rows [n, dimension]; return False, and append none, where a component exceeds `peak`."""
        if not len(rows):
            return True
        start, count = self._count, self._count + len(rows)
        if count > self._capacity:
            self._reserve(max(count, 2 * self._capacity, 64))
        if count > self._listed:
            self._resize(count)
        largest, error, length = _coded(rows, self._scale, self._codes[start:count])
        if largest > self.peak:
            return False
        self._count = count
        self._positions[start:count] = self._numbers[start:count]
        self._error = max(self._error, error)
        self._length = max(self._length, length)
        return True

    def move(self, sources: list[int], targets: list[int]) -> None:
        """Copy the rows at `sources` over those at `targets`, of which none is a source."""
        self._codes[targets] = self._codes[sources]

    def truncate(self, count: int) -> None:
        """Keep the first rows only."""
        self._count = count

    def may_exceed(
        self, units: Floats, threshold: float, admitted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (unit, row) of every pair whose dot product exceeds the threshold, and of few others.

        units: [units, dimension]; admitted: [rows], whether a row is compared; None: all are.
        """
        if not self._count or not units.size:
            return _NONE, _NONE
        largest = max(float(units.max()), -float(units.min())) or 1.0
        if getattr(_thread, "threads", 0) != 1:
            faiss.omp_set_num_threads(1)  # set for this thread alone; more threads would take the encoder's cores
            _thread.threads = 1
        if self._listed != self._count:
            self._resize(self._count)
        scale = _LEVELS / largest
        rounded = np.rint(units * np.float32(scale))
        coded = rounded / np.float32(scale)
        longest = _longest(coded)
        rounding = _ROUNDING * max(1.0, longest * self._length)
        slack = _longest(units - coded) * self._length + longest * self._error + rounding
        parameters = None
        if admitted is not None:
            bits = np.packbits(admitted, bitorder="little")
            parameters = faiss.SearchParametersIVF(sel=faiss.IDSelectorBitmap(bits), nprobe=1)
        radius = (threshold - slack) * self._scale * scale
        count = len(units)
        result = faiss.RangeSearchResult(count)
        self._file.range_search_c(count, faiss.swig_ptr(rounded), radius, result, parameters)
        limits = faiss.rev_swig_ptr(result.lims, count + 1).astype(np.int64)
        position = faiss.rev_swig_ptr(result.labels, int(limits[-1])).copy()
        if count == 1:
            return np.zeros(len(position), np.int64), position
        return np.repeat(np.arange(count), limits[1:] - limits[:-1]), position

    def _reserve(self, capacity: int) -> None:
        self._resize(capacity)
        dimension = self._codes.shape[1]
        # Arrays over FAISS's own memory: valid until it grows again, which happens only here.
        self._codes = faiss.rev_swig_ptr(self._lists.get_codes(0), capacity * dimension).reshape(capacity, dimension)
        self._positions = faiss.rev_swig_ptr(self._lists.get_ids(0), capacity)
        self._numbers = np.arange(capacity)
        self._capacity = capacity

    def _resize(self, count: int) -> None:
        self._lists.resize(0, count)
        self._listed = count


def _coded(rows: Floats, scale: float, codes: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Write the codes of rows [n, dimension]; return the largest component, longest error and longest row."""
    if kernels.compiled is not None:
        largest, error, length = kernels.compiled.coded(rows, scale, codes)
        return largest, math.sqrt(error), math.sqrt(length)
    rounded = np.rint(rows * np.float32(scale))
    np.add(rounded, _ZERO, out=codes, casting="unsafe")
    rounded *= np.float32(-1 / scale)
    rounded += rows
    return float(np.abs(rows).max()), _longest(rounded), _longest(rows)


def _longest(vectors: Floats) -> float:
    """Return the length of the longest vector."""
    return math.sqrt(np.vecdot(vectors, vectors).max())
