"""Counts of agents that a search excludes, by constraint, without visiting every agent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import ABSENT, Attribute
from matcher.index.filters import ORDER
from matcher.model import LeftOut, Requirements
from matcher.model.languages import compared

MOST_SPLITS: Final = 256
"""Most cached splits (see `_Split`); the least recently used is evicted first."""

_BY_ATTRIBUTES: Final = 4
"""Constraints that an agent's attributes decide: POOL, CHANNEL, LANGUAGE, SKILL, in the order they are applied."""


@dataclass(frozen=True, slots=True)
class _Split:
    """The agents by the first constraint that their attributes do not meet."""

    changes: int
    """`AttributeTable.changes` when the split was computed."""
    unmet: NDArray[np.intp]
    """By attributes' number: the first constraint not met, counted from 0; `_BY_ATTRIBUTES`: all are met."""
    able: NDArray[np.int64]
    """By attributes' number: 1 where all constraints are met, else 0."""
    counts: tuple[int, ...]
    """Agents by the first constraint not met, in the order of the constraints, then the agents that meet all."""


class ExclusionCounts:
    """Count the agents that requirements exclude, each by the first constraint that the agent does not meet.

    Agents of one pool mostly share their attributes, so requirements are checked once for each distinct set of
    attributes, and the result is kept until a profile changes. Agents online are counted by attributes as their status
    changes, and a view knows the agents with free capacity.
    """

    def __init__(self, agents: AgentTable) -> None:
        self._agents = agents
        self._splits: OrderedDict[Hashable, _Split] = OrderedDict()

    def of(self, requirements: Requirements, eligible: int) -> LeftOut:
        """Return the counts; eligible: the number of agents that meet every constraint."""
        split = self._split(requirements)
        pool, channel, language, skill, able = split.counts
        by_attributes = [pool, channel, language, skill]
        online = int(split.able @ self._agents.online_by_attributes())
        away = able - online
        excluded = 0
        for agent in requirements.excluded:
            row = self._agents.row_of.get(agent)
            if row is None:
                continue
            unmet = split.unmet[self._agents.attributes[row]]
            if unmet == 0:
                continue
            excluded += 1
            if unmet < _BY_ATTRIBUTES:
                by_attributes[unmet] -= 1
            elif self._agents.is_online(row):
                online -= 1
            else:
                away -= 1
        pool, channel, language, skill = by_attributes
        counts = (pool, excluded, channel, language, skill, away, online - eligible)
        return LeftOut({constraint: count for constraint, count in zip(ORDER, counts, strict=True) if count})

    def online(self, requirements: Requirements) -> int:
        """Count the agents who are ONLINE and meet the other constraints, whether or not they have free capacity."""
        split = self._split(requirements)
        if requirements.only:
            row = self._agents.row_of.get(requirements.only)
            rows = [] if row is None or requirements.only in requirements.excluded else [row]
            return sum(self._counts_as_online(split, row) for row in rows)
        online = int(split.able @ self._agents.online_by_attributes())
        rows = [row for row in map(self._agents.row_of.get, requirements.excluded) if row is not None]
        return online - sum(self._counts_as_online(split, row) for row in rows)

    def _counts_as_online(self, split: _Split, row: int) -> bool:
        return bool(split.able[self._agents.attributes[row]]) and self._agents.is_online(row)

    def _split(self, requirements: Requirements) -> _Split:
        skills = frozenset(requirements.skills.items()) if requirements.skills else None
        key = (
            requirements.pool,
            requirements.channel,
            requirements.language and compared(requirements.language),
            skills,
        )
        split = self._splits.get(key)
        if split is None or split.changes != self._agents.attribute_table.changes:
            split = self._splits[key] = self._compute_split(requirements)
            if len(self._splits) > MOST_SPLITS:
                self._splits.popitem(last=False)
        self._splits.move_to_end(key)
        return split

    def _compute_split(self, requirements: Requirements) -> _Split:
        table = self._agents.attribute_table
        never = np.zeros(len(table), np.bool_)
        met = (
            table.column(Attribute.POOL, requirements.pool) > 0,
            table.column(Attribute.COST, requirements.channel) != ABSENT,
            table.speaks(requirements.language),
            table.has_skills(requirements.skills),
        )
        unmet = np.argmin(np.vstack([*met, never]), axis=0)
        counts = np.bincount(unmet, table.uses(), minlength=_BY_ATTRIBUTES + 1)
        able = (unmet == _BY_ATTRIBUTES).astype(np.int64)
        return _Split(table.changes, unmet, able, tuple(int(count) for count in counts))
