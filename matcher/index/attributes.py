"""Attributes of agents: what hard constraints check of a profile, kept once for all agents that share it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.model import ChannelCapacity, Constraint, Profile, Requirements
from matcher.model.languages import found_under, looked_up

MOST_COLUMNS: Final = 512
"""Columns kept; the least recently used is evicted first."""


class Attribute(Enum):
    """Kinds of attributes; a pool's, channel's, language's or skill's name selects one of its kind."""

    POOL = "pool"
    COST = "cost"
    MOST = "most"
    LANGUAGE = "language"
    SKILL = "skill"


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """Hold the pools, channels, languages (as they are found), skills and total capacity of a profile."""

    pools: frozenset[str]
    channels: Mapping[str, ChannelCapacity]
    languages: frozenset[str]
    skills: Mapping[str, int]
    total: int

    @classmethod
    def of(cls, profile: Profile) -> Attributes:
        """Return the attributes of a profile."""
        return cls(
            frozenset(profile.pools),
            dict(profile.capacity.channels),
            frozenset(name for language in profile.languages for name in found_under(language)),
            dict(profile.skills),
            profile.capacity.total,
        )

    def key(self) -> object:
        """Return a hashable value that is equal for equal attributes."""
        return (
            self.pools,
            frozenset((name, channel.cost, channel.max) for name, channel in self.channels.items()),
            self.languages,
            frozenset(self.skills.items()),
            self.total,
        )

    def names(self) -> Iterator[tuple[Attribute, str]]:
        """Yield the kind and name of every attribute whose value is not the default."""
        for pool in self.pools:
            yield Attribute.POOL, pool
        for channel in self.channels:
            yield Attribute.COST, channel
            yield Attribute.MOST, channel
        for language in self.languages:
            yield Attribute.LANGUAGE, language
        for skill in self.skills:
            yield Attribute.SKILL, skill


def unmet_attributes(attributes: Attributes, requirements: Requirements) -> list[Constraint]:
    """Return the constraints that attributes do not meet: pool, channel, language, skills."""
    language, skills = requirements.language, requirements.skills
    met = {
        Constraint.POOL: requirements.pool in attributes.pools,
        Constraint.CHANNEL: requirements.channel in attributes.channels,
        Constraint.LANGUAGE: not language or any(name in attributes.languages for name in looked_up(language)),
        Constraint.SKILL: all(attributes.skills.get(skill, ABSENT) >= level for skill, level in skills.items()),
    }
    return [constraint for constraint, holds in met.items() if not holds]


def unmet_by_profile(profile: Profile, requirements: Requirements) -> list[Constraint]:
    """Return the constraints that a profile does not meet: pool, channel, language, skills."""
    return unmet_attributes(Attributes.of(profile), requirements)


ABSENT: Final = -1
"""The cost of a channel that an agent does not serve, and the level of a skill that an agent does not have."""

_VALUES: Final[Mapping[Attribute, Callable[[Attributes, str], int]]] = {
    Attribute.POOL: lambda attributes, name: name in attributes.pools,
    Attribute.COST: lambda attributes, name: attributes.channels[name].cost if name in attributes.channels else ABSENT,
    Attribute.MOST: lambda attributes, name: attributes.channels[name].max if name in attributes.channels else 0,
    Attribute.LANGUAGE: lambda attributes, name: name in attributes.languages,
    Attribute.SKILL: lambda attributes, name: attributes.skills.get(name, ABSENT),
}
_DEFAULT: Final = {Attribute.COST: ABSENT, Attribute.SKILL: ABSENT}


class AttributeTable:
    """Number the distinct attributes of a roster, and return one attribute's values of all of them as an array.

    Agents of one pool mostly share their attributes, so a column holds few values and is computed once.
    """

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._attributes: list[Attributes] = []
        self._keys: list[object] = []
        self._uses: list[int] = []
        self._free: list[int] = []
        self._names: Counter[tuple[Attribute, str]] = Counter()
        self._columns: OrderedDict[tuple[Attribute, str], NDArray[np.int64]] = OrderedDict()
        self._in_pool: Counter[str] = Counter()
        self._total = np.zeros(64, np.int64)
        self.changes = 0
        """Grows with every change of an agent's attributes."""

    def __getitem__(self, number: int) -> Attributes:
        return self._attributes[number]

    def __len__(self) -> int:
        """Count the numbers, used or free."""
        return len(self._attributes)

    def acquire(self, attributes: Attributes) -> int:
        """Count one more agent with these attributes and return their number."""
        key = attributes.key()
        self.changes += 1
        self._in_pool.update(attributes.pools)
        number = self._numbers.get(key)
        if number is not None:
            self._uses[number] += 1
            return number
        if self._free:
            number = self._free.pop()
            self._attributes[number], self._keys[number], self._uses[number] = attributes, key, 1
            for (attribute, name), column in self._columns.items():
                if number < len(column):
                    column[number] = _VALUES[attribute](attributes, name)
        else:
            number = len(self._attributes)
            self._attributes.append(attributes)
            self._keys.append(key)
            self._uses.append(1)
            if number == len(self._total):
                self._total = np.concatenate([self._total, np.zeros_like(self._total)])
        self._total[number] = attributes.total
        self._numbers[key] = number
        self._names.update(attributes.names())
        return number

    def release(self, number: int) -> None:
        """Count one agent less; the number of attributes that no agent has is used again."""
        self.changes += 1
        for pool in self._attributes[number].pools:
            self._in_pool[pool] -= 1
            if not self._in_pool[pool]:
                del self._in_pool[pool]
        self._uses[number] -= 1
        if self._uses[number]:
            return
        del self._numbers[self._keys[number]]
        for name in self._attributes[number].names():
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
                self._columns.pop(name, None)
        self._free.append(number)

    def in_pool(self, pool: str) -> int:
        """Return the number of agents of a pool."""
        return self._in_pool[pool]

    def uses(self) -> NDArray[np.int64]:
        """Return the number of agents by attributes' number."""
        return np.array(self._uses, np.int64)

    def totals(self) -> NDArray[np.int64]:
        """Return the total capacity by attributes' number."""
        return self._total[: len(self._attributes)]

    def column(self, attribute: Attribute, name: str) -> NDArray[np.int64]:
        """Return an attribute's value by attributes' number: 1 for yes, a cost or a level; ABSENT where there is none.

        The column of a name that no agent has is not kept, so that callers cannot fill the memory with names.
        """
        key = (attribute, name)
        if key not in self._names:
            return np.full(len(self._attributes), _DEFAULT.get(attribute, 0), np.int64)
        column = self._columns.get(key)
        filled = 0 if column is None else len(column)
        if column is None or filled < len(self._attributes):
            value = _VALUES[attribute]
            missing = np.array([value(attributes, name) for attributes in self._attributes[filled:]], np.int64)
            column = missing if column is None else np.concatenate([column, missing])
            self._columns[key] = column
            if len(self._columns) > MOST_COLUMNS:
                self._columns.popitem(last=False)
        self._columns.move_to_end(key)
        return column

    def meets(self, language: str, skills: Mapping[str, int]) -> NDArray[np.bool_] | None:
        """Tell by number whether language and skills, at their least levels, are met; None: all of them meet them."""
        met: NDArray[np.bool_] | None = None
        if language:
            met = self.speaks(language)
        if skills:
            skilled = self.has_skills(skills)
            met = skilled if met is None else met & skilled
        return met

    def speaks(self, language: str) -> NDArray[np.bool_]:
        """Tell by number whether the language is spoken; the language "" always is."""
        if not language:
            return np.ones(len(self._attributes), np.bool_)
        spoken, broader = (self.column(Attribute.LANGUAGE, name) > 0 for name in looked_up(language))
        return spoken | broader

    def skills_of_none(self, numbers: NDArray[np.int64], skills: Mapping[str, int]) -> dict[str, int]:
        """Return the skills that none of these numbers has at its least level."""
        return {name: least for name, least in skills.items() if not self.has_skills({name: least})[numbers].any()}

    def has_skills(self, skills: Mapping[str, int]) -> NDArray[np.bool_]:
        """Tell by number whether every skill is there at its least level or above."""
        met = np.ones(len(self._attributes), np.bool_)
        for name, least in skills.items():
            level = self.column(Attribute.SKILL, name)
            met &= (level >= least) & (level > ABSENT)
        return met
