"""Validates the requests of RosterService, and returns their arguments as domain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matcher.model import (
    DEFAULT_POOL,
    AgentChange,
    Capacity,
    ChannelCapacity,
    ImportedRow,
    PoolPolicy,
    Profile,
    WhenOverloaded,
)
from matcher.model.lifecycle import AgentStatus
from matcher.rpc.convert import WHEN_OVERLOADED
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import DAY, HOUR, MISSING, SECOND, WEEK, YEAR, Violations
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
MOST_MISSED: Final = 1_000
DEFAULT_BEAT_MS: Final = 30 * SECOND

STATUSES: Final[Mapping[int, AgentStatus]] = {
    pb.ONLINE: AgentStatus.ONLINE,
    pb.DRAINING: AgentStatus.DRAINING,
    pb.OFFLINE: AgentStatus.OFFLINE,
    pb.AWAY: AgentStatus.AWAY,
}
CHOICES: Final[dict[int, WhenOverloaded]] = {number: choice for choice, number in WHEN_OVERLOADED.items()}
NOT_SET: Final = pb.AGENT_STATUS_UNSPECIFIED

AGENT_PATHS: Final = frozenset({"display_name", "interests", "skills", "languages", "capacity", "pools", "status"})
_DURATIONS: Final = {
    "offer_duration": ("offer_ms", SECOND, HOUR),
    "accepted_duration": ("accepted_ms", SECOND, WEEK),
    "wrap_up_duration": ("wrap_up_ms", 0, HOUR),
    "wait_duration": ("wait_ms", SECOND, WEEK),
    "head_start": ("head_start_ms", 0, DAY),
    "idle_duration": ("idle_ms", SECOND, WEEK),
    "relationship_duration": ("relationship_ms", SECOND, 10 * YEAR),
    "relationship_wait": ("relationship_wait_ms", 0, HOUR),
    "matching_window": ("matching_window_ms", 0, SECOND),
}
_SHARES: Final = frozenset({"affinity_floor", "affinity_tolerance"})
POOL_PATHS: Final = frozenset(
    {"display_name", "scorer", "wait_weight", "max_missed", "when_overloaded", *_DURATIONS, *_SHARES}
)


def create_agent(request: pb.CreateAgentRequest) -> tuple[str, str, Profile, AgentStatus]:
    """Check a CreateAgentRequest; return site, id, profile, status; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    agent = wrong.identifier("agent_id", request.agent_id)
    if not request.HasField("agent"):
        wrong.note("agent", MISSING)
        wrong.refuse()
    profile = _profile(wrong, "agent", request.agent, site)
    status = _status(wrong, "agent.status", request.agent.status) or AgentStatus.OFFLINE
    wrong.refuse()
    return site, agent, profile, status


def update_agent(request: pb.UpdateAgentRequest) -> tuple[str, str, AgentChange, str]:
    """Check an UpdateAgentRequest; return site, id, change, etag; raise FieldsInvalid."""
    wrong = Violations()
    values = request.agent
    site, agent = wrong.resource("agent.name", values.name, Kind.AGENT)
    paths = wrong.paths("update_mask", request.update_mask, AGENT_PATHS)
    named = paths if paths is not None else {descriptor.name for descriptor, _ in values.ListFields()} & AGENT_PATHS
    if paths is not None and "status" in named and values.status == NOT_SET and paths is not AGENT_PATHS:
        wrong.note("agent.status", MISSING)
    change = AgentChange(
        display_name=_display_name(wrong, "agent", values.display_name) if "display_name" in named else None,
        interests=_interests(wrong, "agent.interests", values.interests) if "interests" in named else None,
        skills=_skills(wrong, "agent.skills", values.skills) if "skills" in named else None,
        languages=_languages(wrong, "agent.languages", values.languages) if "languages" in named else None,
        capacity=_capacity(wrong, "agent.capacity", values) if "capacity" in named else None,
        pools=_pools(wrong, "agent.pools", values.pools, site) if "pools" in named else None,
        status=_status(wrong, "agent.status", values.status) if "status" in named else None,
    )
    etag = wrong.etag("agent.etag", values.etag)
    wrong.refuse()
    return site, agent, change, etag


def set_status(request: pb.SetAgentStatusRequest) -> tuple[str, str, AgentStatus]:
    """Check a SetAgentStatusRequest; return site, id, status; raise FieldsInvalid."""
    wrong = Violations()
    site, agent = wrong.resource("name", request.name, Kind.AGENT)
    status = _status(wrong, "status", request.status)
    if request.status == NOT_SET:
        wrong.note("status", MISSING)
    wrong.refuse()
    return site, agent, status or AgentStatus.OFFLINE


