"""Checks of a customer's message and of what it requires, and of requirements that contradict each other."""

from __future__ import annotations

from typing import Final

from matcher.model import (
    DEFAULT_CHANNEL,
    HTML,
    MOST_COMPARED,
    PLAIN,
    Basis,
    Message,
    Preferred,
    Requirements,
)
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import HOUR, WEEK, Violations
from matcher.v1 import routing_pb2 as pb

MOST_RAW: Final = 2**18
"""Characters of a text whose media type is given: a mail with all that it quotes."""
MEDIA_TYPES: Final = (PLAIN, HTML)
MOST_CUSTOMER: Final = 256
MOST_REQUIRED_SKILLS: Final = 64
MOST_EXCLUDED: Final = 256
MOST_PREFERRED: Final = 8
MOST_LEVEL: Final = 100
NOTHING_SAID: Final = "is empty, and there are neither `customer_interests` nor a `customer`: give one of the three"
MOST_INTERESTS: Final = 16
MOST_INTEREST: Final = 512


def checked_message(
    wrong: Violations, site: str, pool: str, message: pb.Message, *, text_needed: bool = True
) -> Message:
    """Return a message; text_needed: it needs a text or interests of the customer, not requirements alone."""
    interests = _interests(wrong, message) if message.customer_interests else ()
    if message.customer_interests_shareable and not message.customer_interests:
        wrong.note("message.customer_interests_shareable", "is set, but there are no customer_interests")
    _text(wrong, message, needed=text_needed and not (interests or message.customer))
    wrong.at_most("message.customer", message.customer, MOST_CUSTOMER)
    if message.channel:
        wrong.identifier("message.channel", message.channel)
    language = wrong.language("message.language", message.language) if message.language else ""
    if message.HasField("language_expires_after") and not message.language:
        wrong.note("message.language_expires_after", "is given, but no language is required: set `language`")
    requirements = Requirements(
        pool=pool,
        channel=message.channel or DEFAULT_CHANNEL,
        language=language,
        skills=_required_skills(wrong, message) if message.required_skills else {},
        excluded=_excluded(wrong, message, site) if message.excluded_agents else frozenset(),
        language_expires_ms=_after(wrong, "message.language_expires_after", message, "language_expires_after"),
        skills_expire_ms=_skills_expire(wrong, message) if message.required_skills else {},
    )
    preferred = _preferred(wrong, message, site) if message.preferred_agents else ()
    return Message(
        text=message.text,
        customer=message.customer,
        requirements=requirements,
        preferred=preferred,
        media_type=message.media_type or PLAIN,
        interests=interests,
        interests_shareable=message.customer_interests_shareable,
    )


def _interests(wrong: Violations, message: pb.Message) -> tuple[str, ...]:
    field = "message.customer_interests"
    listed = tuple(wrong.first(field, message.customer_interests, MOST_INTERESTS))
    for number, interest in enumerate(listed):
        if not wrong.at_most(f"{field}[{number}]", interest, MOST_INTEREST).strip():
            wrong.note(f"{field}[{number}]", "is empty")
    return listed


def _text(wrong: Violations, message: pb.Message, *, needed: bool) -> None:
    text, most = message.text, MOST_RAW if message.media_type else MOST_COMPARED
    if len(wrong.at_most("message.text", text, most)) <= most and (text.isspace() or (needed and not text)):
        wrong.note("message.text", "is empty" if text or not needed else NOTHING_SAID)
    if message.media_type and message.media_type not in MEDIA_TYPES:
        wrong.note("message.media_type", f"is not one of {', '.join(MEDIA_TYPES)}")
    elif message.media_type and not text and not needed:
        wrong.note("message.media_type", "is given, but there is no text")


def _after(
    wrong: Violations, field: str, given: pb.Message | pb.RequiredSkill | pb.PreferredAgent, name: str, most: int = WEEK
) -> int | None:
    """Return a duration in milliseconds; None where it is not set."""
    if not given.HasField(name):  # type: ignore[arg-type]
        return None
    return wrong.milliseconds(field, getattr(given, name), 0, most)


def _skills_expire(wrong: Violations, message: pb.Message) -> dict[str, int]:
    expire = {}
    for number, required in enumerate(message.required_skills[:MOST_REQUIRED_SKILLS]):
        after = _after(wrong, f"message.required_skills[{number}].expires_after", required, "expires_after")
        if after is not None:
            expire[required.skill] = after
    return expire


def _preferred(wrong: Violations, message: pb.Message, site: str) -> tuple[Preferred, ...]:
    field = "message.preferred_agents"
    listed = wrong.first(field, message.preferred_agents, MOST_PREFERRED)
    wrong.unique(field, (preferred.agent for preferred in listed))
    excluded = {agent: number for number, agent in enumerate(message.excluded_agents[:MOST_EXCLUDED])}
    for number, preferred in enumerate(listed):
        if preferred.agent and preferred.agent in excluded:
            wrong.note(f"{field}[{number}].agent", f"is excluded by excluded_agents[{excluded[preferred.agent]}]")
    return tuple(
        Preferred(
            wrong.of_site(f"{field}[{number}].agent", preferred.agent, Kind.AGENT, site),
            Basis.PREFERRED,
            _after(wrong, f"{field}[{number}].expires_after", preferred, "expires_after", HOUR) or 0,
        )
        for number, preferred in enumerate(listed)
    )


def _required_skills(wrong: Violations, message: pb.Message) -> dict[str, int]:
    field = "message.required_skills"
    listed = wrong.first(field, message.required_skills, MOST_REQUIRED_SKILLS)
    wrong.unique(field, (required.skill for required in listed))
    levels = {}
    for number, required in enumerate(listed):
        skill = wrong.identifier(f"{field}[{number}].skill", required.skill)
        levels[skill] = wrong.between(f"{field}[{number}].level", required.level, 0, MOST_LEVEL) or 1
    return levels


def _excluded(wrong: Violations, message: pb.Message, site: str) -> frozenset[str]:
    field = "message.excluded_agents"
    listed = wrong.first(field, message.excluded_agents, MOST_EXCLUDED)
    return frozenset(wrong.of_site(f"{field}[{number}]", name, Kind.AGENT, site) for number, name in enumerate(listed))
