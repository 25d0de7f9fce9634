"""View: the agents of a pool with free capacity for a channel, and codes of their interests for the scan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher import kernels
from matcher.index.kinds import UnitKinds
from matcher.index.quantized_rows import QuantizedRows
from matcher.index.vector_table import Floats, ProjectedVectors, Rows

_HEADROOM: Final = 1.25
_LEAST_PEAK: Final = 0.3
"""The largest component of most sentence vectors of 384 dimensions is near this."""

_ALL: Final = np.zeros(0, np.uint8)
"""Empty mask: every row is compared."""

_CHUNK: Final = 512
"""Rows coded at a time, few enough to stay in the L2 cache."""


@dataclass(slots=True)
class _Place:
    """Where an agent is in the view: its place among the members, and the position of each of its interests."""

    member: int
    positions: list[int]


class View:
    """Keep members and the codes of their interests without gaps; a change of one agent touches its interests alone.

    A member is a row of the agent table. A position is the place of one interest in the codes; `_rows` names its row in
    the vector table, `_owners` its agent.
    """

    def __init__(self, vectors: ProjectedVectors, dimension: int) -> None:
        self._vectors = vectors
        self._dimension = dimension
        self._codes = QuantizedRows(dimension, _LEAST_PEAK)
        self._places: dict[int, _Place] = {}
        self._members = np.zeros(16, np.int64)
        self._rows = np.zeros(64, np.int64)
        self._owners = np.zeros(64, np.int64)

    def __contains__(self, agent: int) -> bool:
        return agent in self._places

    def __len__(self) -> int:
        """Count the members."""
        return len(self._places)

    @property
    def members(self) -> Rows:
        """The members, in no order; valid until the next change."""
        return self._members[: len(self._places)]

    @property
    def owners(self) -> Rows:
        """The agent that each interest belongs to, by position; valid until the next change."""
        return self._owners[: len(self._codes)]

    def positions_of(self, agent: int) -> list[int]:
        """Return the positions of a member's interests."""
        return self._places[agent].positions

    def fill(self, agents: Rows, interests: list[Rows]) -> None:
        """Add many agents at once, none of them a member, each with the rows of its interests."""
        counts = np.fromiter(map(len, interests), np.int64, len(interests))
        rows = np.concatenate(interests) if interests else np.zeros(0, np.int64)
        position, first = count(len(self._codes)), len(self._places)
        for number, (agent, length) in enumerate(zip(agents.tolist(), counts.tolist(), strict=True)):
            self._places[agent] = _Place(first + number, [next(position) for _ in range(length)])
        self._members = _grown(self._members, len(self._places))
        self._members[first : len(self._places)] = agents
        self._append(rows, np.repeat(agents, counts))

    def add(self, agent: int, rows: Rows) -> None:
        """Make an agent a member; rows: of its interests."""
        start, member = len(self._codes), len(self._places)
        self._places[agent] = _Place(member, list(range(start, start + len(rows))))
        self._members = _grown(self._members, member + 1)
        self._members[member] = agent
        self._append(rows, agent)

    def drop(self, agent: int) -> None:
        """Remove a member; the last member and the last interests move to the places that become empty."""
        place = self._places.pop(agent)
        last = len(self._places)
        if place.member != last:
            moved = int(self._members[last])
            self._members[place.member] = moved
            self._places[moved].member = place.member
        end = len(self._codes) - len(place.positions)
        empty = [position for position in place.positions if position < end]
        if empty:
            moved_from = sorted(set(range(end, len(self._codes))).difference(place.positions))
            rows, owners = self._rows[moved_from], self._owners[moved_from]
            self._codes.move(moved_from, empty)
            self._rows[empty], self._owners[empty] = rows, owners
            interests = self._vectors.table.interest[rows].tolist()
            for position, owner, interest in zip(empty, owners.tolist(), interests, strict=True):
                self._places[owner].positions[interest] = position
        self._codes.truncate(end)

    def above(
        self, toward: Floats, threshold: float, admitted: NDArray[np.bool_] | None, kinds: UnitKinds | None = None
    ) -> tuple[NDArray[np.int64], Rows, Floats]:
        """Return every (unit, row of the vector table, cosine) whose cosine is above the threshold; exact.

        toward: [units, dimension], made by `ProjectedVectors.toward`; admitted: by position, whether
        the interest is compared; None: all are. kinds: of the units, where the vectors are of a pair of models: the
        threshold is for pairs of two English texts then, and `kinds` has that of all others.
        """
        rows_kinds = self._vectors.kinds
        bars = None if kinds is None or rows_kinds is None else kinds.bars(threshold, rows_kinds)
        compiled = kernels.compiled
        if compiled is not None and compiled.SCANS and len(self._codes):
            only = _ALL if admitted is None else admitted.view(np.uint8)
            codes, bounds, vectors = self._codes.codes, self._codes.bounds, self._vectors
            by_kind = None
            if kinds is not None and rows_kinds is not None:
                by_kind = (rows_kinds.english, rows_kinds.alone, kinds.english, kinds.lift, bars, kinds.threshold)
            met: tuple[Rows, Rows, Floats] = compiled.above(
                codes, bounds, only, self._rows, vectors.halves, vectors.shrink, toward, threshold, by_kind
            )
            return met
        least = threshold if bars is None else float(bars.min(initial=np.inf))
        unit, position = self._codes.may_exceed(toward, least, admitted)
        rows = self._rows[position]
        cosine = self._vectors.cosines(toward, unit, rows, kinds)
        if kinds is not None:
            both = self._vectors.both_english(unit, rows, kinds)
            exceed = np.flatnonzero(cosine > np.where(both, np.float32(threshold), np.float32(kinds.threshold)))
        else:
            exceed = np.flatnonzero(cosine > threshold)
        return unit[exceed], rows[exceed], cosine[exceed]

    def _append(self, rows: Rows, owners: Rows | int) -> None:
        start, end = len(self._codes), len(self._codes) + len(rows)
        self._rows = _grown(self._rows, end)
        self._owners = _grown(self._owners, end)
        self._rows[start:end] = rows
        self._owners[start:end] = owners
        for at in range(start, end, _CHUNK):
            scaled = self._vectors.scaled(self._rows[at : min(end, at + _CHUNK)])
            if not self._codes.append(scaled):
                self._recode(at, float(np.abs(scaled).max()) * _HEADROOM)
                self._codes.append(scaled)

    def _recode(self, end: int, peak: float) -> None:
        self._codes = QuantizedRows(self._dimension, peak)
        for at in range(0, end, _CHUNK):
            self._codes.append(self._vectors.scaled(self._rows[at : min(end, at + _CHUNK)]))


def _grown(array: Rows, size: int) -> Rows:
    if size <= len(array):
        return array
    larger = np.zeros(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger
