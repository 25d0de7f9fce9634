"""The nouns of the service, as frozen data. Times are milliseconds of the store's clock since 1970."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeVar

from matcher.errors import MatcherError
from matcher.lifecycle import AgentStatus, Cause, ContactState, ReservationState

T = TypeVar("T")

DEFAULT_SITE = "default"
DEFAULT_POOL = "default"
DEFAULT_CHANNEL = "chat"
BAD_RATINGS = (1, 2)
GOOD_RATINGS = (4, 5)


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
class ChannelCapacity:
    """What one contact of a channel costs, and how many there may be at once (0: as many as the total allows)."""

    cost: int
    max: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much an agent can hold at once: a total, and the channels that are taken."""

    total: int = 1
    channels: Mapping[str, ChannelCapacity] = field(
        default_factory=lambda: {DEFAULT_CHANNEL: ChannelCapacity(cost=1, max=1)}
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """What is written about an agent: everything but the status."""

    display_name: str
    interests: tuple[str, ...]
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    capacity: Capacity = field(default_factory=Capacity)
    pools: tuple[str, ...] = (DEFAULT_POOL,)


@dataclass(frozen=True, slots=True)
class Hold:
    """A slot that a live reservation takes."""

    reservation: str
    channel: str
    cost: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Agent:
    """A person who can be found, as the store has them."""

    id: str
    profile: Profile
    status: AgentStatus
    version: int
    profile_version: int
    created_ms: int
    updated_ms: int
    idle_since_ms: int
    holds: tuple[Hold, ...] = ()
    status_reason: str = ""
    beat_until_ms: int = 0
    """Until when the last heartbeat counts; 0: none is used."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How a pool routes; None: the service's default, for the floor computed from the pool's own roster."""

    display_name: str = ""
    offer_ms: int = 30_000
    accepted_ms: int = 4 * 3_600_000
    wrap_up_ms: int = 0
    affinity_floor: float | None = None
    affinity_tolerance: float | None = None
    scorer: str = ""
    wait_ms: int = 3_600_000
    wait_weight: float = 0.01
    """Affinity a second of waiting is worth."""
    head_start_ms: int = 0
    max_missed: int = 3
    idle_ms: int = 0
    """0: a conversation always counts."""
    relationship_ms: int = 0
    """0: nobody is led back."""
    relationship_wait_ms: int = 0
    matching_window_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """A team or queue of a site."""

    id: str
    policy: PoolPolicy
    version: int
    created_ms: int
    updated_ms: int


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


@dataclass(frozen=True, slots=True)
class Reason:
    """One unit of the message that met one interest; start and end in code points of the message."""

    start: int
    end: int
    interest_id: str
    interest: str
    similarity: float
    lexical: float


@dataclass(frozen=True, slots=True)
class Candidate:
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
class Reservation:
    """A slot of an agent, held for a contact until a deadline."""

    id: str
    agent: str
    contact: str
    decision: str
    pool: str
    channel: str
    cost: int
    state: ReservationState
    fence: int
    basis: Basis
    created_ms: int
    deadline_ms: int
    accepted_ms: int = 0
    ended_ms: int = 0
    decline_reason: str = ""
    idle_since_ms: int = 0
    """Since when it does not count against the capacity; 0: it counts."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What a customer brought, from first word to end. The text is not part of it."""

    id: str
    pool: str
    channel: str
    customer: str
    state: ContactState
    reservation: str
    excluded: tuple[str, ...]
    created_ms: int
    sequence: int
    cause: Cause | None = None
    waits_until_ms: int = 0
    """When waiting is given up; 0: it does not wait."""
    queued: Queued | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A place in a pool's queue: 1 is next; estimated_ms None: nothing is known yet."""

    position: int
    estimated_ms: int | None
    expire_ms: int


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """One step in the life of a contact; number: of the site's stream, by which a watcher resumes."""

    contact: str
    pool: str
    sequence: int
    state: ContactState
    cause: Cause
    reservation: str
    agent: str
    at_ms: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """A place in the stream of a site's events: an event's number, and its time, which tells it from another life's."""

    number: int
    at_ms: int


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


@dataclass(frozen=True, slots=True)
class Held:
    """The outcome that an agent is held; replayed: this request was answered before."""

    reservation: Reservation
    candidate: Candidate
    replayed: bool


@dataclass(frozen=True, slots=True)
class Experience:
    """How a conversation was for the customer. resolved None: not known; rating 1 (bad) to 5 (good), 0: none."""

    resolved: bool | None = None
    rating: int = 0

    @property
    def good(self) -> bool | None:
        """Tell whether the customer should meet the agent again; None: it says nothing."""
        if self.resolved is False or self.rating in BAD_RATINGS:
            return False
        return True if self.resolved or self.rating in GOOD_RATINGS else None


@dataclass(frozen=True, slots=True)
class Wait:
    """That a contact may wait; most_ms: how long from its beginning, None: as its pool says."""

    most_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InLine:
    """The outcome that the contact waits; replayed: this request was answered before."""

    contact: str
    queued: Queued
    replayed: bool


@dataclass(frozen=True, slots=True)
class Unmatched:
    """The outcome that nobody can take the contact now."""

    contact: str
    reason: Constraint
    left_out: LeftOut
    would_match: tuple[Candidate, ...] = ()


Outcome = Held | InLine | Unmatched


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and where the next part starts ("" at the end)."""

    items: tuple[T, ...]
    next: str


@dataclass(frozen=True, slots=True)
class AgentChange:
    """New values for some of an agent's fields; None: unchanged."""

    display_name: str | None = None
    interests: tuple[str, ...] | None = None
    skills: Mapping[str, int] | None = None
    languages: tuple[str, ...] | None = None
    capacity: Capacity | None = None
    pools: tuple[str, ...] | None = None
    status: AgentStatus | None = None


class ImportAction(StrEnum):
    """What became of one row of an import."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    REJECTED = "REJECTED"
    PRUNED = "PRUNED"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One agent of an import; status None: as it was, OFFLINE for a new agent."""

    row: int
    agent: str
    profile: Profile
    status: AgentStatus | None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a row; the error where it was rejected. row 0: pruned."""

    row: int
    agent: str
    action: ImportAction
    error: MatcherError | None = None


def etag(version: int) -> str:
    """Return the etag of a version."""
    return f'W/"{version}"'


@lru_cache(maxsize=65_536)
def interest_id(text: str) -> str:
    """Return the id of an interest: 8 hex digits of its words, the same as long as they stay."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def primary_subtag(language: str) -> str:
    """Return the primary subtag of a BCP-47 tag in lower case: languages are compared by it."""
    return language.replace("_", "-").split("-", 1)[0].lower()
