"""Conversion of what a contact requires of its agent, and of required skills."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from matcher.model import Contact
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import duration
from matcher.v1 import routing_pb2


def requirements_of(site: str, record: Contact) -> routing_pb2.ContactRequirements | None:
    """Convert what a contact requires beside its pool and channel; None: nothing."""
    required = record.requirements
    if not (required.language or required.skills or required.excluded or required.only or record.preferred):
        return None
    return routing_pb2.ContactRequirements(
        language=required.language,
        language_expires_after=_duration(required.language_expires_ms),
        required_skills=required_skills(required.skills, required.skills_expire_ms),
        excluded_agents=[name(Kind.AGENT, site, agent) for agent in sorted(required.excluded)],
        preferred_agents=[
            routing_pb2.PreferredAgent(
                agent=name(Kind.AGENT, site, preferred.agent), expires_after=_duration(preferred.kept_ms or None)
            )
            for preferred in record.preferred
        ],
        only_agent=name(Kind.AGENT, site, required.only),
    )


def required_skills(
    levels: Mapping[str, int], expire_ms: Mapping[str, int] | None = None
) -> list[routing_pb2.RequiredSkill]:
    """Convert required skills with their levels, and with what expires after how long (ms)."""
    expire = expire_ms or {}
    return [
        routing_pb2.RequiredSkill(skill=skill, level=level, expires_after=_duration(expire.get(skill)))
        for skill, level in levels.items()
    ]


def _duration(milliseconds: int | None) -> Duration | None:
    return None if milliseconds is None else duration(milliseconds)
