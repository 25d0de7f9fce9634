"""A profile as a form has it: fields of text made of an agent and read back, and two people's changes merged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.v1.roster_pb2 import Agent, Capacity, ChannelCapacity, Skill

FIELDS: Final = ("display_name", "interests", "skills", "languages", "pools", "total", "channels", "manager")
LISTS: Final = ("interests", "skills", "languages", "pools", "channels")
LABELS: Final[Mapping[str, str]] = {
    "agent_id": "Id",
    "display_name": "Name",
    "interests": "Interests, one a line",
    "skills": "Skills, one a line: billing:4",
    "languages": "Languages, one a line: de, or German",
    "pools": "Pools, one a line",
    "total": "Capacity",
    "channels": "Channels, one a line: chat:30:3 is a cost of 30, at most 3 at once",
    "manager": "Manager, by id",
}
MASK: Final[Mapping[str, str]] = {"total": "capacity", "channels": "capacity"}
"""The field of an update_mask, where it is not the form's own."""

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody else changed of a field meanwhile: what went and what came."""

    label: str
    gone: tuple[str, ...]
    come: tuple[str, ...]
    both: bool
    """Whether the visitor changed the same field, so that the two have to be looked at."""


def values_of(agent: Agent) -> dict[str, str]:
    """Return an agent as the texts of the form."""
    limits = agent.capacity.channels
    return {
        "display_name": agent.display_name,
        "interests": "\n".join(" ".join(interest.split()) for interest in agent.interests),
        "skills": "\n".join(f"{skill.skill}:{skill.level}" for skill in agent.skills),
        "languages": "\n".join(agent.languages),
        "pools": "\n".join(pool.rpartition("/")[2] for pool in agent.pools),
        "total": str(agent.capacity.total) if agent.HasField("capacity") else "",
        "channels": "\n".join(f"{one.channel}:{one.cost}" + (f":{one.max}" if one.max else "") for one in limits),
        "manager": agent.manager,
    }


def lines(text: str) -> list[str]:
    """Return the lines of a field that have anything in them, each without space around it."""
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def tidied(field: str, text: str) -> str:
    """Return a field as it is compared and kept: a browser sends other line ends than it was given."""
    return "\n".join(lines(text)) if field in LISTS else text.strip()


def agent_of(values: Values, site: str) -> tuple[Agent, dict[str, str]]:
    """Return the agent that a form describes, and what of it cannot be read, by field; the service judges the rest."""
    wrong: dict[str, str] = {}
    skills, channels = [], []
    for line in lines(values["skills"]):
        skill, _, level = line.rpartition(":")
        if not skill or not _is_number(level):
            wrong["skills"] = f"“{line[:80]}” is not a skill and a level: write billing:4"
        else:
            skills.append(Skill(skill=skill.strip(), level=int(level)))
    for line in lines(values["channels"]):
        parts = [part.strip() for part in line.split(":")]
        if not 2 <= len(parts) <= 3 or not all(map(_is_number, parts[1:])):
            wrong["channels"] = f"“{line[:80]}” is not a channel, a cost and a most: write chat:30:3"
        else:
            most = int(parts[2]) if len(parts) == 3 else 0
            channels.append(ChannelCapacity(channel=parts[0], cost=int(parts[1]), max=most))
    total = values["total"].strip()
    if total and not _is_number(total):
        wrong["total"] = "is not a whole number"
    capacity = Capacity(total=int(total), channels=channels) if _is_number(total) else None
    if channels and not total:
        wrong["total"] = "is missing: a person with channels needs a capacity"
    agent = Agent(
        display_name=values["display_name"].strip(),
        interests=lines(values["interests"]),
        skills=skills,
        languages=lines(values["languages"]),
        pools=[pool if pool.startswith("sites/") else f"{site}/pools/{pool}" for pool in lines(values["pools"])],
        capacity=capacity,
        manager=values["manager"].strip(),
    )
    return agent, wrong


def changed(base: Values, mine: Values) -> list[str]:
    """Return the fields of the form that differ."""
    return [field for field in FIELDS if tidied(field, base[field]) != tidied(field, mine[field])]


def mask_of(fields: Sequence[str]) -> list[str]:
    """Return fields of the form as an update_mask names them."""
    return sorted({MASK.get(field, field) for field in fields})


def merged(base: Values, mine: Values, theirs: Values) -> tuple[dict[str, str], tuple[Change, ...]]:
    """Return the visitor's changes on top of another's, and what the other changed.

    Of a list what either added comes in and what either removed goes; of a field with one value that both changed the
    visitor's counts, and the change says so.
    """
    both = {field: tidied(field, base[field]) != tidied(field, mine[field]) for field in FIELDS}
    out, seen = dict[str, str](), list[Change]()
    for field in FIELDS:
        before, now = tidied(field, base[field]), tidied(field, theirs[field])
        out[field] = tidied(field, mine[field]) if both[field] else now
        if before == now:
            continue
        gone = tuple(line for line in lines(before) if line not in lines(now))
        come = tuple(line for line in lines(now) if line not in lines(before))
        seen.append(Change(LABELS[field].partition(",")[0], gone, come, both[field]))
        if both[field] and field in LISTS:
            kept = [line for line in lines(mine[field]) if line not in gone]
            out[field] = "\n".join([*kept, *(line for line in come if line not in kept)])
    return out, tuple(seen)


def field_of(path: str) -> str:
    """Return the field of the form to which a field of the request belongs: "agent.interests[2]" to the interests."""
    parts = [re.sub(r"\[.*", "", part) for part in path.split(".")]
    if "channels" in parts:
        return "channels"
    if "capacity" in parts:
        return "total"
    return next((part for part in parts if part in LABELS), "")


def in_words(path: str, description: str) -> str:
    """Return what is wrong with an entry of a list, which is named by its line."""
    place = re.search(r"\[(\d+)\]", path)
    return f"line {int(place[1]) + 1}: {description}" if place else description


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,9}", text.strip()) is not None and text.strip().isascii()
