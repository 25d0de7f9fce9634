"""Why nobody answers in a pool, or who does: its members, what keeps each of them, and what contacts wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1 import routing_pb2 as pb
from matcher.v1.roster_pb2 import AWAY, DRAINING, OFFLINE, ONLINE, Agent, Pool
from matcher.web.console.render import count, span
from matcher.web.console.said import left_out, short

SHOWN: Final = 200
"""Members whom the page lists; all are counted."""
FREE: Final = "free"
BUSY: Final = "busy"
_ORDER: Final = (FREE, BUSY, "without capacity", "finishing", "away", "offline")
_BADGES: Final = {FREE: "free", BUSY: "talking", "finishing": "wrapping"}
_DEFAULT_CHANNEL: Final = "chat"


@dataclass(frozen=True, slots=True)
class Member:
    """An agent of the pool: what the agent is now, and why."""

    agent: str
    name: str
    state: str
    badge: str
    why: str
    channels: tuple[str, ...]
    """Those on which the agent can take a contact now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact that waits, and which constraints keep which number of agents from it; (): it is told nothing."""

    contact: str
    waited: str
    requires: str
    kept_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolState:
    """What the page says of a pool as it is now."""

    verdict: str
    advice: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    members: tuple[Member, ...]
    more: int
    """Members who are not listed."""
    waiting: tuple[Waiting, ...]
    waiting_in_all: int


def member_of(agent: Agent) -> Member:
    """Return what an agent is now, and why."""
    state, why, channels = _state_of(agent)
    name = agent.display_name or short(agent.name)
    return Member(short(agent.name), name, state, _BADGES.get(state, ""), why, channels)


def state_of(pool: Pool, agents: Sequence[Agent], waiting: Sequence[Waiting], *, unread: bool) -> PoolState:
    """Return what the page says of a pool. unread: whether there are more agents than were read."""
    members = sorted(map(member_of, agents), key=lambda one: (_ORDER.index(one.state), one.name.lower(), one.agent))
    counts = Counter(member.state for member in members)
    ordered = tuple((state, counts[state]) for state in _ORDER if counts[state])
    return PoolState(
        verdict=_verdict(len(members), counts, ordered, pool.waiting, unread=unread),
        advice=tuple(_advice(members, counts, pool)),
        counts=ordered,
        members=tuple(members[:SHOWN]),
        more=max(0, len(members) - SHOWN),
        waiting=tuple(waiting),
        waiting_in_all=pool.waiting,
    )


def waiting_of(contact: pb.Contact, now: float, counts: Iterable[pb.LeftOutCount]) -> Waiting:
    """Return a contact that waits, with what keeps agents from it by the service's own count."""
    requires = contact.requirements
    needs = [f"the language {requires.language}"] if requires.language else []
    needs += [f"the skill {one.skill}{f' at {one.level}' if one.level > 1 else ''}" for one in requires.required_skills]
    if requires.only_agent:
        needs.append(f"the agent {short(requires.only_agent)} and nobody else")
    if contact.channel and contact.channel != _DEFAULT_CHANNEL:
        needs.append(f"the channel {contact.channel}")
    return Waiting(
        contact=short(contact.name).replace("%2F", "/"),
        waited=span(now - contact.create_time.ToMilliseconds() / 1000),
        requires=", ".join(needs) or "nothing in particular",
        kept_from=tuple(f"{one.agents} {left_out(one.constraint)}" for one in counts),
    )


def still_required(contact: pb.Contact, now: float) -> pb.Message:
    """Return the requirements of a contact that still apply, as a message that says nothing."""
    requires, age = contact.requirements, now - contact.create_time.ToMilliseconds() / 1000
    language = requires.language
    if requires.HasField("language_expires_after") and requires.language_expires_after.ToSeconds() <= age:
        language = ""
    skills = [
        pb.RequiredSkill(skill=one.skill, level=one.level)
        for one in requires.required_skills
        if not one.HasField("expires_after") or one.expires_after.ToSeconds() > age
    ]
    excluded = list(dict.fromkeys([*requires.excluded_agents, *contact.excluded_agents]))
    return pb.Message(
        text=".", channel=contact.channel, language=language, required_skills=skills, excluded_agents=excluded
    )


def _state_of(agent: Agent) -> tuple[str, str, tuple[str, ...]]:
    if agent.status == ONLINE:
        return _online(agent)
    if agent.status == AWAY:
        return "away", agent.status_reason or "by the agent's own choice, or a supervisor's", ()
    if agent.status == DRAINING:
        return "finishing", "takes no new contact, and finishes the conversations", ()
    return "offline", agent.status_reason if agent.status == OFFLINE else "", ()


def _online(agent: Agent) -> tuple[str, str, tuple[str, ...]]:
    capacity = agent.capacity
    if not capacity.total:
        return "without capacity", "the agent's capacity is 0", ()
    held = Counter(hold.channel for hold in agent.holds)
    left = capacity.total - agent.load
    free = tuple(
        one.channel for one in capacity.channels if one.cost <= left and (not one.max or held[one.channel] < one.max)
    )
    if free:
        return FREE, f"{agent.load} of {capacity.total} in use", free
    if not capacity.channels:
        return "without capacity", "the agent serves no channel", ()
    return BUSY, f"{agent.load} of {capacity.total} in use by {count(len(agent.holds), 'contact')}", ()


def _verdict(
    members: int, counts: Mapping[str, int], ordered: Sequence[tuple[str, int]], waiting: int, *, unread: bool
) -> str:
    if not members:
        return "Nobody answers: no agent is in this pool."
    if unread:
        return f"The pool has more than {members:,} agents; of the first {members:,} {counts[FREE]:,} are free."
    said = ", ".join(f"{number:,} {state}" for state, number in ordered if state != FREE)
    if not counts[FREE]:
        waits = f" {count(waiting, 'contact waits', 'contacts wait')}." if waiting else ""
        return f"Nobody can take a contact now: of {count(members, 'agent')} {said}.{waits}"
    free = f"{count(counts[FREE], 'agent is', 'agents are')} free"
    if waiting:
        waits = count(waiting, "contact waits", "contacts wait")
        return f"{free}, and yet {waits}: see in the pool what they require."
    return f"{free}, and nobody waits." if not said else f"{free} ({said}), and nobody waits."


def _advice(members: Sequence[Member], counts: Mapping[str, int], pool: Pool) -> Iterable[str]:
    if not members:
        yield "Put agents into the pool on the page People, or with `matcher agents update AGENT --pool POOL`."
    reasons = Counter(member.why for member in members if member.state == "away")
    for why, number in reasons.most_common(4):
        yield f"{count(number, 'agent is', 'agents are')} away: {why}."
    if any(why.startswith(("missed", "declined")) for why in reasons):
        yield "The service set them away; SetAgentStatus, or the desk, brings them back."
    if without := counts["without capacity"]:
        yield f"{count(without, 'agent has', 'agents have')} no capacity: raise it on the page People."
    channels = sorted({channel for member in members for channel in member.channels})
    if channels:
        yield f"Free agents can take: {', '.join(channels[:12])}. A contact on another channel finds nobody."
    floor = "set by hand" if pool.HasField("affinity_floor") else "computed from the roster"
    yield (
        f"The floor in force is {pool.effective_affinity_floor:.2f}, {floor}: a message below it still gets an agent, "
        "the least utilized. So the floor keeps nobody from answering."
    )
