"""The request of a reserve and the store's answers to it, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from matcher.errors import PoolNotFound
from matcher.model import Basis, Constraint, Draw, Reservation
from matcher.model.lifecycle import ReservationState
from matcher.model.quotas import NO_CALLER_QUOTAS, NO_QUOTAS, CallerQuotas, SiteQuotas
from matcher.model.resource_names import pool_name
from matcher.store.by_hand import ByHand, refusal_by_hand

NO_CALLER: Final = "-"
"""For whom quotas count what nobody in particular has asked for: nobody is asked who calls, or the service itself."""
GONE: Final = b"GONE"
"""What a reserve says of a candidate whose record is gone, in place of a constraint."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the store keeps records, in milliseconds, and how many events a stream keeps."""

    request_window_ms: int
    own_request_ms: int
    decision_ms: int
    keep_ms: int
    events_kept: int
    praise_ms: int = 90 * 86_400_000
    outbox_kept: int = 0
    """About how many entries of a site's outbox are kept for the ledger; 0: there is no ledger."""
    quotas: SiteQuotas = NO_QUOTAS
    """Of each site."""
    own_quotas: CallerQuotas = NO_CALLER_QUOTAS
    """Of each caller in a site."""

    @property
    def counts_callers(self) -> bool:
        """Whether offers, or the contacts that wait for a caller, are counted."""
        return bool(self.quotas.open_offers) or self.own_quotas != NO_CALLER_QUOTAS


class ReserveKind(StrEnum):
    """Where the contact of a reserve comes from."""

    NEW = "new"
    QUEUE = "queue"
    TRANSFER = "transfer"
    MOVE = "move"
    """A transfer that waits in the queue."""
    ASSIGN = "assign"
    """Wherever it is, but not with an agent who talks with it: it is assigned by hand."""


class ReservationRef(msgspec.Struct, frozen=True):
    """What never changes of a reservation: its ids, agent and contact, and the pool whose terms it has."""

    site: str
    reservation: str
    agent: str
    contact: str
    pool: str
    takes_over: ReservationRef | None = None
    """Of the offer of a transfer whose contact its agent keeps until the answer: that agent's reservation."""


@dataclass(frozen=True, slots=True, repr=False)
class WaitTerms:
    """How a contact may wait: how long, its pool's head start, and the sealed message. Never logged.

    at_once False: it does not wait where no agent has free capacity now, only after an offer that was not accepted.
    """

    most_ms: int
    head_start_ms: int
    sealed: bytes
    at_once: bool = True


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """The ids and terms of a reservation. They stay the same however many reserves it takes.

    own_request: the request id was made here, not by the caller.
    former_digests: what the same request may be remembered by instead of `digest`.
    waiting None: the contact may not wait. handed_on: in a transfer, the reservation that ends once the new one is
    held, or with keeps_agent once it is accepted, and how long its capacity stays held then; in an assignment by hand,
    the offer that is withdrawn. by_hand None: no assignment by hand. idle_ms: after how long without activity an
    accepted conversation is idle; 0: never. first_ms: within what time after the acceptance the agent must answer; 0:
    at any time. requirements: as `encode_requirements` returns them. only: the agent whom a transfer names. Both are
    stored already of a contact that waits. scope: the pools that the caller reaches, as the verbs take them. draw: the
    contact's arm, which a contact keeps that is not known yet; None: it has none. by: the caller for whom quotas count.
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
    former_digests: tuple[str, ...] = ()
    idle_ms: int = 0
    first_ms: int = 0
    waiting: WaitTerms | None = None
    how: ReserveKind = ReserveKind.NEW
    handed_on: ReservationRef | None = None
    handed_on_wrap_up_ms: int = 0
    keeps_agent: bool = False
    pool_uid: str = ""
    requirements: bytes = b""
    only: str = ""
    by_hand: ByHand | None = None
    draw: Draw | None = None
    scope: str = ""
    by: str = NO_CALLER

    @property
    def may_queue(self) -> bool:
        """Whether the contact waits where no agent has free capacity now."""
        return self.waiting is not None and self.waiting.at_once


class Shortlist(msgspec.Struct, frozen=True):
    """The candidates that the store chooses from, with their affinities, by which rule, and the decision's record.

    tolerance: affinities this near the best are equal; below 0 all are equal. compared: what the decision says for the
    comparison, packed; "": nothing.
    """

    basis: Basis
    tolerance: float
    record: bytes
    candidates: Sequence[tuple[str, float]]
    compared: str = ""
    facts: str = ""
    """What the ledger learns of the ranking, 'name=value;' one after another."""


class Reserved(msgspec.Struct, frozen=True):
    """Capacity is held; `event`: the id of the load stream's event that says so.

    seen: what the store saw of the candidates, as the decision's record holds it. sequence: of the contact's step.
    """

    reservation: Reservation
    event: str
    seen: bytes = b""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class OtherArm:
    """The contact was known, and has another arm than the request; draw None: it has none. Nothing is held."""

    draw: Draw | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The request was answered before, with these ids; no reservation where the contact waits."""

    reservation: str
    decision: str
    contact: str


