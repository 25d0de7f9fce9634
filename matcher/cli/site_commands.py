"""The commands of `matcher sites`."""

from __future__ import annotations

from typing import Annotated

import typer

from matcher.cli.columns import Column, Listing
from matcher.cli.session import Session, command
from matcher.cli.tables import short

Name = Annotated[str, typer.Argument(metavar="SITE", help="The site.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher sites`."""
    app = typer.Typer(name="sites", help="Sites: the tenants of the service.", no_args_is_help=True)
    command(app, "list")(list_sites)
    command(app, "create")(create)
    command(app, "usage")(usage)
    command(app, "delete")(delete)
    return app


async def list_sites(session: Session) -> None:
    """List the sites."""
    async with session.client() as client:
        async for site in client.sites():
            if session.as_json:
                session.write_json(site)
            session.say(short(site.name))


async def create(session: Session, name: Name) -> None:
    """Add a site with its default pool."""
    async with session.client() as client:
        site = await client.create_site(name)
    if session.as_json:
        session.write_json(site)
    session.say(f"created {site.name}")


async def usage(session: Session, name: Name) -> None:
    """Show how much of each quota is used: the site's own, then the caller's in the process that answers."""
    async with session.client() as client:
        used = await client.usage(name)
    if session.as_json:
        session.write_json(used)
        return
    listing = Listing(Column("quota"), Column("used"), Column("limit"))
    for one in used.quotas:
        listing.add(one.quota, one.used, f"{one.limit:g}" if one.limit else "none")
    session.show(listing)


async def delete(
    session: Session,
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also remove everything in the site.")] = False,
) -> None:
    """Remove a site."""
    async with session.client() as client:
        await client.delete_site(name, force=force)
    if session.as_json:
        session.write_json({"deleted": name})
    session.say(f"deleted {name}")
