"""Agents with their profiles and capacities, pools with their policies, and changes of agents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from matcher.model.lifecycle import AgentStatus

DEFAULT_SITE = "default"


DEFAULT_POOL = "default"


DEFAULT_CHANNEL = "chat"


@dataclass(frozen=True, slots=True)
class Site:
    """A tenant. uid: of this life of the site; a new site of the same id has another."""

    id: str
    uid: str


@dataclass(frozen=True, slots=True)
class ChannelCapacity:
    """The cost of one contact of a channel, and how many there may be at once (0: as many as the total allows)."""

    cost: int
    max: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much an agent can hold at once: a total, and the channels that the agent serves."""

    total: int = 1
    channels: Mapping[str, ChannelCapacity] = field(
        default_factory=lambda: {DEFAULT_CHANNEL: ChannelCapacity(cost=1, max=1)}
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """What the roster says of an agent: everything but the status."""

    display_name: str
    interests: tuple[str, ...]
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    capacity: Capacity = field(default_factory=Capacity)
    pools: tuple[str, ...] = (DEFAULT_POOL,)
    manager: str = ""
    """Who manages the agent, and is shown what customers praise; "": nobody. No decision reads it."""


class Hold(msgspec.Struct, frozen=True):
    """The capacity of an agent that a live reservation takes."""

    reservation: str
    channel: str
    cost: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, as the store has the record."""

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
    """Until when the last heartbeat counts; 0: the agent sends no heartbeats."""
    silent: tuple[SilentInterest, ...] = ()
    """The interests that no message can meet; set where an agent is read for a caller."""
    uid: str = ""
    """Of this person: a new agent of the same id has another; "": an earlier version wrote the agent."""

    def is_another(self, uid: str) -> bool:
        """Return whether a uid that was noted for this id is another person's; "": nobody noted it."""
        return bool(uid and self.uid and uid != self.uid)


class WhenOverloaded(StrEnum):
    """What becomes of a message that cannot be compared with interests: refused, or given the least utilized agent."""

    REFUSE = "REFUSE"
    FALLBACK = "FALLBACK"


LEAST_WAIT_WEIGHT: Final = 1e-6
"""A smaller wait_weight counts as this one: an affinity of 1 is then worth 11.6 days, more than a contact may wait.
Beside still larger values the ages of contacts would be lost, and the largest are not finite."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How a pool routes; None: the service's default, which for the floor is computed from the pool's roster."""

    display_name: str = ""
    offer_ms: int = 30_000
    accepted_ms: int = 4 * 3_600_000
    wrap_up_ms: int = 0
    affinity_floor: float | None = None
    affinity_tolerance: float | None = None
    scorer: str = ""
    wait_ms: int = 3_600_000
    wait_weight: float = 0.01
    """The affinity that a second of waiting is worth."""
    head_start_ms: int = 0
    max_missed: int = 3
    max_declined: int = 0
    """After this number of declined offers in a row an agent is AWAY; 0: never."""
    return_within_ms: int = 15 * 60_000
    """After a longer silence of the desk a heartbeat alone does not bring the agent back."""
    idle_ms: int = 0
    """0: a conversation is never idle."""
    first_response_ms: int = 0
    """0: an agent who accepted keeps the contact, whether or not the customer gets an answer."""
    relationship_ms: int = 0
    """0: the pool does not use relationships."""
    relationship_wait_ms: int = 0
    matching_window_ms: int = 0
    small_talk: tuple[str, ...] = ()
    """Sentences that are no unit of a message, beside the packaged ones."""
    when_overloaded: WhenOverloaded = WhenOverloaded.REFUSE
    after_complete_ms: int | None = None
    """How long the agent's capacity stays held after a conversation that was completed; None: wrap_up_ms."""
    after_transfer_ms: int | None = None
    after_cancel_ms: int = 0
    after_expiry_ms: int = 0
    second_complete_ends_wrap_up: bool = False
    listening: bool = False
    """Whether it is counted what the pool's customers bring up."""
    profile_weight: float = 1.0
    """The factor of the evidence of a customer's interests, where the message itself says too little; 0: they never
    count."""
    control_share: float = 0.0
    """The share of new contacts whose agents are chosen by load, to compare; 0: none, nothing is drawn."""
    control_forgoes_relationships: bool = False
    """Whether the agent who served the customer well takes no control contact before all others."""

    @property
    def wrap_up_after_complete_ms(self) -> int:
        """Return how long the agent's capacity stays held after a conversation that was completed."""
        return self.wrap_up_ms if self.after_complete_ms is None else self.after_complete_ms

    @property
    def wrap_up_after_transfer_ms(self) -> int:
        """Return how long the former agent's capacity stays held after a transfer."""
        return self.wrap_up_ms if self.after_transfer_ms is None else self.after_transfer_ms

    @property
    def affinity_seconds(self) -> float:
        """Return how many seconds of waiting an affinity of 1 is worth."""
        return 1.0 / max(self.wait_weight, LEAST_WAIT_WEIGHT)

    def tolerance(self, default: float) -> float:
        """Return the affinity tolerance in force; default: the service's own, for a pool that names none."""
        return default if self.affinity_tolerance is None else self.affinity_tolerance


@dataclass(frozen=True, slots=True)
class Pool:
    """A group of a site's agents with a queue and a policy of its own."""

    id: str
    policy: PoolPolicy
    version: int
    created_ms: int
    updated_ms: int
    uid: str = ""
    """A new pool of the same id has another; "": an earlier version wrote the pool."""


@dataclass(frozen=True, slots=True)
class AgentChange:
    """New values for some of an agent's fields; None: unchanged."""

    display_name: str | None = None
    interests: tuple[str, ...] | None = None
    skills: Mapping[str, int] | None = None
    languages: tuple[str, ...] | None = None
    capacity: Capacity | None = None
    pools: tuple[str, ...] | None = None
    manager: str | None = None
    status: AgentStatus | None = None


class SilentReason(StrEnum):
    """Why an interest says nothing."""

    UNKNOWN_TO_MODEL = "UNKNOWN_TO_MODEL"
    SMALL_TALK = "SMALL_TALK"


@dataclass(frozen=True, slots=True)
class SilentInterest:
    """An interest that no message can meet, in the agent's words, and why."""

    interest: str
    reason: SilentReason


def etag(version: int) -> str:
    """Return the etag of a version."""
    return f'W/"{version}"'


@lru_cache(maxsize=65_536)
def interest_id(text: str) -> str:
    """Return the id of an interest: 8 hex digits of the SHA-256 of its text, so that equal texts have equal ids."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
