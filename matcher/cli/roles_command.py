"""The command `matcher roles`: prints the table of permissions, which roles may call which method, and how far."""

from __future__ import annotations

from typing import Annotated

import typer

from matcher.auth.principal import Role
from matcher.auth.table import TABLE
from matcher.cli.columns import Column, Facts, Listing
from matcher.cli.session import Session, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "roles", remote=False)(roles)


async def roles(
    session: Session,
    role: Annotated[
        Role | None, typer.Argument(metavar="[ROLE]", help="Only what this role may do; without it, the whole table.")
    ] = None,
) -> None:
    """Print which roles may call which method of the API, and how far a call reaches within the grant's pools.

    A role of a key or a token is granted for sites and pools: docs/security.md.
    """
    rows = {method: row for method, row in TABLE.items() if role is None or role in row.roles}
    if session.as_json:
        for method, row in rows.items():
            session.write_json({"method": method, "roles": list(row.needed), "reach": row.reach.name})
        return
    listing = Listing(Column("method"), Column("roles"), Column("reaches"))
    for method, row in rows.items():
        named = "all" if len(row.roles) == len(Role) else ", ".join(row.needed)
        listing.add(method.removeprefix("/matcher.v1.").removeprefix("/"), named, row.reach.name)
    session.show(listing)
    used = list(dict.fromkeys(row.reach for row in rows.values()))
    session.say("")
    session.show(Facts((reach.name, reach.value) for reach in used))
