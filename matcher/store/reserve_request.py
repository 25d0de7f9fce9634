"""What a claim on a slot asks for, and what the store answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from matcher.model import Basis, Reservation
from matcher.model.lifecycle import ReservationState


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the store remembers, in milliseconds."""

    request_window_ms: int
    own_request_ms: int
    decision_ms: int
    keep_ms: int
    events_kept: int


class ReserveKind(StrEnum):
    """Where the contact of a claim comes from."""

    NEW = "new"
    QUEUE = "queue"
    TRANSFER = "transfer"
    MOVE = "move"
    """A transfer that waits in the queue."""


@dataclass(frozen=True, slots=True)
class ReservationRef:
    """What of a reservation never changes: whose slot, for which contact, by which pool's terms."""

    site: str
    reservation: str
    agent: str
    contact: str
    pool: str


@dataclass(frozen=True, slots=True)
class WaitTerms:
    """How a contact may wait: how long, the pool's head start, and what was written, sealed.

    at_once False: not where nobody has room now, only once an offer has come to nothing.
    """

    most_ms: int
    head_start_ms: int
    sealed: bytes
    at_once: bool = True


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """What a reserve asks for: ids and terms. They stay the same however many offers it takes.

    waiting None: it may not wait. handed_on: in a transfer, the slot that is freed once the new one is held.
    idle_ms: after so long without a sign an accepted conversation stops counting; 0: never.
    """

    site: str
    contact: str
    reservation: str
    decision: str
    request_id: str
    own_request: bool
    digest: str
    pool: str
    channel: str
    customer: str
    hold_ms: int
    accepted: bool
    idle_ms: int = 0
    waiting: WaitTerms | None = None
    how: ReserveKind = ReserveKind.NEW
    handed_on: ReservationRef | None = None

    @property
    def lines_up(self) -> bool:
        """Tell whether it waits where nobody has room now."""
        return self.waiting is not None and self.waiting.at_once


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Whom a reserve may take: candidates with their affinities, by which rule, and the record of why.

    tolerance: affinities this near the best are equal; below 0 the longest idle is taken.
    """

    basis: Basis
    tolerance: float
    record: bytes
    candidates: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Reserved:
    """A slot is held."""

    reservation: Reservation
    event: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """The request was answered before."""

    reservation: str
    decision: str
    contact: str


@dataclass(frozen=True, slots=True)
class Enqueued:
    """Nobody has room and the contact waits; `score`: its place in the queue, in milliseconds."""

    score: int
    waits_until_ms: int
    event: str


@dataclass(frozen=True, slots=True)
class Full:
    """No candidate has room; `load_event` and `roster_event` are the last ones of the two streams at that moment."""

    load_event: int
    roster_event: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was held: 'reused', 'live' (a reservation id), 'ended' or 'state' (a state)."""

    why: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A deadline has passed: in which state, and whether the agent was sent away for it."""

    was: ReservationState
    away: bool


ReserveAnswer = Reserved | Enqueued | Replayed | Full | Refused
