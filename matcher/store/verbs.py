"""The table of the store's verbs: what each takes and answers. lua/<verb>.lua says what it does.

A key is named by what it holds, as `Keys` names it; an argument that is an id ends in `_id`, a duration in `_ms`. In Lua
they are `key.<name>` and `arg.<name>`. What has no value is "", for FCALL knows strings only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal, TypeAlias

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall, layout_of

Absent: TypeAlias = Literal[""]
"""No value."""

_TRANSITION: Final[Answers] = {
    "ok": ("fields", "now_ms"),
    "gone": (),
    "fence": (),
    "lapsed": ("state",),
    "state": ("state",),
}
"""ok: the reservation's hash and the time at which it is to be read. gone: there is no such reservation. fence: the
call's is not the reservation's. lapsed: its deadline has passed. state: it is in a state that the verb does not fit."""


class HandedOn(CallPart, frozen=True, kw_only=True):
    """In a transfer, the reservation that is freed once the new one is held."""

    reservation: Key
    agent: Key
    holds: Key
    id: str


class Candidate(CallPart, frozen=True, kw_only=True):
    """An agent whom the contact may come to, and the affinity, a decimal number."""

    agent: Key
    holds: Key
    id: str
    affinity: str


class Reserve(VerbCall, frozen=True, kw_only=True):
    """Holds capacity of a candidate, or lets the contact wait."""

    once: Key
    contact: Key
    reservation: Key
    decision: Key
    due: Key
    load: Key
    queue: Key
    waiting: Key
    contacts: Key
    timers: Key
    roster: Key
    digest: str
    """Of the request; "": the request is not remembered."""
    once_ms: int
    """How long the request is remembered."""
    contact_id: str
    reservation_id: str
    decision_id: str
    pool_id: str
    channel: str
    customer: str
    basis: str
    hold_ms: int
    state: str
    """The reservation's first state: PENDING or ACCEPTED."""
    tolerance: str
    """A decimal number: affinities this near the best are equal; below 0 the longest idle is chosen."""
    decision_record: bytes
    decision_ms: int
    """How long the decision is kept."""
    keep_ms: int
    """How long the records of what has ended are kept."""
    events_kept: int
    kind: str
    """A ReserveKind: 'new'; 'queue': the contact waits; 'transfer': an agent has it; 'move': a transfer that waits."""
    wait_ms: int | Absent
    """How long the contact may wait; "": it may not."""
    sealed: bytes
    """What the customer wrote, sealed."""
    head_start_ms: int
    waits_if: Literal["full", "kept", ""]
    """'full': it waits where no candidate has enough free capacity; 'kept': only where a candidate has, but is kept for
    the contacts that wait already; '': it does not wait now."""
    idle_ms: int
    """After how long without activity an accepted conversation is idle; 0: never."""
    handed_on: HandedOn | None
    candidates: Sequence[Candidate]

    # replayed: the request was answered before, or the offer is made already; ids are '' where the contact waits.
    # reused: the request id came with another request. live: the contact has an agent. ended: it has ended.
    # state: it does not stand as `kind` demands. full: nothing was written; the last events of both streams then.
    answers: ClassVar[Answers] = {
        "held": ("agent_id", "fence", "cost", "created_ms", "deadline_ms", "load_event"),
        "queued": ("score", "waits_until_ms", "load_event"),
        "replayed": ("reservation_id", "decision_id", "contact_id"),
        "reused": (),
        "live": ("reservation_id",),
        "ended": ("state",),
        "state": ("state",),
        "full": ("load_event", "roster_event"),
    }


class ReserveInOrder(VerbCall, frozen=True, kw_only=True):
    """Runs several reserves and returns the list of their answers."""

    reserves: Sequence[Reserve]

    answers: ClassVar[Answers] = Reserve.answers


class Transition(CallPart, frozen=True, kw_only=True):
    """What every transition of a reservation takes."""

    reservation: Key
    contact: Key
    agent: Key
    holds: Key
    due: Key
    load: Key
    queue: Key
    waiting: Key
    contacts: Key
    timers: Key
    roster: Key
    reservation_id: str
    contact_id: str
    agent_id: str
    fence: int
    """The fence that the reservation must have; 0: any."""
    keep_ms: int
    events_kept: int


class Accept(VerbCall, frozen=True, kw_only=True):
    """Accepts an offer; see idle_ms of Reserve."""

    transition: Transition
    accepted_ms: int
    """How long the conversation may take."""
    idle_ms: int

    answers: ClassVar[Answers] = _TRANSITION


class Decline(VerbCall, frozen=True, kw_only=True):
    """Declines an offer."""

    transition: Transition
    reason: str
    retry_after_ms: int | Absent
    """After how long the agent may be offered the contact again; "": never."""

    answers: ClassVar[Answers] = _TRANSITION


