"""Messages of requests, made from plain ids and Python's own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from matcher.client.spans import duration as duration_of
from matcher.v1 import routing_pb2 as pb


def message_of(
    agent_name: Callable[[str], str],
    text: str,
    *,
    customer: str = "",
    channel: str = "",
    language: str = "",
    media_type: str = "",
    required_skills: Mapping[str, int] | None = None,
    excluded_agents: Iterable[str] = (),
    preferred_agents: Mapping[str, timedelta | None] | None = None,
    skills_expire: Mapping[str, timedelta] | None = None,
    language_expires: timedelta | None = None,
    customer_interests: Iterable[str] = (),
    customer_interests_shareable: bool = False,
) -> pb.Message:
    """Return a message; agent_name: makes an agent's id a resource name.

    Raises ValueError where skills_expire names a skill that required_skills does not: the API has no field to say so.
    """
    skills, expire = required_skills or {}, skills_expire or {}
    if unknown := sorted(expire.keys() - skills.keys()):
        raise ValueError(f"skills_expire names skills that required_skills does not: {', '.join(unknown)}")
    return pb.Message(
        text=text,
        media_type=media_type,
        customer=customer,
        channel=channel,
        language=language,
        language_expires_after=duration_of(language_expires),
        required_skills=[
            pb.RequiredSkill(skill=skill, level=level, expires_after=duration_of(expire.get(skill)))
            for skill, level in skills.items()
        ],
        excluded_agents=[agent_name(agent) for agent in excluded_agents],
        preferred_agents=[
            pb.PreferredAgent(agent=agent_name(agent), expires_after=duration_of(expires))
            for agent, expires in (preferred_agents or {}).items()
        ],
        customer_interests=customer_interests,
        customer_interests_shareable=customer_interests_shareable,
    )
