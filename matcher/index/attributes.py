"""Traits: what of a profile hard constraints ask about, kept once for all agents that share it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.model import ChannelCapacity, Profile, primary_subtag

MOST_COLUMNS: Final = 512
"""Questions whose answers are kept; the one asked longest ago is forgotten first."""


class Attribute(Enum):
    """What can be asked about traits by a name."""

    POOL = "pool"
    COST = "cost"
    MOST = "most"
    LANGUAGE = "language"
    SKILL = "skill"


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """Hold the pools, channels, languages (primary subtags), skills and total capacity of a profile."""

    pools: frozenset[str]
    channels: Mapping[str, ChannelCapacity]
    languages: frozenset[str]
    skills: Mapping[str, int]
    total: int

    @classmethod
    def of(cls, profile: Profile) -> Attributes:
        """Read the traits of a profile."""
        return cls(
            frozenset(profile.pools),
            dict(profile.capacity.channels),
            frozenset(map(primary_subtag, profile.languages)),
            dict(profile.skills),
            profile.capacity.total,
        )

    def key(self) -> object:
        """Return what two equal traits have in common."""
        return (
            self.pools,
            frozenset((name, channel.cost, channel.max) for name, channel in self.channels.items()),
            self.languages,
            frozenset(self.skills.items()),
            self.total,
        )

    def names(self) -> Iterator[tuple[Attribute, str]]:
        """Name every question that has an answer other than the default."""
        for pool in self.pools:
            yield Attribute.POOL, pool
        for channel in self.channels:
            yield Attribute.COST, channel
            yield Attribute.MOST, channel
        for language in self.languages:
            yield Attribute.LANGUAGE, language
        for skill in self.skills:
            yield Attribute.SKILL, skill


NOT_TAKEN: Final = -1
"""The cost of a channel that is not taken, and the level of a skill that is not there."""

_ANSWERS: Final[Mapping[Attribute, Callable[[Attributes, str], int]]] = {
    Attribute.POOL: lambda traits, name: name in traits.pools,
    Attribute.COST: lambda traits, name: traits.channels[name].cost if name in traits.channels else NOT_TAKEN,
    Attribute.MOST: lambda traits, name: traits.channels[name].max if name in traits.channels else 0,
    Attribute.LANGUAGE: lambda traits, name: name in traits.languages,
    Attribute.SKILL: lambda traits, name: traits.skills.get(name, NOT_TAKEN),
}
_DEFAULT: Final = {Attribute.COST: NOT_TAKEN, Attribute.SKILL: NOT_TAKEN}


class AttributeTable:
    """Number the distinct traits of a roster, and answer questions for all of them as one array.

    Agents of one team mostly share their traits, so a question costs a look at each distinct one, once.
    """

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._traits: list[Attributes] = []
        self._keys: list[object] = []
        self._uses: list[int] = []
        self._free: list[int] = []
        self._known: Counter[tuple[Attribute, str]] = Counter()
        self._columns: OrderedDict[tuple[Attribute, str], NDArray[np.int64]] = OrderedDict()
        self._in_pool: Counter[str] = Counter()
        self._total = np.zeros(64, np.int64)
        self.changes = 0
        """How often who has which traits has changed."""

    def __getitem__(self, number: int) -> Attributes:
        return self._traits[number]

    def __len__(self) -> int:
        """Count the numbers, used or free."""
        return len(self._traits)

    def take(self, traits: Attributes) -> int:
        """Count one more user of these traits and return their number."""
        key = traits.key()
        self.changes += 1
        self._in_pool.update(traits.pools)
        number = self._numbers.get(key)
        if number is not None:
            self._uses[number] += 1
            return number
        if self._free:
            number = self._free.pop()
            self._traits[number], self._keys[number], self._uses[number] = traits, key, 1
            for (question, name), column in self._columns.items():
                if number < len(column):
                    column[number] = _ANSWERS[question](traits, name)
        else:
            number = len(self._traits)
            self._traits.append(traits)
            self._keys.append(key)
            self._uses.append(1)
            if number == len(self._total):
                self._total = np.concatenate([self._total, np.zeros_like(self._total)])
        self._total[number] = traits.total
        self._numbers[key] = number
        self._known.update(traits.names())
        return number

    def leave(self, number: int) -> None:
        """Count one user less; unused traits give their number back."""
        self.changes += 1
        for pool in self._traits[number].pools:
            self._in_pool[pool] -= 1
            if not self._in_pool[pool]:
                del self._in_pool[pool]
        self._uses[number] -= 1
        if self._uses[number]:
            return
        del self._numbers[self._keys[number]]
        for name in self._traits[number].names():
            self._known[name] -= 1
            if not self._known[name]:
                del self._known[name]
                self._columns.pop(name, None)
        self._free.append(number)

    def in_pool(self, pool: str) -> int:
        """Count the users whose traits name the pool."""
        return self._in_pool[pool]

    def uses(self) -> NDArray[np.int64]:
        """Return the users by number."""
        return np.array(self._uses, np.int64)

    def totals(self) -> NDArray[np.int64]:
        """Return the total capacity by number."""
        return self._total[: len(self._traits)]

    def column(self, question: Attribute, name: str) -> NDArray[np.int64]:
        """Return the answers by number: yes is 1, a cost or level is itself, NOT_TAKEN where there is none.

        A name that nobody has is not remembered, so that callers cannot fill the memory with names.
        """
        asked = (question, name)
        if asked not in self._known:
            return np.full(len(self._traits), _DEFAULT.get(question, 0), np.int64)
        column = self._columns.get(asked)
        filled = 0 if column is None else len(column)
        if column is None or filled < len(self._traits):
            answer = _ANSWERS[question]
            new = [answer(traits, name) for traits in self._traits[filled:]]
            fresh = np.array(new, np.int64)
            column = fresh if column is None else np.concatenate([column, fresh])
            self._columns[asked] = column
            if len(self._columns) > MOST_COLUMNS:
                self._columns.popitem(last=False)
        self._columns.move_to_end(asked)
        return column

    def meets(self, language: str, skills: Mapping[str, int]) -> NDArray[np.bool_] | None:
        """Tell by number who speaks the language and has the skills at their least levels; None: everybody."""
        met: NDArray[np.bool_] | None = None
        if language:
            met = self.speaks(language)
        if skills:
            skilled = self.has_skills(skills)
            met = skilled if met is None else met & skilled
        return met

    def speaks(self, language: str) -> NDArray[np.bool_]:
        """Tell by number who speaks the language; "" is spoken by all."""
        if not language:
            return np.ones(len(self._traits), np.bool_)
        return self.column(Attribute.LANGUAGE, primary_subtag(language)) > 0

    def has_skills(self, skills: Mapping[str, int]) -> NDArray[np.bool_]:
        """Tell by number who has every skill at its least level or above."""
        met = np.ones(len(self._traits), np.bool_)
        for name, least in skills.items():
            level = self.column(Attribute.SKILL, name)
            met &= (level >= least) & (level > NOT_TAKEN)
        return met
