"""A view: the agents who can take a channel's contacts of a pool now, and their rows under the map of its scorer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.index.quantized_rows import QuantizedRows
from matcher.index.vector_table import Floats, ProjectedVectors, Rows

_HEADROOM: Final = 1.25
_LEAST_PEAK: Final = 0.3
"""The largest component of most sentence vectors of 384 dimensions is near this."""

_ALL: Final = np.zeros(0, np.uint8)
"""In place of which rows are compared: all of them."""

_CHUNK: Final = 512
"""Rows coded at a time, few enough to stay in the second cache."""


@dataclass(slots=True)
class _Place:
    """Where a member is in the view: among the members, and each interest among the rows."""

    member: int
    rows: list[int]


class View:
    """Keep members and their coded rows without gaps; an agent comes or goes at the cost of their own rows."""

    def __init__(self, lines: ProjectedVectors, dimension: int) -> None:
        self._lines = lines
        self._dimension = dimension
        self._coded = QuantizedRows(dimension, _LEAST_PEAK)
        self._places: dict[int, _Place] = {}
        self._members = np.zeros(16, np.int64)
        self._rows = np.zeros(64, np.int64)
        self._owners = np.zeros(64, np.int64)

    def __contains__(self, slot: int) -> bool:
        return slot in self._places

    def __len__(self) -> int:
        """Count the members."""
        return len(self._places)

    @property
    def members(self) -> Rows:
        """The members' slots, in no order; valid until the next change."""
        return self._members[: len(self._places)]

    @property
    def owners(self) -> Rows:
        """Whose row each is, by position; valid until the next change."""
        return self._owners[: len(self._coded)]

    def rows_of(self, slot: int) -> list[int]:
        """Return the positions of a member's rows."""
        return self._places[slot].rows

    def fill(self, slots: Rows, rows_of: list[Rows]) -> None:
        """Add many agents at once, none of them a member."""
        counts = np.fromiter(map(len, rows_of), np.int64, len(rows_of))
        rows = np.concatenate(rows_of) if rows_of else np.zeros(0, np.int64)
        position, first = count(len(self._coded)), len(self._places)
        for number, (slot, length) in enumerate(zip(slots.tolist(), counts.tolist(), strict=True)):
            self._places[slot] = _Place(first + number, [next(position) for _ in range(length)])
        self._members = _with_room(self._members, len(self._places))
        self._members[first : len(self._places)] = slots
        self._append(rows, np.repeat(slots, counts))

    def add(self, slot: int, rows: Rows) -> None:
        """Make an agent a member."""
        start, member = len(self._coded), len(self._places)
        self._places[slot] = _Place(member, list(range(start, start + len(rows))))
        self._members = _with_room(self._members, member + 1)
        self._members[member] = slot
        self._append(rows, slot)

    def drop(self, slot: int) -> None:
        """End a membership: the last member and the last rows take the places that become empty."""
        place = self._places.pop(slot)
        last = len(self._places)
        if place.member != last:
            moved = int(self._members[last])
            self._members[place.member] = moved
            self._places[moved].member = place.member
        end = len(self._coded) - len(place.rows)
        empty = [position for position in place.rows if position < end]
        if empty:
            moved_from = sorted(set(range(end, len(self._coded))).difference(place.rows))
            rows, owners = self._rows[moved_from], self._owners[moved_from]
            self._coded.move(moved_from, empty)
            self._rows[empty], self._owners[empty] = rows, owners
            interests = self._lines.lines.interest[rows].tolist()
            for position, owner, interest in zip(empty, owners.tolist(), interests, strict=True):
                self._places[owner].rows[interest] = position
        self._coded.truncate(end)

    def above(
        self, toward: Floats, threshold: float, admitted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], Rows, Floats]:
        """Return every (unit, row of the lines, cosine) above the threshold; exact.

        toward: [units, dimension] as `MappedLines.toward` makes them; admitted: the positions compared, None: all.
        """
        compiled = kernels.compiled
        if compiled is not None and compiled.SCANS and len(self._coded):
            only = _ALL if admitted is None else admitted.view(np.uint8)
            codes, bounds, lines = self._coded.codes, self._coded.bounds, self._lines
            met: tuple[Rows, Rows, Floats] = compiled.above(
                codes, bounds, only, self._rows, lines.halves, lines.shrink, toward, threshold
            )
            return met
        unit, position = self._coded.may_exceed(toward, threshold, admitted)
        rows = self._rows[position]
        cosine = self._lines.cosines(toward, unit, rows)
        exceed = np.flatnonzero(cosine > threshold)
        return unit[exceed], rows[exceed], cosine[exceed]

    def _append(self, rows: Rows, owners: Rows | int) -> None:
        start, end = len(self._coded), len(self._coded) + len(rows)
        self._rows = _with_room(self._rows, end)
        self._owners = _with_room(self._owners, end)
        self._rows[start:end] = rows
        self._owners[start:end] = owners
        for at in range(start, end, _CHUNK):
            scaled = self._lines.scaled(self._rows[at : min(end, at + _CHUNK)])
            if not self._coded.append(scaled):
                self._recode(at, float(np.abs(scaled).max()) * _HEADROOM)
                self._coded.append(scaled)

    def _recode(self, end: int, peak: float) -> None:
        self._coded = QuantizedRows(self._dimension, peak)
        for at in range(0, end, _CHUNK):
            self._coded.append(self._lines.scaled(self._rows[at : min(end, at + _CHUNK)]))


def _with_room(array: Rows, size: int) -> Rows:
    if size <= len(array):
        return array
    larger = np.zeros(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
