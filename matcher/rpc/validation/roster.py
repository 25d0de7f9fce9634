"""Validates the requests of RosterService, and returns their arguments as domain values."""

from __future__ import annotations

from typing import Final

from matcher.model import MOST_CONTROL_SHARE, AgentChange, PoolPolicy, Profile, WhenOverloaded
from matcher.model.lifecycle import AgentStatus
from matcher.rpc.convert import WHEN_OVERLOADED
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation import profiles
from matcher.rpc.validation.violations import DAY, HOUR, MISSING, SECOND, WEEK, YEAR, Violations
from matcher.v1 import roster_pb2 as pb

MOST_STATUS_REASON: Final = 128
MOST_SENTENCES: Final = 256
MOST_SENTENCE: Final = 200
MOST_LOST: Final = 1_000
"""Offers in a row that an agent may miss, or decline."""
DEFAULT_BEAT_MS: Final = 30 * SECOND

CHOICES: Final[dict[int, WhenOverloaded]] = {number: choice for choice, number in WHEN_OVERLOADED.items()}

AGENT_PATHS: Final = frozenset(
    {"display_name", "interests", "skills", "languages", "capacity", "pools", "manager", "status"}
)
_DURATIONS: Final = {
    "offer_duration": ("offer_ms", SECOND, HOUR),
    "accepted_duration": ("accepted_ms", SECOND, WEEK),
    "wrap_up_duration": ("wrap_up_ms", 0, HOUR),
    "wait_duration": ("wait_ms", SECOND, WEEK),
    "head_start": ("head_start_ms", 0, DAY),
    "idle_duration": ("idle_ms", SECOND, WEEK),
    "first_response_duration": ("first_response_ms", SECOND, DAY),
    "relationship_duration": ("relationship_ms", SECOND, 10 * YEAR),
    "relationship_wait": ("relationship_wait_ms", 0, HOUR),
    "matching_window": ("matching_window_ms", 0, SECOND),
    "return_within_duration": ("return_within_ms", 0, WEEK),
}
_WRAP_UP: Final = {
    "after_complete": "after_complete_ms",
    "after_transfer": "after_transfer_ms",
    "after_cancel": "after_cancel_ms",
    "after_expiry": "after_expiry_ms",
}
_SHARES: Final = frozenset({"affinity_floor", "affinity_tolerance", "profile_weight"})
_SWITCHES: Final = frozenset({"second_complete_ends_wrap_up", "listening"})
_COUNTS: Final = frozenset({"max_missed", "max_declined"})
POOL_PATHS: Final = frozenset(
    {
        "display_name",
        "scorer",
        "wait_weight",
        *_COUNTS,
        "small_talk",
        "when_overloaded",
        *_SWITCHES,
        "second_complete_ends_wrap_up",
        "control_share",
        "control_forgoes_relationships",
        *(f"wrap_up.{field}" for field in _WRAP_UP),
        *_DURATIONS,
        *_SHARES,
    }
)


def create_agent(request: pb.CreateAgentRequest) -> tuple[str, str, Profile, AgentStatus]:
    """Check a CreateAgentRequest; return site, id, profile, status; raise FieldsInvalid."""
    wrong = Violations()
    site = wrong.site("parent", request.parent)
    agent = wrong.identifier("agent_id", request.agent_id)
    if not request.HasField("agent"):
        wrong.note("agent", MISSING)
        wrong.refuse()
    profile = profiles.profile_of(wrong, "agent", request.agent, site)
    status = profiles.status_of(wrong, "agent.status", request.agent.status) or AgentStatus.OFFLINE
    wrong.refuse()
    return site, agent, profile, status


def update_agent(request: pb.UpdateAgentRequest) -> tuple[str, str, AgentChange, str]:
    """Check an UpdateAgentRequest; return site, id, change, etag; raise FieldsInvalid."""
    wrong = Violations()
    values = request.agent
    site, agent = wrong.resource("agent.name", values.name, Kind.AGENT)
    paths = wrong.paths("update_mask", request.update_mask, AGENT_PATHS)
    named = paths if paths is not None else {descriptor.name for descriptor, _ in values.ListFields()} & AGENT_PATHS
    if paths is not None and "status" in named and values.status == profiles.NOT_SET and paths is not AGENT_PATHS:
        wrong.note("agent.status", MISSING)
    change = AgentChange(
        display_name=profiles.display_name_of(wrong, "agent", values.display_name) if "display_name" in named else None,
        interests=profiles.interests_of(wrong, "agent.interests", values.interests) if "interests" in named else None,
        skills=profiles.skills_of(wrong, "agent.skills", values.skills) if "skills" in named else None,
        languages=profiles.languages_of(wrong, "agent.languages", values.languages) if "languages" in named else None,
        capacity=profiles.capacity_of(wrong, "agent.capacity", values) if "capacity" in named else None,
        pools=profiles.pools_of(wrong, "agent.pools", values.pools, site) if "pools" in named else None,
        manager=profiles.manager_of(wrong, "agent", values.manager) if "manager" in named else None,
        status=profiles.status_of(wrong, "agent.status", values.status) if "status" in named else None,
    )
    etag = wrong.etag("agent.etag", values.etag)
    wrong.refuse()
    return site, agent, change, etag


