"""The verbs of the roster: agents with their heartbeats and vectors, and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from matcher.store.redis.verb_call import Absent, Answers, CallPart, Key, VerbCall


class Beat(VerbCall, frozen=True, kw_only=True):
    """Notes a heartbeat. away: 'away' where the agent was set AWAY, else ''."""

    life: Key
    agent: Key
    timers: Key
    roster: Key
    load: Key
    waiting: Key
    agent_id: str
    ttl_ms: int
    """Until the next heartbeat is due."""
    return_within_ms: int
    """After a longer silence the heartbeat alone does not bring the agent back."""
    events_kept: int
    scope: str = ""
    """The pools that the caller reaches, ';billing;sales;'; "": all."""

    answers: ClassVar[Answers] = {"ok": ("until_ms", "status", "away"), "gone": ()}


class MissBeat(VerbCall, frozen=True, kw_only=True):
    """Sets a silent agent AWAY. early: there was a heartbeat since. done: there is nothing to write."""

    life: Key
    agent: Key
    timers: Key
    roster: Key
    agent_id: str
    events_kept: int

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"away": (), "early": (), "done": ()}


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
    """Writes an agent. pool: the id of a pool that does not exist. quota: the site has as many agents as it may."""

    life: Key
    agent: Key
    agents: Key
    vectors: Key
    roster: Key
    audit: Key
    pools: Key
    waiting: Key
    agent_id: str
    expected: int | Absent
    """The version that the agent must have; "": any; 0: the agent must not exist."""
    uid: str
    """Of a record that has none; a record that has one keeps it."""
    status: str
    """"": the status stays, OFFLINE for a new agent."""
    imported: str
    """"1": an agent whose desk has sent heartbeats, and has stopped, keeps the status; "": the status is written."""
    profile: bytes
    total: int
    """The agent's capacity."""
    channels: str
    encoded: bytes
    """The interest vectors; empty: they stay."""
    write_id: str
    """A call that the network repeats has the same and gets the same answer."""
    said: str | bytes = ""
    """For the audit trail; "": the change is not audited."""
    events_kept: int
    left: Sequence[PoolLeft]
    joined: Sequence[PoolJoined]

    most_agents: int = 0
    """The quota of the site; 0: none."""

    answers: ClassVar[Answers] = {**_WRITE, "pool": ("pool_id",), "quota": ()}


class PutStatus(VerbCall, frozen=True, kw_only=True):
    """Declares an agent's status."""

    life: Key
    agent: Key
    roster: Key
    audit: Key
    waiting: Key
    agent_id: str
    uid: str
    """See PutAgent."""
    status: str
    why: str
    """What the caller says of it; "": nothing. What the service says of a status has a field of its own."""
    said: str | bytes = ""
    """For the audit trail; the verb adds the status and its reason, before and after. "": the change is not audited."""
    events_kept: int
    scope: str = ""
    """The pools that the caller reaches, ';billing;sales;'; "": all."""

    answers: ClassVar[Answers] = {"ok": ("fields",), "gone": ()}


class AgentVectors(CallPart, frozen=True, kw_only=True):
    """An agent's interest vectors, and the profile version that they were computed from."""

    agent: Key
    vectors: Key
    profile_version: int
    encoded: bytes


class PutVectors(VerbCall, frozen=True, kw_only=True):
    """Writes interest vectors; returns how many were written."""

    life: Key
    agents: Sequence[AgentVectors]

    answers: ClassVar[Answers] = {"ok": ("written",)}


class ModelVectors(CallPart, frozen=True, kw_only=True):
    """An agent's interest vectors by one model."""

    vectors: Key


class DeleteAgent(VerbCall, frozen=True, kw_only=True):
    """Removes an agent. holds: how many reservations the agent still has."""

    life: Key
    agent: Key
    agents: Key
    roster: Key
    audit: Key
    holds: Key
    once: Key
    timers: Key
    agent_id: str
    expected: int | Absent
    said: str | bytes = ""
    """For the audit trail; "": the change is not audited."""
    events_kept: int
    write_id: str
    left: Sequence[PoolLeft]
    models: Sequence[ModelVectors]

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": (), "gone": (), "mismatch": ("version",), "holds": ("count",)}


class PutPool(VerbCall, frozen=True, kw_only=True):
    """Writes a pool's policy; see expected and write_id of PutAgent."""

    life: Key
    pool: Key
    pools: Key
    roster: Key
    audit: Key
    pool_id: str
    uid: str
    """See PutAgent."""
    expected: int | Absent
    policy: bytes
    write_id: str
    said: str | bytes = ""
    """For the audit trail; "": the change is not audited."""
    events_kept: int

    most_pools: int = 0
    """The quota of the site; 0: none."""

    answers: ClassVar[Answers] = {**_WRITE, "quota": ()}


class DeletePool(VerbCall, frozen=True, kw_only=True):
    """Removes a pool. used: how many agents are in it. waits: how many contacts wait in it."""

    life: Key
    pool: Key
    pools: Key
    roster: Key
    audit: Key
    members: Key
    waiting: Key
    once: Key
    pool_id: str
    expected: int | Absent
    said: str | bytes = ""
    """For the audit trail; "": the change is not audited."""
    events_kept: int
    write_id: str

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {
        "ok": (),
        "gone": (),
        "mismatch": ("version",),
        "used": ("agents",),
        "waits": ("contacts",),
    }