class Renew(VerbCall, frozen=True, kw_only=True):
    """Moves the deadline of an accepted reservation."""

    transition: Transition
    duration_ms: int
    """From now until the new deadline."""
    idle_ms: int

    answers: ClassVar[Answers] = _TRANSITION


class Complete(VerbCall, frozen=True, kw_only=True):
    """Ends a conversation, or its wrap-up."""

    transition: Transition
    wrap_up_ms: int
    write_id: str
    """A call that the network repeats has the same: it does not count as the second."""

    answers: ClassVar[Answers] = _TRANSITION


class Cancel(VerbCall, frozen=True, kw_only=True):
    """Frees the capacity without a conversation."""

    transition: Transition
    cause: str
    """CANCELED or AGENT_REMOVED."""

    answers: ClassVar[Answers] = _TRANSITION


class Withdraw(VerbCall, frozen=True, kw_only=True):
    """Withdraws the offer to an agent who has gone."""

    transition: Transition
    cause: str
    """AGENT_LEFT or AGENT_REMOVED."""

    answers: ClassVar[Answers] = _TRANSITION


class Touch(VerbCall, frozen=True, kw_only=True):
    """Notes activity in a conversation."""

    transition: Transition
    idle_ms: int

    answers: ClassVar[Answers] = _TRANSITION


class Rest(VerbCall, frozen=True, kw_only=True):
    """Stops counting an idle conversation. early: there was activity since. done: there is nothing to write."""

    transition: Transition

    answers: ClassVar[Answers] = {"rests": (), "early": (), "done": ()}


class Expire(VerbCall, frozen=True, kw_only=True):
    """Writes the consequences of a passed deadline.

    early: the deadline has moved. done: there is nothing to write. away: 'away' where the agent was set AWAY, else ''.
    """

    transition: Transition
    max_missed: int
    """After how many missed offers in a row the agent is AWAY; 0: never."""

    answers: ClassVar[Answers] = {"lapsed": ("state", "away"), "early": (), "done": ()}


class Leave(VerbCall, frozen=True, kw_only=True):
    """Takes a contact out of the queue.

    gone: there is no such contact. held: an agent has it. ended: it has ended before. early: it may still wait.
    """

    contact: Key
    load: Key
    queue: Key
    waiting: Key
    contacts: Key
    timers: Key
    contact_id: str
    cause: str
    """CANCELED or WAIT_EXPIRED."""
    keep_ms: int
    events_kept: int

    answers: ClassVar[Answers] = {
        "left": ("state",),
        "gone": (),
        "held": ("reservation_id",),
        "ended": ("state",),
        "early": (),
    }


class Lead(VerbCall, frozen=True, kw_only=True):
    """Takes or renews the leader lease of a site's queue. follows: how long the lease of another process lasts."""

    dispatcher: Key
    load: Key
    process_id: str
    lease_ms: int

    answers: ClassVar[Answers] = {"leads": ("load_event",), "follows": ("left_ms",)}


class FreedAgent(CallPart, frozen=True, kw_only=True):
    """An agent with an earmark, and when the capacity became free."""

    agent: Key
    freed_at_ms: int


class GiveBack(VerbCall, frozen=True, kw_only=True):
    """Ends the earmarks of agents."""

    agents: Sequence[FreedAgent]

    answers: ClassVar[Answers] = {"ok": ()}


class Beat(VerbCall, frozen=True, kw_only=True):
    """Notes a heartbeat."""

    agent: Key
    timers: Key
    roster: Key
    load: Key
    waiting: Key
    agent_id: str
    ttl_ms: int
    """Until the next heartbeat is due."""
    events_kept: int

    answers: ClassVar[Answers] = {"ok": ("until_ms", "status"), "gone": ()}


class MissBeat(VerbCall, frozen=True, kw_only=True):
    """Sets a silent agent AWAY. early: there was a heartbeat since. done: there is nothing to write."""

    agent: Key
    timers: Key
    roster: Key
    agent_id: str
    events_kept: int

    answers: ClassVar[Answers] = {"away": (), "early": (), "done": ()}


class CustomerRecord(CallPart, frozen=True, kw_only=True):
    """A customer to be joined."""

    customer: Key
    id: str


class Handle(CallPart, frozen=True, kw_only=True):
    """A handle to be joined, and the id of the customer that it is expected to lead to; "": none."""

    handle: Key
    expected: str


class Link(VerbCall, frozen=True, kw_only=True):
    """Joins the handles of one customer. moved: a handle or a customer leads elsewhere by now."""

    remember_ms: int
    customers: Sequence[CustomerRecord]
    """At least one; the first becomes the customer of all handles."""
    handles: Sequence[Handle]

    answers: ClassVar[Answers] = {"linked": ("handles",), "moved": ()}


