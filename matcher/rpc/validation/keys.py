"""Validates the requests of KeyService, and returns their arguments as domain values."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration

from matcher.auth import access_keys
from matcher.auth.grant_text import MOST_GRANTS, fault_of
from matcher.auth.principal import ALL, Grant, Names, Role
from matcher.rpc.resource_names import Kind
from matcher.rpc.validation.violations import MISSING, SECOND, YEAR, Violations
from matcher.v1 import keys_pb2 as pb

LEAST_LIFETIME: Final = 60 * SECOND
LONGEST_LIFETIME: Final = 10 * YEAR
MOST_NAMES: Final = 64
"""Sites or pools of a grant."""
ROLES: Final = {
    pb.ROLE_PLATFORM: Role.PLATFORM,
    pb.ROLE_AGENT: Role.AGENT,
    pb.ROLE_SUPERVISOR: Role.SUPERVISOR,
    pb.ROLE_ADMIN: Role.ADMIN,
    pb.ROLE_OBSERVER: Role.OBSERVER,
    pb.ROLE_OWNER: Role.OWNER,
}
_KEY: Final = "keys/"


def create(request: pb.CreateKeyRequest) -> tuple[str, tuple[Grant, ...], int | None]:
    """Check a CreateKeyRequest; return principal, grants and lifetime in ms; raise FieldsInvalid."""
    wrong = Violations()
    principal = _principal(wrong, request.principal)
    if not request.grants:
        wrong.note("grants", MISSING)
    grants = tuple(
        _grant(wrong, f"grants[{number}]", grant)
        for number, grant in enumerate(wrong.first("grants", request.grants, MOST_GRANTS))
    )
    lifetime = _lifetime(wrong, request.lifetime) if request.HasField("lifetime") else None
    wrong.refuse()
    return principal, grants, lifetime


def rotate(request: pb.RotateKeyRequest) -> tuple[str, int | None, int | None]:
    """Check a RotateKeyRequest; return principal, lifetime and overlap in ms; raise FieldsInvalid."""
    wrong = Violations()
    principal = _principal(wrong, request.principal)
    lifetime = _lifetime(wrong, request.lifetime) if request.HasField("lifetime") else None
    given = request.HasField("overlap")
    overlap = wrong.milliseconds("overlap", request.overlap, 0, LONGEST_LIFETIME) if given else None
    wrong.refuse()
    return principal, lifetime, overlap


def revoke(request: pb.RevokeKeyRequest) -> tuple[str, str]:
    """Check a RevokeKeyRequest; return the key's id and the principal, one of them ""; raise FieldsInvalid."""
    wrong = Violations()
    if bool(request.name) == bool(request.principal):
        wrong.note("name", "is needed, or `principal`" if not request.name else "is given, and `principal` too")
    key_id = request.name.removeprefix(_KEY)
    if request.name and not (request.name.startswith(_KEY) and access_keys.ID(key_id)):
        wrong.note("name", 'is not of the form "keys/{key}"')
    if request.principal:
        _principal(wrong, request.principal)
    wrong.refuse()
    return key_id, request.principal


def grant_of(given: pb.Grant) -> Grant:
    """Return a grant of an answer of the service; raise FieldsInvalid for one that this version does not know."""
    wrong = Violations()
    grant = _grant(wrong, "grant", given)
    wrong.refuse()
    return grant


def _principal(wrong: Violations, value: str) -> str:
    return wrong.identifier("principal", value)


def _lifetime(wrong: Violations, value: Duration) -> int:
    return wrong.milliseconds("lifetime", value, LEAST_LIFETIME, LONGEST_LIFETIME)


def _grant(wrong: Violations, field: str, given: pb.Grant) -> Grant:
    role = ROLES.get(given.role)
    if role is None:
        wrong.note(f"{field}.role", MISSING if not given.role else f"is {given.role}, which this service does not know")
    sites: Names = (
        frozenset(
            wrong.site(f"{field}.sites[{number}]", name)
            for number, name in enumerate(wrong.first(f"{field}.sites", given.sites, MOST_NAMES))
        )
        or ALL
    )
    only = next(iter(sites)) if sites is not ALL and len(sites) == 1 else ""
    pools: Names = (
        frozenset(
            wrong.of_site(f"{field}.pools[{number}]", name, Kind.POOL, only)
            for number, name in enumerate(wrong.first(f"{field}.pools", given.pools, MOST_NAMES))
        )
        or ALL
    )
    agent = wrong.of_site(f"{field}.agent", given.agent, Kind.AGENT, only) if given.agent else None
    grant = Grant(role or Role.OBSERVER, sites, pools, agent)
    if not wrong.noted and (fault := fault_of(grant)):
        wrong.note(field, fault)
    return grant
