"""The verbs of reservations: reserve, and the transitions of a reservation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from matcher.store.redis.verb_call import Absent, Answers, CallPart, Key, VerbCall
from matcher.store.verbs.contacts import ContactStep


class HandedOn(CallPart, frozen=True, kw_only=True):
    """The reservation that ends once the new one is held: a transfer's conversation, an assignment's offer."""

    reservation: Key
    agent: Key
    holds: Key
    id: str
    wrap_up_ms: int
    """How long its capacity stays held then."""


class Candidate(CallPart, frozen=True, kw_only=True):
    """An agent whom the contact may come to, and the affinity, a decimal number."""

    agent: Key
    holds: Key
    id: str
    affinity: str


class ByHand(CallPart, frozen=True, kw_only=True):
    """The terms of an assignment by hand. Constraints stand between semicolons, ';LANGUAGE;SKILL;'."""

    sequence: str
    """Of the contact's last step when the caller read it; "": there was no contact."""
    profile_version: int
    """Of the agent then."""
    unmet: str
    """The constraints that this profile does not meet, of those that the store cannot check."""
    ignored: str
    """The constraints that need not be met."""
    replaces: Literal["1", ""]
    """Whether `needs` are the requirements from now on; "": the contact's own stay."""
    over: Literal["1", ""]
    """Whether the agent may have too little free capacity."""
    actor: str
    reason: str
    cause: str
    """Of the contact's step."""


class Reserve(VerbCall, frozen=True, kw_only=True):
    """Holds capacity of a candidate, or lets the contact wait."""

    step: ContactStep
    once: Key
    reservation: Key
    decision: Key
    pool: Key
    due: Key
    roster: Key
    digest: str
    """Of the request; "": the request is not remembered."""
    former_digests: str
    """What the same request may be remembered by instead, apart by spaces: digests under former keys."""
    once_ms: int
    """How long the request is remembered."""
    reservation_id: str
    decision_id: str
    pool_id: str
    pool_uid: str
    channel: str
    customer: str
    customer_digest: str
    """Of the customer's handle: it stays with the decision; "": no customer is named."""
    basis: str
    arm: str
    """The arm that a contact is given which is not known yet, 'CONTROL|0.1'; "": none."""
    compared: str
    """What the decision says for the comparison, 'CONTROL|0.1|TOOK_PART|agent|AFFINITY|0.6'; "": nothing."""
    hold_ms: int
    state: str
    """The reservation's first state: PENDING or ACCEPTED."""
    tolerance: str
    """A decimal number: affinities this near the best are equal; below 0 all are equal."""
    decision_record: bytes
    decision_ms: int
    """How long the decision is kept."""
    kind: str
    """A ReserveKind: 'new'; 'queue': the contact waits; 'transfer': an agent has it; 'move': a transfer that waits;
    'assign': it is assigned by hand."""
    wait_ms: int | Absent
    """How long the contact may wait; "": it may not."""
    sealed: bytes
    """What the customer wrote, sealed."""
    facts: str
    """What the ledger learns of the ranking, 'name=value;' one after another; "": the service keeps no ledger."""
    needs: bytes
    """What the contact requires beside pool and channel; "": nothing. Read for 'new' and 'transfer', like only, and for
    'assign' with `replaces`."""
    only: str
    """The agent whom a transfer names; "": any agent."""
    head_start_ms: int
    waits_if: Literal["full", "kept", ""]
    """'full': it waits where no candidate has enough free capacity; 'kept': only where a candidate has, but is kept for
    the contacts that wait already; '': it does not wait now."""
    idle_ms: int
    """After how long without activity an accepted conversation is idle; 0: never."""
    first_ms: int
    """Within what time after the acceptance the agent must answer, else the contact goes back; 0: at any time."""
    release: Literal["ON_HOLD", "ON_ACCEPT"]
    """When the reservation that is handed on ends: when the new one is made, or when it is accepted."""
    candidates: Sequence[Candidate]
    handed_on: HandedOn | None
    by_hand: ByHand | None
    most_waiting: int = 0
    """The quota of the site; 0: none."""
    most_offers: int = 0
    """The same of open offers."""
    by: str = ""
    """The caller whose offers and waiting contacts are counted; "": there is no quota that counts them."""
    most_own_offers: int = 0
    """The quota of the caller; 0: none."""
    most_own_waiting: int = 0
    scope: str = ""
    """The pools that the caller reaches, ';billing;sales;'; "": all."""

    # quota: the site, or the caller, has as many waiting contacts or open offers as may be: name and limit, parted by
    # |.
    # foreign: the caller does not reach the contact, or the pool of a new one.
    # replayed: the request was answered before, or the offer is made already; ids are '' where the contact waits.
    # reused: the request id came with another request. live: the contact has an agent. ended: it has ended.
    # no_pool: the pool in which it is to wait is gone.
    # no_agent, unmet, agent_full: of an assignment by hand; the constraints that are not met, apart by commas.
    # state: it does not stand as `kind` demands. moved: it talks with an agent, by another reservation than that to be
    # handed on. differs: it is routed again with another customer or channel, parted by |.
    # arm: it is routed again, and has another arm than the call's.
    # full: nothing was written; the last events of both streams then, and
    # for each candidate in turn, parted by |, the Constraint that kept the agent from the contact, or GONE.
    answers: ClassVar[Answers] = {
        "held": (
            "agent_id",
            "fence",
            "cost",
            "created_ms",
            "deadline_ms",
            "load_event",
            "agent_uid",
            "over_capacity",
            "seen",
            "sequence",
        ),
        "queued": ("score", "waits_until_ms", "load_event", "sequence"),
        "replayed": ("reservation_id", "decision_id", "contact_id"),
        "foreign": (),
        "quota": ("used_up",),
        "reused": (),
        "live": ("reservation_id",),
        "ended": ("state",),
        "state": ("state",),
        "moved": ("reservation_id",),
        "differs": ("fields",),
        "arm": ("arm",),
        "full": ("load_event", "roster_event", "refused"),
        "no_pool": (),
        "no_agent": (),
        "unmet": ("constraints",),
        "agent_full": ("load", "total"),
    }


