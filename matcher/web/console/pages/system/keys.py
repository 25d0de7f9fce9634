"""The keys of the service as the page System shows them, and the forms that change them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration

from matcher.v1.keys_pb2 import AccessKey, CreateKeyRequest, Grant, Role, RotateKeyRequest
from matcher.web.faults import Violation, fields_invalid

ROLES: Final[Mapping[str, str]] = {
    "observer": "reads, for reports and screens; no customers",
    "supervisor": "leads pools: moves contacts, sets statuses",
    "admin": "keeps agents, pools, customers and outcomes",
    "platform": "the contact platform: routes messages",
    "agent": "one agent's desk",
    "owner": "keeps sites and keys",
}
DAY: Final = 86_400
MOST_DAYS: Final = 36_500
_PARTS: Final = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key in the list; moments in seconds since 1970, 0: never. state: live, expired or revoked."""

    key: str
    principal: str
    grants: tuple[str, ...]
    made: float
    used: float
    expires: float
    state: str


def key_lines(keys: Iterable[AccessKey], now: float) -> tuple[KeyLine, ...]:
    """Return the list of keys: those that count first, each group by principal."""
    lines = [_line(key, now) for key in keys]
    return tuple(sorted(lines, key=lambda line: (line.state != "live", line.principal, line.made)))


def grant_words(grant: Grant) -> str:
    """Return a grant in the words of `matcher access`: "supervisor@shop/night"."""
    role = Role.Name(grant.role).removeprefix("ROLE_").lower()
    if grant.agent:
        site, agent = grant.agent.split("/")[1::2]
        return f"{role}@{site}:{agent}"
    if grant.pools:
        site = grant.pools[0].split("/")[1]
        return f"{role}@{site}/{','.join(pool.rpartition('/')[2] for pool in grant.pools)}"
    return f"{role}@{','.join(site.removeprefix('sites/') for site in grant.sites)}" if grant.sites else role


def creation_of(form: Mapping[str, object]) -> CreateKeyRequest:
    """Return the request that a form means; other wrong fields are the service's to name. Raises Fault."""
    role = str(form.get("role", "")).upper()
    grant = Grant(role=Role.Value(f"ROLE_{role}") if role.lower() in ROLES else Role.ROLE_UNSPECIFIED)
    sites = _words(form, "sites")
    grant.sites.extend(f"sites/{site}" for site in sites)
    if sites:
        grant.pools.extend(f"sites/{sites[0]}/pools/{pool}" for pool in _words(form, "pools"))
        if agents := _words(form, "agent"):
            grant.agent = f"sites/{sites[0]}/agents/{agents[0]}"
    return CreateKeyRequest(
        principal=str(form.get("principal", "")).strip(), grants=[grant], lifetime=_days(form, "days")
    )


def rotation_of(form: Mapping[str, object]) -> RotateKeyRequest:
    """Return the request that a form means; overlap: for how many days the present key counts on. Raises Fault."""
    return RotateKeyRequest(principal=str(form.get("principal", "")), overlap=_days(form, "overlap"))


def _line(key: AccessKey, now: float) -> KeyLine:
    expires, revoked = float(key.expire_time.seconds), bool(key.revoke_time.seconds)
    over = bool(expires) and expires <= now
    return KeyLine(
        key=key.name.removeprefix("keys/"),
        principal=key.principal,
        grants=tuple(grant_words(grant) for grant in key.grants),
        made=float(key.create_time.seconds),
        used=float(key.use_time.seconds),
        expires=expires,
        state="revoked" if revoked else "expired" if over else "live",
    )


def _words(form: Mapping[str, object], field: str) -> list[str]:
    return [word for word in _PARTS.split(str(form.get(field, "")).strip()) if word]


def _days(form: Mapping[str, object], field: str) -> Duration | None:
    """Return days as a duration, None where the field is empty. Raises Fault: a slip must not make a key for ever."""
    given = str(form.get(field, "")).strip()
    if not given:
        return None
    try:
        days = float(given)
    except ValueError:
        days = math.nan
    if not 0 <= days <= MOST_DAYS:
        raise fields_invalid([Violation(field, f"is not a number of days, 0 to {MOST_DAYS:,}")])
    return Duration(seconds=int(days * DAY))
