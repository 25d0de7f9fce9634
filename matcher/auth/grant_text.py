"""Grants as people write them: ROLE[@SITE,…[/POOL,…]], and agent@SITE:AGENT."""

from __future__ import annotations

import re
from typing import Final

from matcher.auth.principal import ALL, Grant, Names, Role

MOST: Final = 200
"""Characters of a grant."""
MOST_GRANTS: Final = 64
"""Grants of one principal: each of them is compared with a call."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}").fullmatch
_PARTS: Final = re.compile(
    r"(?P<role>[a-z]+)(?:@(?P<sites>[^/:]+)(?:/(?P<pools>[^/:]+)|:(?P<agent>[^/:]+))?)?"
).fullmatch
FORM: Final = "ROLE, ROLE@SITE, ROLE@SITE/POOL with commas between several, or agent@SITE:AGENT"


def parse_grant(text: str) -> Grant:
    """Return the grant that a text names. Raises ValueError, whose message says what is wrong with it."""
    if len(text) > MOST or (parts := _PARTS(text)) is None:
        raise ValueError(f"{text[:MOST]!a} is not of the form {FORM}")
    try:
        role = Role(parts["role"])
    except ValueError:
        raise ValueError(f"{parts['role']!a} is no role: {', '.join(Role)}") from None
    grant = Grant(role, _names(parts["sites"]), _names(parts["pools"]), parts["agent"])
    if fault := fault_of(grant):
        raise ValueError(f"{text!a} {fault}")
    return grant


def fault_of(grant: Grant) -> str:
    """Return why a grant cannot be given, as the rest of a sentence; "" where it can."""
    one_site = grant.sites is not ALL and len(grant.sites) == 1
    if grant.role is Role.AGENT:
        if not (one_site and grant.agent and grant.pools is ALL):
            return "must name one site and the agent, and no pool: a desk is that of one agent"
    elif grant.agent is not None:
        return "names an agent, which only the role agent does"
    if grant.pools is not ALL and not one_site:
        return "names pools, and so must name one site"
    names = {*(() if grant.sites is ALL else grant.sites), *(() if grant.pools is ALL else grant.pools)}
    wrong = [name for name in (*sorted(names), *filter(None, [grant.agent])) if _ID(name) is None]
    return f"has {wrong[0]!a}, which is no id" if wrong else ""


def grant_text(grant: Grant) -> str:
    """Return a grant as `parse_grant` reads it."""
    text = grant.role.value
    if grant.sites is not ALL:
        text += f"@{','.join(sorted(grant.sites))}"
    if grant.pools is not ALL:
        text += f"/{','.join(sorted(grant.pools))}"
    return f"{text}:{grant.agent}" if grant.agent else text


def _names(text: str | None) -> Names:
    return ALL if text in {None, "*"} else frozenset(str(text).split(","))


def parse_names(text: str) -> dict[str, tuple[Grant, ...]]:
    """Return the grants of each name: `NAME=GRANT GRANT; NAME=GRANT`, or one name a line. Raises ValueError."""
    names = dict[str, tuple[Grant, ...]]()
    for entry in filter(None, (part.strip() for line in text.splitlines() for part in line.split(";"))):
        name, equals, grants = entry.rpartition("=")
        if not equals or not name.strip() or not grants.split():
            raise ValueError(f"{entry[:80]!a} is not of the form NAME=GRANT GRANT")
        if name.strip() in names:
            raise ValueError(f"{name.strip()!a} is named twice")
        names[name.strip()] = tuple(map(parse_grant, grants.split()))
    return names