def watch_reservations(request: pb.WatchReservationsRequest) -> tuple[str, str]:
    """Check a WatchReservationsRequest; return site and agent; raise FieldsInvalid."""
    wrong = Violations()
    site, agent = wrong.resource("parent", request.parent, Kind.AGENT)
    wrong.refuse()
    return site, agent


def beat(request: pb.BeatAgentRequest) -> tuple[str, str, int]:
    """Check a BeatAgentRequest; return site, agent, milliseconds that the beat counts; raise FieldsInvalid."""
    wrong = Violations()
    site, agent = wrong.resource("name", request.name, Kind.AGENT)
    ttl_ms = wrong.milliseconds("ttl", request.ttl, SECOND, HOUR) if request.HasField("ttl") else DEFAULT_BEAT_MS
    wrong.refuse()
    return site, agent, ttl_ms


def delete(name: str, kind: Kind, etag: str) -> tuple[str, str, str]:
    """Check a request that removes an agent or a pool; return site, id, etag; raise FieldsInvalid."""
    wrong = Violations()
    site, identifier = wrong.resource("name", name, kind)
    wrong.etag("etag", etag)
    wrong.refuse()
    return site, identifier, etag


def agents(request: pb.ListAgentsRequest, listing: str) -> tuple[str, int, str, str | None, AgentStatus | None]:
    """Check a ListAgentsRequest; return site, page size, last key, pool, status; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    most, after = wrong.page(request.page_size, request.page_token, listing)
    pool = wrong.of_site("pool", request.pool, Kind.POOL, site) if request.pool else None
    status = _status(wrong, "status", request.status)
    wrong.refuse()
    return site, most, after, pool, status


def pools(request: pb.ListPoolsRequest, listing: str) -> tuple[str, int, str]:
    """Check a ListPoolsRequest; return site, page size, last key; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    most, after = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return site, most, after


def sites(request: pb.ListSitesRequest, listing: str) -> tuple[int, str]:
    """Check a ListSitesRequest; return page size, last key; raise FieldsInvalid."""
    wrong = Violations()
    page = wrong.page(request.page_size, request.page_token, listing)
    wrong.refuse()
    return page


def site(field: str, name: str) -> str:
    """Check a resource name of a site; return the site; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site(field, name)
    wrong.refuse()
    return site


def create_site(request: pb.CreateSiteRequest) -> str:
    """Check a CreateSiteRequest; return the id; raise FieldsInvalid."""
    wrong = Violations()
    identifier = wrong.identifier("site_id", request.site_id)
    wrong.refuse()
    return identifier


def create_pool(request: pb.CreatePoolRequest) -> tuple[str, str, PoolPolicy]:
    """Check a CreatePoolRequest; return site, id, policy; raise FieldsInvalid."""
    wrong = Violations()
    at = wrong.site("parent", request.parent)
    pool = wrong.identifier("pool_id", request.pool_id)
    if not request.HasField("pool"):
        wrong.note("pool", MISSING)
    values = _pool_values(wrong, request.pool, POOL_PATHS)
    wrong.refuse()
    return at, pool, PoolPolicy(**{field: value for field, value in values.items() if value is not None})  # type: ignore[arg-type]


def update_pool(request: pb.UpdatePoolRequest) -> tuple[str, str, dict[str, object], str]:
    """Check an UpdatePoolRequest; return site, id, values by PoolPolicy's names, etag; raise FieldsInvalid."""
    wrong = Violations()
    at, pool = wrong.resource("pool.name", request.pool.name, Kind.POOL)
    paths = wrong.paths("update_mask", request.update_mask, POOL_PATHS)
    if paths is None:
        paths = POOL_PATHS & {descriptor.name for descriptor, _ in request.pool.ListFields()}
    change = _pool_values(wrong, request.pool, paths)
    etag = wrong.etag("pool.etag", request.pool.etag)
    wrong.refuse()
    return at, pool, change, etag


def import_row(row: pb.ImportRow, at: str, earlier: Mapping[str, int]) -> ImportedRow:
    """Check a row of an import into site `at`; `earlier`: the row that gave an id before; raise FieldsInvalid."""
    wrong = Violations()
    agent = wrong.identifier("row.agent_id", row.agent_id)
    if agent in earlier:
        wrong.note("row.agent_id", f"was already given by row {earlier[agent]} of this import")
    if not row.HasField("agent"):
        wrong.note("row.agent", MISSING)
        wrong.refuse()
    profile = _profile(wrong, "row.agent", row.agent, at)
    status = _status(wrong, "row.agent.status", row.agent.status)
    wrong.refuse()
    return ImportedRow(row=row.row, agent=agent, profile=profile, status=status)


