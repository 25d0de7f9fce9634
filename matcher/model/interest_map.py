"""Map of interests: the interests of a pool's agents in two dimensions, among the interests of the lexicon."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MappedInterest:
    """An interest of agents: its text, its place within -1 to 1, the nearest entry's id, and who has it.

    agents: a few of those who have it, by id; count: how many have it.
    """

    text: str
    x: float
    y: float
    entry: str
    agents: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class MappedEntry:
    """An interest of the lexicon, its place, and how many agents have an interest to which it is the nearest."""

    id: str
    name: str
    x: float
    y: float
    agents: int


@dataclass(frozen=True, slots=True)
class InterestMap:
    """What the map shows.

    total: the different interests of the pool's agents, also those that are not shown; unplaced: those of them that say
    nothing to the model; agents: the agents of the pool.
    """

    pool: str
    interests: tuple[MappedInterest, ...]
    entries: tuple[MappedEntry, ...]
    total: int
    unplaced: int
    agents: int
