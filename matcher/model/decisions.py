"""What a customer brings, who is considered for it, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from matcher.model.roster import DEFAULT_CHANNEL, DEFAULT_POOL


class Basis(StrEnum):
    """Why this agent."""

    AFFINITY = "AFFINITY"
    RELATIONSHIP = "RELATIONSHIP"
    FALLBACK = "FALLBACK"
    CONTROL = "CONTROL"
    PREFERRED = "PREFERRED"
    TRANSFER = "TRANSFER"


class Constraint(StrEnum):
    """A hard constraint, in the order they are applied."""

    POOL = "POOL"
    EXCLUDED = "EXCLUDED"
    CHANNEL = "CHANNEL"
    LANGUAGE = "LANGUAGE"
    SKILL = "SKILL"
    STATUS = "STATUS"
    CAPACITY = "CAPACITY"


@dataclass(frozen=True, slots=True)
class Requirements:
    """The hard constraints a message brings."""

    pool: str = DEFAULT_POOL
    channel: str = DEFAULT_CHANNEL
    language: str = ""
    skills: Mapping[str, int] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    only: str = ""
    """The one agent who may take it; "": anybody who meets the rest."""
    language_expires_ms: int | None = None
    """How long after the contact's beginning the language is required; None: always."""
    skills_expire_ms: Mapping[str, int] = field(default_factory=dict)
    """The same of each skill that is not required always."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """An agent to be taken before all others.

    kept_ms: how long after the contact's beginning a contact that waits is kept for the agent; 0: not at all.
    """

    agent: str
    basis: Basis
    kept_ms: int = 0


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A requirement that is no longer asked for, and since when; skill "": the language."""

    skill: str
    language: str
    at_ms: int


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """What a customer wrote, and what it requires. It has no repr, so that no log line can show the text."""

    text: str
    customer: str
    requirements: Requirements
    preferred: tuple[Preferred, ...] = ()

    def __repr__(self) -> str:
        return f"Message({len(self.text)} characters)"


# Reasons and candidates are made by the dozen for each message: a Struct is made in a tenth of a dataclass's time.


class Reason(msgspec.Struct, frozen=True):
    """One unit of the message that met one interest; start and end in code points of the message."""

    start: int
    end: int
    interest_id: str
    interest: str
    similarity: float
    lexical: float


class Candidate(msgspec.Struct, frozen=True):
    """An agent considered for a message."""

    agent: str
    display_name: str
    affinity: float
    score: float
    confidence: float
    utilization: float
    idle_since_ms: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who was left out, by the first constraint not met: counts, and ids where they were asked for."""

    counts: Mapping[Constraint, int]
    agents: tuple[tuple[str, Constraint], ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who fits a message, best first, and by what rules."""

    candidates: tuple[Candidate, ...]
    basis: Basis
    affinity_floor: float
    affinity_tolerance: float
    units: int
    units_merged: bool
    eligible: int
    left_out: LeftOut
    relaxed: tuple[Relaxed, ...] = ()
    scorer: str = ""
    """The fingerprint of the scorer that ranked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The record of a decision. Never words of the customer."""

    id: str
    contact: str
    pool: str
    reservation: str
    agent: str
    ranking: Ranking
    model: str
    scorer: str
    created_ms: int
