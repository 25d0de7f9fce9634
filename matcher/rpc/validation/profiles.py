"""Validates an agent's fields, wherever they are given, and returns them as domain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matcher.model import DEFAULT_POOL, Capacity, ChannelCapacity, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import Violations
from matcher.v1 import roster_pb2 as pb

MOST_DISPLAY_NAME: Final = 128
MOST_INTERESTS: Final = 64
MOST_INTEREST: Final = 512
MOST_SKILLS: Final = 64
MOST_LEVEL: Final = 100
MOST_LANGUAGES: Final = 64
MOST_CHANNELS: Final = 32
MOST_POOLS: Final = 64
MOST_UNITS: Final = 1_000_000
"""The most units of a capacity's total, and of a contact's cost."""

STATUSES: Final[Mapping[int, AgentStatus]] = {
    pb.ONLINE: AgentStatus.ONLINE,
    pb.DRAINING: AgentStatus.DRAINING,
    pb.OFFLINE: AgentStatus.OFFLINE,
    pb.AWAY: AgentStatus.AWAY,
}
NOT_SET: Final = pb.AGENT_STATUS_UNSPECIFIED


def profile_of(
    wrong: Violations,
    field: str,
    agent: pb.Agent,
    at: str,
    *,
    interests_needed: bool = True,
    languages_wrong: Violations | None = None,
) -> Profile:
    """Check the profile of an agent of site `at`; a field that is not set has the value of a new agent.

    languages_wrong: where wrong languages are noted, if not with the others.
    """
    has_interests = interests_needed or len(agent.interests) > 0
    return Profile(
        display_name=display_name_of(wrong, field, agent.display_name),
        interests=interests_of(wrong, f"{field}.interests", agent.interests) if has_interests else (),
        skills=skills_of(wrong, f"{field}.skills", agent.skills),
        languages=languages_of(languages_wrong or wrong, f"{field}.languages", agent.languages),
        capacity=capacity_of(wrong, f"{field}.capacity", agent),
        pools=pools_of(wrong, f"{field}.pools", agent.pools, at),
        manager=manager_of(wrong, field, agent.manager),
    )


def display_name_of(wrong: Violations, field: str, value: str) -> str:
    """Check a display name; `field`: of the agent."""
    return wrong.at_most(f"{field}.display_name", value, MOST_DISPLAY_NAME)


def interests_of(wrong: Violations, field: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Check interests: at least one, without duplicates; return them without white space at their ends."""
    stripped = tuple(text.strip() for text in wrong.first(field, texts, MOST_INTERESTS))
    if not stripped:
        wrong.note(field, "is empty; an agent needs at least one interest")
    for number, text in enumerate(stripped):
        if not text:
            wrong.note(f"{field}[{number}]", "is empty")
        wrong.at_most(f"{field}[{number}]", text, MOST_INTEREST)
    wrong.unique(field, (text.casefold() or f"\n{number}" for number, text in enumerate(stripped)))
    return stripped


def skills_of(wrong: Violations, field: str, skills: Sequence[pb.Skill]) -> dict[str, int]:
    """Check skills; return their levels."""
    listed = wrong.first(field, skills, MOST_SKILLS)
    wrong.unique(field, (skill.skill for skill in listed))
    return {
        wrong.identifier(f"{field}[{number}].skill", skill.skill): wrong.between(
            f"{field}[{number}].level", skill.level, 1, MOST_LEVEL
        )
        for number, skill in enumerate(listed)
    }


def languages_of(wrong: Violations, field: str, languages: Sequence[str]) -> tuple[str, ...]:
    """Check languages; return their tags."""
    listed = wrong.first(field, languages, MOST_LANGUAGES)
    tags = tuple(wrong.language(f"{field}[{number}]", language) for number, language in enumerate(listed))
    wrong.unique(field, (tag.casefold() or f"\n{number}" for number, tag in enumerate(tags)))
    return tags


def capacity_of(wrong: Violations, field: str, agent: pb.Agent) -> Capacity:
    """Check the capacity of an agent."""
    if not agent.HasField("capacity"):
        return Capacity()
    given = agent.capacity
    channels = f"{field}.channels"
    wrong.between(f"{field}.total", given.total, 0, MOST_UNITS)
    listed = wrong.first(channels, given.channels, MOST_CHANNELS)
    wrong.unique(channels, (channel.channel for channel in listed))
    limits = {}
    for number, channel in enumerate(listed):
        at = f"{channels}[{number}]"
        limits[wrong.identifier(f"{at}.channel", channel.channel)] = ChannelCapacity(
            cost=wrong.between(f"{at}.cost", channel.cost, 1, MOST_UNITS),
            max=wrong.between(f"{at}.max", channel.max, 0, MOST_UNITS),
        )
    return Capacity(total=given.total, channels=limits)


def pools_of(wrong: Violations, field: str, pools: Sequence[str], at: str) -> tuple[str, ...]:
    """Check the names of pools of site `at`; return their ids, the default pool for none."""
    listed = wrong.first(field, pools, MOST_POOLS)
    wrong.unique(field, listed)
    return tuple(wrong.of_site(f"{field}[{n}]", name, Kind.POOL, at) for n, name in enumerate(listed)) or (
        DEFAULT_POOL,
    )


def manager_of(wrong: Violations, field: str, value: str) -> str:
    """Check who manages an agent; `field`: of the agent. Return "" for nobody."""
    return wrong.identifier(f"{field}.manager", value) if value else ""


def status_of(wrong: Violations, field: str, value: int) -> AgentStatus | None:
    """Check a status; return None where it is not set."""
    return STATUSES.get(wrong.known(field, value, (NOT_SET, *STATUSES)))
