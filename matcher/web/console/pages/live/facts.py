"""Facts of the floor, made of the API's answers: agents, reservations, and contacts that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from matcher.v1.roster_pb2 import Agent, AgentStatus
from matcher.v1.routing_pb2 import ACCEPTED, PENDING, WRAPPING, Contact, Reservation

HOLDING = {PENDING: "offered", ACCEPTED: "talking", WRAPPING: "wrapping"}
"""What an agent does who has a reservation in a state."""


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An agent: who it is and what the agent could take. Ids, not names, of pools; costs and maxima by channel."""

    agent: str
    etag: str
    shown: str
    status: str
    reason: str
    pools: tuple[str, ...]
    total: int
    channels: Mapping[str, tuple[int, int]]
    languages: frozenset[str]
    skills: Mapping[str, int]
    idle_since: float
    changed: float


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation that holds an agent. does: offered, talking or wrapping. counts: against the agent's capacity."""

    reservation: str
    agent: str
    contact: str
    channel: str
    cost: int
    does: str
    since: float
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact in the queue. estimate: seconds that it is likely to wait, None: unknown."""

    contact: str
    pool: str
    channel: str
    since: float
    language: str = ""
    skills: tuple[tuple[str, int], ...] = ()
    only_agent: str = ""
    estimate: float | None = None


def agent_facts(agent: Agent, known: Mapping[str, AgentFacts] | None = None) -> AgentFacts:
    """Return the facts of an agent; known: of before, for an agent who has not changed."""
    before = (known or {}).get(_id(agent.name))
    idle_since = _seconds(agent.idle_since)
    if before is not None and before.etag == agent.etag and before.idle_since == idle_since:
        return before
    return AgentFacts(
        agent=_id(agent.name),
        etag=agent.etag,
        shown=agent.display_name or _id(agent.name),
        status=AgentStatus.Name(agent.status).lower(),
        reason=agent.status_reason,
        pools=tuple(_id(pool) for pool in agent.pools),
        total=agent.capacity.total,
        channels={one.channel: (one.cost, one.max) for one in agent.capacity.channels},
        languages=frozenset(_primary(language) for language in agent.languages),
        skills={skill.skill: skill.level for skill in agent.skills},
        idle_since=idle_since,
        changed=_seconds(agent.update_time),
    )


def held_of(reservation: Reservation) -> Held:
    """Return the facts of a live reservation."""
    does = HOLDING.get(reservation.state, "talking")
    since = {"offered": reservation.create_time, "talking": reservation.accept_time, "wrapping": reservation.end_time}
    return Held(
        reservation=_id(reservation.name),
        agent=_id(reservation.agent),
        contact=contact_id(reservation.contact),
        channel=reservation.channel,
        cost=reservation.cost,
        does=does,
        since=_seconds(since[does]) or _seconds(reservation.create_time),
        counts=not reservation.HasField("idle_since"),
    )


def waiting_of(contact: Contact) -> Waiting:
    """Return the facts of a contact that waits."""
    needs = contact.requirements
    queued = contact.queued
    return Waiting(
        contact=contact_id(contact.name),
        pool=_id(contact.pool),
        channel=contact.channel,
        since=_seconds(contact.create_time),
        language=_primary(needs.language),
        skills=tuple((skill.skill, max(1, skill.level)) for skill in needs.required_skills),
        only_agent=_id(needs.only_agent),
        estimate=queued.estimated_wait.ToTimedelta().total_seconds() if queued.HasField("estimated_wait") else None,
    )


def contact_id(name: str) -> str:
    """Return the id in a contact's name, which may contain any sign."""
    return name.partition("/contacts/")[2]


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _seconds(moment: Timestamp) -> float:
    return moment.seconds + moment.nanos / 1e9