class ReserveInOrder(VerbCall, frozen=True, kw_only=True):
    """Runs several reserves and returns the list of their answers."""

    reserves: Sequence[Reserve]

    answers: ClassVar[Answers] = Reserve.answers


class Transition(CallPart, frozen=True, kw_only=True):
    """What every transition of a reservation takes: the part that lua/reservation.lua reads."""

    step: ContactStep
    reservation: Key
    agent: Key
    holds: Key
    pool: Key
    due: Key
    roster: Key
    reservation_id: str
    agent_id: str
    fence: int
    """The fence that the reservation must have; 0: any."""
    returned: str
    """The state of a contact that is nobody's: RETURNED, or QUEUED in schema 2."""


_TRANSITION: Final[Answers] = {
    "ok": ("fields", "now_ms"),
    "gone": (),
    "fence": (),
    "lapsed": ("state",),
    "state": ("state",),
}
"""ok: the reservation's hash and the time at which it is to be read. gone: there is no such reservation. fence: the
call's is not the reservation's. lapsed: its deadline has passed. state: it is in a state that the verb does not fit."""

_OFFERED: Final[Answers] = {"offered": ("reservation_id",)}
"""The answer of a verb that would end a conversation: its contact is offered to another agent by the reservation named,
which must be withdrawn first."""


class Accept(VerbCall, frozen=True, kw_only=True):
    """Accepts an offer; see idle_ms and first_ms of Reserve."""

    transition: Transition
    accepted_ms: int
    """How long the conversation may take."""
    idle_ms: int
    first_ms: int
    handed_on: HandedOn | None
    """The reservation that ends then, where the offer is that of a transfer whose contact its agent keeps."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = _TRANSITION


class Decline(VerbCall, frozen=True, kw_only=True):
    """Declines an offer.

    away: 'away' where this call set the agent AWAY; 'still' where it repeats the call that did, and the agent is AWAY
    for declined offers; else ''.
    """

    transition: Transition
    reason: str
    retry_after_ms: int | Absent
    """After how long the agent may be offered the contact again; "": never."""
    max_declined: int
    """After how many declined offers in a row the agent is AWAY; 0: never."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {**_TRANSITION, "ok": ("fields", "now_ms", "away")}


class Renew(VerbCall, frozen=True, kw_only=True):
    """Moves the deadline of an accepted reservation."""

    transition: Transition
    duration_ms: int
    """From now until the new deadline."""
    idle_ms: int

    answers: ClassVar[Answers] = _TRANSITION


class ReportedOutcome(CallPart, frozen=True, kw_only=True):
    """One outcome that the agent reports."""

    field: str
    """The source and the kind."""
    said: str
    """The value: the same again changes nothing."""
    facts: str
    """What the outbox gets of it."""


class Complete(VerbCall, frozen=True, kw_only=True):
    """Ends a conversation."""

    transition: Transition
    outcomes: Key
    """What was recorded of the contact lately."""
    wrap_up_ms: int
    """How long its capacity stays held then."""
    good: Literal["1", "0", ""]
    """Whether the customer was served well; "": nothing is known. The reservation keeps the first report."""
    second_ends: Literal["1", ""]
    """"1": a second call ends the wrap-up, as it did in an earlier version."""
    write_id: str
    """A call that the network repeats has the same: it does not count as the second."""
    reported: Sequence[ReportedOutcome] = ()

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {**_TRANSITION, **_OFFERED}


class EndWrapUp(VerbCall, frozen=True, kw_only=True):
    """Ends a wrap-up before its time."""

    transition: Transition

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = _TRANSITION


class Cancel(VerbCall, frozen=True, kw_only=True):
    """Ends an offer or a conversation, and its contact."""

    transition: Transition
    wrap_up_ms: int
    """How long the capacity stays held after a conversation."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {**_TRANSITION, **_OFFERED}


class Withdraw(VerbCall, frozen=True, kw_only=True):
    """Withdraws the offer to an agent who has gone, and where the agent is removed the conversation."""

    transition: Transition
    cause: str
    """AGENT_LEFT or AGENT_REMOVED."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {**_TRANSITION, **_OFFERED}


class Touch(VerbCall, frozen=True, kw_only=True):
    """Notes activity in a conversation."""

    transition: Transition
    idle_ms: int

    answers: ClassVar[Answers] = _TRANSITION


class Rest(VerbCall, frozen=True, kw_only=True):
    """Stops counting an idle conversation. early: there was activity since. done: there is nothing to write."""

    transition: Transition

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"rests": (), "early": (), "done": ()}


class Expire(VerbCall, frozen=True, kw_only=True):
    """Writes the consequences of a passed deadline.

    early: the deadline has moved. done: there is nothing to write. away: 'away' where the agent was set AWAY, else ''.
    """

    transition: Transition
    max_missed: int
    """After how many missed offers in a row the agent is AWAY; 0: never."""
    wrap_up_ms: int
    """How long the capacity stays held after a conversation, from its deadline on."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"lapsed": ("state", "away"), "early": (), "done": (), **_OFFERED}