def _profile(wrong: Violations, field: str, agent: pb.Agent, at: str) -> Profile:
    return Profile(
        display_name=_display_name(wrong, field, agent.display_name),
        interests=_interests(wrong, f"{field}.interests", agent.interests),
        skills=_skills(wrong, f"{field}.skills", agent.skills),
        languages=_languages(wrong, f"{field}.languages", agent.languages),
        capacity=_capacity(wrong, f"{field}.capacity", agent),
        pools=_pools(wrong, f"{field}.pools", agent.pools, at),
    )


def _display_name(wrong: Violations, field: str, value: str) -> str:
    return wrong.at_most(f"{field}.display_name", value, MOST_DISPLAY_NAME)


def _interests(wrong: Violations, field: str, texts: Sequence[str]) -> tuple[str, ...]:
    stripped = tuple(text.strip() for text in wrong.first(field, texts, MOST_INTERESTS))
    if not stripped:
        wrong.note(field, "is empty; an agent needs at least one interest")
    for number, text in enumerate(stripped):
        if not text:
            wrong.note(f"{field}[{number}]", "is empty")
        wrong.at_most(f"{field}[{number}]", text, MOST_INTEREST)
    wrong.unique(field, (text.casefold() or f"\n{number}" for number, text in enumerate(stripped)))
    return stripped


def _skills(wrong: Violations, field: str, skills: Sequence[pb.Skill]) -> dict[str, int]:
    listed = wrong.first(field, skills, MOST_SKILLS)
    wrong.unique(field, (skill.skill for skill in listed))
    return {
        wrong.identifier(f"{field}[{number}].skill", skill.skill): wrong.between(
            f"{field}[{number}].level", skill.level, 1, MOST_LEVEL
        )
        for number, skill in enumerate(listed)
    }


def _languages(wrong: Violations, field: str, languages: Sequence[str]) -> tuple[str, ...]:
    listed = wrong.first(field, languages, MOST_LANGUAGES)
    wrong.unique(field, (language.casefold() for language in listed))
    return tuple(wrong.language(f"{field}[{number}]", language) for number, language in enumerate(listed))


def _capacity(wrong: Violations, field: str, agent: pb.Agent) -> Capacity:
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


def _pools(wrong: Violations, field: str, pools: Sequence[str], at: str) -> tuple[str, ...]:
    listed = wrong.first(field, pools, MOST_POOLS)
    wrong.unique(field, listed)
    return tuple(wrong.of_site(f"{field}[{n}]", name, Kind.POOL, at) for n, name in enumerate(listed)) or (
        DEFAULT_POOL,
    )


def _status(wrong: Violations, field: str, value: int) -> AgentStatus | None:
    """Return the status; None where it is not set."""
    return STATUSES.get(wrong.known(field, value, (NOT_SET, *STATUSES)))


def _pool_values(wrong: Violations, pool: pb.Pool, paths: frozenset[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    if "display_name" in paths:
        values["display_name"] = wrong.at_most("pool.display_name", pool.display_name, MOST_DISPLAY_NAME)
    if "scorer" in paths:
        values["scorer"] = wrong.at_most("pool.scorer", pool.scorer, MOST_DISPLAY_NAME)
    for path, (field, least, most) in _DURATIONS.items():
        if path in paths:
            given = pool.HasField(path)  # type: ignore[arg-type]
            values[field] = wrong.milliseconds(f"pool.{path}", getattr(pool, path), least, most) if given else None
    for path in sorted(_SHARES & paths):
        given = pool.HasField(path)  # type: ignore[arg-type]
        values[path] = wrong.share(f"pool.{path}", getattr(pool, path)) if given else None
    if "wait_weight" in paths:
        given = pool.HasField("wait_weight")
        values["wait_weight"] = wrong.share("pool.wait_weight", pool.wait_weight) if given else None
        if given and pool.wait_weight == 0.0:
            wrong.note("pool.wait_weight", "must be above 0: otherwise a contact could wait forever")
    if "when_overloaded" in paths:
        wrong.known("pool.when_overloaded", pool.when_overloaded, (pb.WHEN_OVERLOADED_UNSPECIFIED, *CHOICES))
        values["when_overloaded"] = CHOICES.get(pool.when_overloaded)
    if "max_missed" in paths:
        given = pool.HasField("max_missed")
        values["max_missed"] = wrong.between("pool.max_missed", pool.max_missed, 0, MOST_MISSED) if given else None
    return values
