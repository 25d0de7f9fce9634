"""Reservations, contacts, their events, and the outcomes of a route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Final, Generic, TypeVar

import msgspec

from matcher.model.basis import Basis
from matcher.model.comparison import Draw
from matcher.model.decisions import Candidate, Constraint, Degraded, LeftOut, Preferred, Requirements
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.model.roster import Pool

BAD_RATINGS = (1, 2)


GOOD_RATINGS = (4, 5)


@dataclass(frozen=True, slots=True)
class Report:
    """What was reported of a conversation: whether the customer was served well, and when (ms)."""

    good: bool
    at_ms: int


class Reservation(msgspec.Struct, frozen=True):
    """The record that an agent is held for a contact until a deadline."""

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
    """Since when the conversation is idle and its hold costs no capacity; 0: the hold counts."""
    agent_uid: str = ""
    takes_over: str = ""
    """In a transfer, the reservation whose agent keeps the contact until this one is accepted."""
    report: Report | None = None
    """The first report on the conversation; later ones do not count."""
    actor: str = ""
    """Who assigned the contact by hand, in the caller's words."""
    over_capacity: bool = False
    """Whether it was assigned by hand above the agent's capacity of that moment."""
    first_response_due: bool = False
    """Whether the agent has accepted and must answer the customer by the deadline."""
    ends_as: ReservationState | None = None
    """In a wrap-up, how the conversation ended: the state after the wrap-up."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A place in a pool's queue: 1 is next. estimated_ms: the time until an agent is offered; None: not known."""

    position: int
    estimated_ms: int | None
    expire_ms: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer's conversation, from the first message to the end. It does not contain the text."""

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
    """When the contact stops waiting; 0: it does not wait."""
    queued_in: str = ""
    """The pool in whose queue the contact is, also while the agent who transfers it still holds it; "": in no queue."""
    queued: Queued | None = None
    pool_uid: str = ""
    excluded_uids: Mapping[str, str] = field(default_factory=dict)
    """The uids of excluded agents by id, where they are known: a new agent of the id is not excluded."""
    requirements: Requirements = field(default_factory=Requirements)
    """What the contact requires of its agent; only pool and channel where its record is of before schema 3."""
    preferred: tuple[Preferred, ...] = ()
    draw: Draw | None = None
    """The arm that it was given when it began; None: its pool compared nothing then."""

    def is_in(self, pool: Pool) -> bool:
        """Return whether the contact is in a pool, and not in a former pool of the same id."""
        return self.pool == pool.id and (not self.pool_uid or self.pool_uid == pool.uid)


class ContactEvent(msgspec.Struct, frozen=True):
    """One change of a contact's state; number: in the site's stream, where a watcher resumes."""

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
class ContactSign:
    """A sign of life in the watch of a contact: the contact's last event, and its place in the queue at this time.

    queued None: the contact does not wait, its place is not known yet, or the watcher did not ask for it.
    """

    last: ContactEvent
    at_ms: int
    queued: Queued | None


class StreamPlace(msgspec.Struct, frozen=True):
    """A place in the stream of a site's events: an event's number and its time.

    The time tells the event from an event of the same number in a site that was deleted and created again.
    """

    number: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Experience:
    """How the customer judges a conversation. resolved None: not known; rating 1 (bad) to 5 (good), 0: none."""

    resolved: bool | None = None
    rating: int = 0

    @property
    def good(self) -> bool | None:
        """Tell whether the customer should be routed to the agent again; None: nothing follows from it."""
        if self.resolved is False or self.rating in BAD_RATINGS:
            return False
        return True if self.resolved or self.rating in GOOD_RATINGS else None


@dataclass(frozen=True, slots=True)
class Wait:
    """Permission for a contact to wait; most_ms: how long after its beginning, None: as its pool says."""

    most_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReservedOutcome:
    """The outcome that an agent is held; replayed: the request was answered before."""

    reservation: Reservation
    candidate: Candidate
    replayed: bool
    degraded: Degraded | None = None
    """Why the message was not compared with interests; None: it was."""
    unknown_preferred: tuple[str, ...] = ()
    """The preferred agents who did not exist."""


@dataclass(frozen=True, slots=True)
class QueuedOutcome:
    """The outcome that the contact waits; replayed: the request was answered before."""

    contact: str
    queued: Queued
    replayed: bool
    unknown_preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmatched:
    """The outcome that no agent can serve the contact now, and it may not wait."""

    contact: str
    reason: Constraint
    left_out: LeftOut
    would_match: tuple[Candidate, ...] = ()
    unknown_preferred: tuple[str, ...] = ()
    unmet_skills: Mapping[str, int] = field(default_factory=dict)
    """Where the reason is SKILL, the required skills that leave nobody, with their levels."""


Outcome = ReservedOutcome | QueuedOutcome | Unmatched


T = TypeVar("T")

PAGE_BYTES: Final = 3 * 2**20
"""A page of a list ends before it is larger: a gRPC client takes 4 MiB, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and where the next part begins ("" at the end).

    places: where a part begins that follows each of the items, for a part that must end earlier.
    """

    items: tuple[T, ...]
    next: str
    places: tuple[str, ...] = ()

    def only(self, keeps: Callable[[T], bool]) -> Page[T]:
        """Return the page without the items that `keeps` refuses; it may be empty, and need not be the last then.

        The next page begins after the last item that is kept, so that its token names nothing that is not.
        """
        kept = [keeps(item) for item in self.items]
        if all(kept):
            return self
        places = tuple(compress(self.places, kept))
        return Page(tuple(compress(self.items, kept)), places[-1] if places and self.next else self.next, places)