class Remember(VerbCall, frozen=True, kw_only=True):
    """Notes how an agent served a customer. moved: the customer was joined to another."""

    customer: Key
    agent_field: str
    verdict: str
    """'good|when|until' or 'bad|when|until'."""
    remember_ms: int

    answers: ClassVar[Answers] = {"ok": (), "moved": ("customer_id",)}


_WRITE: Final[Answers] = {"ok": ("fields",), "exists": (), "gone": (), "mismatch": ("version",)}
"""ok: the hash that was written. exists, gone, mismatch: `expected` is not the version there is."""


class PoolLeft(CallPart, frozen=True, kw_only=True):
    """A pool that an agent is to leave, or leaves by being removed."""

    members: Key


class PoolJoined(CallPart, frozen=True, kw_only=True):
    """A pool that an agent is to be in."""

    members: Key
    id: str


class PutAgent(VerbCall, frozen=True, kw_only=True):
    """Writes an agent. pool: the id of a pool that does not exist."""

    agent: Key
    agents: Key
    vectors: Key
    roster: Key
    pools: Key
    waiting: Key
    agent_id: str
    expected: int | Absent
    """The version that the agent must have; "": any; 0: the agent must not exist."""
    status: str
    """"": the status stays, OFFLINE for a new agent."""
    profile: bytes
    total: int
    """The agent's capacity."""
    channels: str
    encoded: bytes
    """The interest vectors; empty: they stay."""
    write_id: str
    """A call that the network repeats has the same and gets the same answer."""
    events_kept: int
    left: Sequence[PoolLeft]
    joined: Sequence[PoolJoined]

    answers: ClassVar[Answers] = {**_WRITE, "pool": ("pool_id",)}


class PutStatus(VerbCall, frozen=True, kw_only=True):
    """Declares an agent's status."""

    agent: Key
    roster: Key
    waiting: Key
    agent_id: str
    status: str
    events_kept: int

    answers: ClassVar[Answers] = {"ok": ("fields",), "gone": ()}


class AgentVectors(CallPart, frozen=True, kw_only=True):
    """An agent's interest vectors, and the profile version that they were computed from."""

    agent: Key
    vectors: Key
    profile_version: int
    encoded: bytes


class PutVectors(VerbCall, frozen=True, kw_only=True):
    """Writes interest vectors; returns how many were written."""

    agents: Sequence[AgentVectors]

    answers: ClassVar[Answers] = {"ok": ("written",)}


class ModelVectors(CallPart, frozen=True, kw_only=True):
    """An agent's interest vectors by one model."""

    vectors: Key


class DeleteAgent(VerbCall, frozen=True, kw_only=True):
    """Removes an agent. holds: how many reservations the agent still has."""

    agent: Key
    agents: Key
    roster: Key
    holds: Key
    once: Key
    timers: Key
    agent_id: str
    expected: int | Absent
    events_kept: int
    write_id: str
    left: Sequence[PoolLeft]
    models: Sequence[ModelVectors]

    answers: ClassVar[Answers] = {"ok": (), "gone": (), "mismatch": ("version",), "holds": ("count",)}


class PutPool(VerbCall, frozen=True, kw_only=True):
    """Writes a pool's policy; see expected and write_id of PutAgent."""

    pool: Key
    pools: Key
    roster: Key
    pool_id: str
    expected: int | Absent
    policy: bytes
    write_id: str
    events_kept: int

    answers: ClassVar[Answers] = _WRITE


class DeletePool(VerbCall, frozen=True, kw_only=True):
    """Removes a pool. used: how many agents are in it. waits: how many contacts wait in it."""

    pool: Key
    pools: Key
    roster: Key
    members: Key
    waiting: Key
    once: Key
    pool_id: str
    expected: int | Absent
    events_kept: int
    write_id: str

    answers: ClassVar[Answers] = {
        "ok": (),
        "gone": (),
        "mismatch": ("version",),
        "used": ("agents",),
        "waits": ("contacts",),
    }


VERBS: Final[Mapping[str, type[VerbCall]]] = {
    layout_of(call).name: call
    for call in (
        Reserve,
        ReserveInOrder,
        Accept,
        Decline,
        Renew,
        Complete,
        Cancel,
        Withdraw,
        Touch,
        Rest,
        Expire,
        Leave,
        Beat,
        MissBeat,
        Lead,
        GiveBack,
        Link,
        Remember,
        PutAgent,
        PutStatus,
        PutVectors,
        DeleteAgent,
        PutPool,
        DeletePool,
    )
}
"""Every verb by its name, in the order of the library: a verb that another one calls stands before it."""
