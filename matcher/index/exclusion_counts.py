"""Who is left out of a search, counted without looking at everybody."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.index.agent_table import AgentTable
from matcher.index.attributes import NOT_TAKEN, Attribute
from matcher.index.filters import ORDER
from matcher.model import LeftOut, Requirements

MOST_SPLITS: Final = 256
"""Questions whose answer is kept; the one asked longest ago is forgotten first."""

_BY_TRAITS: Final = 4
"""Constraints that an agent's traits decide: POOL, CHANNEL, LANGUAGE, SKILL, in the order they are applied."""


@dataclass(frozen=True, slots=True)
class _Split:
    """The agents parted by the first constraint that their traits do not meet."""

    changes: int
    """Of the traits, when it was made."""
    unmet: NDArray[np.intp]
    """By traits: which is the first not met, counted from 0; `_BY_TRAITS`: none."""
    able: NDArray[np.int64]
    """By traits: 1 where all are met, else 0."""
    counts: tuple[int, ...]
    """Agents by the first constraint not met, in their order, then those who meet all."""


class ExclusionCounts:
    """Count who is left out by the first constraint not met.

    Agents of one team mostly share their traits, so a question is answered for all traits once and kept until a
    profile changes. Who is online is counted by traits as it changes, and who has room is what a view shows.
    """

    def __init__(self, people: AgentTable) -> None:
        self._people = people
        self._splits: OrderedDict[Hashable, _Split] = OrderedDict()

    def of(self, requirements: Requirements, eligible: int) -> LeftOut:
        """Count; eligible: how many are left."""
        split = self._split(requirements)
        pool, channel, language, skill, able = split.counts
        by_traits = [pool, channel, language, skill]
        present = int(split.able @ self._people.online_with())
        away = able - present
        excluded = 0
        for agent in requirements.excluded:
            slot = self._people.slots.get(agent)
            if slot is None:
                continue
            unmet = split.unmet[self._people.trait[slot]]
            if unmet == 0:
                continue
            excluded += 1
            if unmet < _BY_TRAITS:
                by_traits[unmet] -= 1
            elif self._people.is_online(slot):
                present -= 1
            else:
                away -= 1
        pool, channel, language, skill = by_traits
        counts = (pool, excluded, channel, language, skill, away, present - eligible)
        return LeftOut({constraint: count for constraint, count in zip(ORDER, counts, strict=True) if count})

    def _split(self, requirements: Requirements) -> _Split:
        skills = frozenset(requirements.skills.items()) if requirements.skills else None
        asked = (requirements.pool, requirements.channel, requirements.language, skills)
        split = self._splits.get(asked)
        if split is None or split.changes != self._people.traits.changes:
            split = self._splits[asked] = self._made(requirements)
            if len(self._splits) > MOST_SPLITS:
                self._splits.popitem(last=False)
        self._splits.move_to_end(asked)
        return split

    def _made(self, requirements: Requirements) -> _Split:
        traits = self._people.traits
        nobody = np.zeros(len(traits), np.bool_)
        met = (
            traits.column(Attribute.POOL, requirements.pool) > 0,
            traits.column(Attribute.COST, requirements.channel) != NOT_TAKEN,
            traits.speaks(requirements.language),
            traits.has_skills(requirements.skills),
        )
        unmet = np.argmin(np.vstack([*met, nobody]), axis=0)
        counts = np.bincount(unmet, traits.uses(), minlength=_BY_TRAITS + 1)
        able = (unmet == _BY_TRAITS).astype(np.int64)
        return _Split(traits.changes, unmet, able, tuple(int(count) for count in counts))
