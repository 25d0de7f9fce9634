"""Coverage: what the customers of a pool brought up, and which of it its agents share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What an entry is: something of a person, or something wanted of a company's service."""

    INTEREST = "INTEREST"
    THEME = "THEME"


@dataclass(frozen=True, slots=True)
class Covered:
    """An entry that was brought up; numbers of contacts and customers are rounded.

    this_week, week_before: None where fewer than ten customers of a day brought it up, or nobody listened.
    """

    kind: EntryKind
    id: str
    name: str
    contacts: int
    most_customers: int
    sharing_agents: int
    nobody_free: int
    this_week: int | None
    week_before: int | None
    rising: bool


@dataclass(frozen=True, slots=True)
class Unasked:
    """An interest of an agent that nobody asked for."""

    agent: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was brought up in a pool between two days (days since 1970, UTC)."""

    pool: str
    first_day: int
    last_day: int
    contacts: int
    days_heard: int
    listening: bool
    entries: tuple[Covered, ...]
    unasked: tuple[Unasked, ...]