def set_status(request: pb.SetAgentStatusRequest) -> tuple[str, str, AgentStatus]:
    """Check a SetAgentStatusRequest; return site, id, status; raise FieldsInvalid."""
    wrong = Violations()
    site, agent = wrong.resource("name", request.name, Kind.AGENT)
    status = profiles.status_of(wrong, "status", request.status)
    if request.status == profiles.NOT_SET:
        wrong.note("status", MISSING)
    wrong.printable("reason", request.reason, MOST_STATUS_REASON)
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
    status = profiles.status_of(wrong, "status", request.status)
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
    wrap_up = {f"wrap_up.{field}" for field in _WRAP_UP}
    paths = wrong.paths("update_mask", request.update_mask, POOL_PATHS | {"wrap_up"})
    if paths is None:
        paths = POOL_PATHS & {
            *(descriptor.name for descriptor, _ in request.pool.ListFields()),
            *(f"wrap_up.{descriptor.name}" for descriptor, _ in request.pool.wrap_up.ListFields()),
        }
    elif "wrap_up" in paths:
        paths |= wrap_up
    change = _pool_values(wrong, request.pool, paths)
    etag = wrong.etag("pool.etag", request.pool.etag)
    wrong.refuse()
    return at, pool, change, etag


def _pool_values(wrong: Violations, pool: pb.Pool, paths: frozenset[str]) -> dict[str, object]:
    values: dict[str, object] = {
        path: wrong.at_most(f"pool.{path}", getattr(pool, path), profiles.MOST_DISPLAY_NAME)
        for path in ("display_name", "scorer")
        if path in paths
    }
    if "small_talk" in paths:
        values["small_talk"] = tuple(
            wrong.at_most(f"pool.small_talk[{number}]", sentence, MOST_SENTENCE)
            for number, sentence in enumerate(wrong.first("pool.small_talk", pool.small_talk, MOST_SENTENCES))
        )
    for path, (field, least, most) in _DURATIONS.items():
        if path in paths:
            given = pool.HasField(path)  # type: ignore[arg-type]
            values[field] = wrong.milliseconds(f"pool.{path}", getattr(pool, path), least, most) if given else None
    values |= _wrap_up_values(wrong, pool.wrap_up, paths)
    values |= {path: getattr(pool, path) for path in _SWITCHES & paths}
    for path in sorted(_SHARES & paths):
        given = pool.HasField(path)  # type: ignore[arg-type]
        values[path] = wrong.share(f"pool.{path}", getattr(pool, path)) if given else None
    if "wait_weight" in paths:
        given = pool.HasField("wait_weight")
        values["wait_weight"] = wrong.share("pool.wait_weight", pool.wait_weight) if given else None
        if given and pool.wait_weight == 0.0:
            wrong.note("pool.wait_weight", "must be above 0: otherwise a contact could wait forever")
    values |= _comparison_values(wrong, pool, paths)
    if "when_overloaded" in paths:
        wrong.known("pool.when_overloaded", pool.when_overloaded, (pb.WHEN_OVERLOADED_UNSPECIFIED, *CHOICES))
        values["when_overloaded"] = CHOICES.get(pool.when_overloaded)
    for path in sorted(_COUNTS & paths):
        given = pool.HasField(path)  # type: ignore[arg-type]
        values[path] = wrong.between(f"pool.{path}", getattr(pool, path), 0, MOST_LOST) if given else None
    return values


def _comparison_values(wrong: Violations, pool: pb.Pool, paths: frozenset[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    if "control_share" in paths:
        values["control_share"] = share = wrong.share("pool.control_share", pool.control_share)
        if MOST_CONTROL_SHARE < share <= 1.0:
            wrong.note("pool.control_share", f"must be 0 to {MOST_CONTROL_SHARE}")
    if "control_forgoes_relationships" in paths:
        values["control_forgoes_relationships"] = pool.control_forgoes_relationships
    return values


def _wrap_up_values(wrong: Violations, wrap_up: pb.WrapUp, paths: frozenset[str]) -> dict[str, int | None]:
    values: dict[str, int | None] = {}
    for path, field in _WRAP_UP.items():
        if f"wrap_up.{path}" in paths:
            given = wrap_up.HasField(path)  # type: ignore[arg-type]
            span = getattr(wrap_up, path)
            values[field] = wrong.milliseconds(f"pool.wrap_up.{path}", span, 0, HOUR) if given else None
    return values