@dataclass(frozen=True, slots=True)
class Enqueued:
    """No candidate has enough free capacity and the contact waits; `score`: its place in the queue, in milliseconds.

    event: the id of the load stream's event that says so. sequence: of the contact's step.
    """

    score: int
    waits_until_ms: int
    event: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Full:
    """No candidate can be held; `load_event` and `roster_event`: the last events of both streams then.

    refused: each candidate with what kept the agent from the contact; None: the agent is gone.
    """

    load_event: int
    roster_event: int
    refused: Mapping[str, Constraint | None] = field(default_factory=dict)


class Refusal(StrEnum):
    """Why nothing is held, and what the detail says."""

    QUOTA = "quota"
    """A quota is used up; the detail is its name and its limit, "|" between them."""
    FOREIGN = "foreign"
    """The caller does not reach the contact."""
    REUSED = "reused"
    """The request id came with another request before."""
    LIVE = "live"
    """The contact has an agent; the detail is the reservation's id."""
    ENDED = "ended"
    """The contact has ended; the detail is its state."""
    STATE = "state"
    """The contact does not stand as the request's kind demands; the detail is its state."""
    MOVED = "moved"
    """The contact went on to another reservation since the caller read it; the detail is that reservation's id."""
    DIFFERS = "differs"
    """A contact that is routed again has another customer or channel; the detail is their names, "|" between them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is held, and why."""

    why: Refusal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """A declined offer, and whether the agent was set AWAY for it.

    still_away: the call repeats the decline that set the agent AWAY, and the agent still is. The first answer may have
    been lost, and the agent's other offers of that time may stand.
    """

    reservation: Reservation
    away: bool
    still_away: bool = False


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A deadline has passed: the state of the reservation then, and whether the agent was set AWAY for it."""

    was: ReservationState
    away: bool


ReserveAnswer = Reserved | Enqueued | Replayed | Full | Refused | OtherArm


def reserve_answer(request: ReserveRequest, shortlist: Shortlist, answer: list[Any]) -> ReserveAnswer:
    """Return the store's answer to a reserve as a value.

    Raises PoolNotFound; of an assignment by hand AgentNotFound, AgentFull, ConstraintsUnmet.
    """
    if request.by_hand and (refusal := refusal_by_hand(request.site, shortlist.candidates[0][0], answer)):
        raise refusal
    match answer:
        case [b"held", agent, fence, cost, created, deadline, event, agent_uid, over, seen, sequence]:
            return Reserved(
                Reservation(
                    id=request.reservation,
                    agent=agent.decode(),
                    contact=request.contact,
                    decision=request.decision,
                    pool=request.pool,
                    channel=request.channel,
                    cost=int(cost),
                    state=ReservationState.ACCEPTED if request.accepted else ReservationState.PENDING,
                    fence=int(fence),
                    basis=shortlist.basis,
                    created_ms=int(created),
                    deadline_ms=int(deadline),
                    accepted_ms=int(created) if request.accepted else 0,
                    agent_uid=agent_uid.decode(),
                    takes_over=request.handed_on.reservation if request.handed_on and request.keeps_agent else "",
                    actor=request.by_hand.actor if request.by_hand else "",
                    over_capacity=over == b"1",
                    first_response_due=request.accepted and int(deadline) - int(created) < request.hold_ms,
                ),
                event.decode(),
                seen,
                int(sequence),
            )
        case [b"replayed", reservation, decision, contact]:
            return Replayed(reservation.decode(), decision.decode(), contact.decode())
        case [b"queued", score, waits_until, event, sequence]:
            return Enqueued(int(score), int(waits_until), event.decode(), int(sequence))
        case [b"arm", arm]:
            return OtherArm(Draw.unpacked(arm.decode()))
        case [b"no_pool"]:
            raise PoolNotFound(pool_name(request.site, request.pool))
        case [b"full", load_event, roster_event, refused]:
            why = (None if word == GONE else Constraint(word.decode()) for word in refused.split(b"|") if word)
            agents = (agent for agent, _ in shortlist.candidates)
            return Full(int(load_event), int(roster_event), dict(zip(agents, why, strict=True)))
        case [why, *detail]:
            return Refused(Refusal(why.decode()), *(word.decode() for word in detail))
        case _:
            raise ValueError(f"the store answered a reserve with {answer!r}")
