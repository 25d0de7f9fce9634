"""What becomes of it: reservations, contacts, their steps, and the outcomes of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from matcher.model.decisions import Basis, Candidate, Constraint, LeftOut
from matcher.model.lifecycle import Cause, ContactState, ReservationState

BAD_RATINGS = (1, 2)


GOOD_RATINGS = (4, 5)


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
class Queued:
    """A place in a pool's queue: 1 is next; estimated_ms None: nothing is known yet."""

    position: int
    estimated_ms: int | None
    expire_ms: int


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
    queued_in: str = ""
    """The pool in whose line it stands, also while an agent holds it who asked to hand it on; "": in none."""
    queued: Queued | None = None


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
class ReservedOutcome:
    """The outcome that an agent is held; replayed: this request was answered before."""

    reservation: Reservation
    candidate: Candidate
    replayed: bool


@dataclass(frozen=True, slots=True)
class QueuedOutcome:
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


Outcome = ReservedOutcome | QueuedOutcome | Unmatched


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and where the next part starts ("" at the end)."""

    items: tuple[T, ...]
    next: str
