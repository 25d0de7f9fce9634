"""The commands of `matcher store`: which schema the data has, which processes use it, and its upgrade."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import store_of_service

if TYPE_CHECKING:
    from matcher.store.processes import LiveProcess, ProcessRegistry
    from matcher.store.redis.client import StoreClient

LOOKS: Final = 3


def commands() -> typer.Typer:
    """Return the commands of `matcher store`."""
    app = typer.Typer(
        name="store",
        help="The store of the service that runs here, or of the settings: its schema, its processes, its upgrade.",
        no_args_is_help=True,
    )
    command(app, "status", store=True)(status)
    command(app, "upgrade", store=True)(upgrade)
    return app


async def status(session: Session) -> None:
    """Show the schema of the data, the live processes with their versions, and the function libraries."""
    from matcher.store.processes import ProcessRegistry
    from matcher.store.schema import NEWEST, OLDEST

    async with store_of_service(session) as (connection, _):
        unregistered = await _lasting_strangers(connection)
        live = await ProcessRegistry(connection).live()
        libraries = await connection.libraries()
    documents = [_document(process) for process in live.processes]
    if session.as_json:
        session.write_json(
            {
                "schema": live.schema,
                "reads": {"oldest": OLDEST, "newest": NEWEST},
                "processes": documents,
                "libraries": None if libraries is None else sorted(libraries),
                "unregistered_connections": unregistered,
            }
        )
        return
    session.say(f"schema {live.schema}; this version reads {OLDEST} to {NEWEST}")
    listing = Listing(
        Column("process"),
        Column("version"),
        Column("host", MIDDLE),
        Column("pid"),
        Column("since", MIDDLE),
        Column("reads"),
        Column("writes"),
        Column("library", WIDE),
    )
    for document in documents:
        listing.add(*(value for name, value in document.items() if name != "connections"))
    if documents:
        session.show(listing)
    else:
        session.say("no process is registered")
    if libraries is None:
        session.say("libraries: the store's user may not list them (+function|list)")
    else:
        session.say(f"libraries: {', '.join(sorted(libraries))}")
    session.say(f"connections that no registered process has: {unregistered}")


async def upgrade(
    session: Session,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Upgrade even where a process that needs the old schema may live.")
    ] = False,
) -> None:
    """Write the newest schema from now on and migrate old records; earlier versions cannot start on the store then.

    The service does so by itself once it is sure that no process needs the old schema. This command does not wait, but
    refuses while it sees a process that reads the old schema only, or connections of processes that it does not know.
    """
    from matcher.services.store_upgrade import named
    from matcher.store.migrations import STEPS, migrate
    from matcher.store.processes import ProcessRegistry
    from matcher.store.schema import NEWEST

    async with store_of_service(session) as (connection, _):
        registry = ProcessRegistry(connection)
        if not force and connection.schema.writes < NEWEST and (unknown := await _lasting_strangers(connection)):
            raise CommandError(
                f"connections to the store that no registered process has: {unknown}. Stop processes of earlier "
                "versions; where only other programs are left, use --force"
            )
        if held := await registry.raise_schema(force=force):
            old = [named(process) for process in (await registry.live()).processes if process.id in held]
            raise CommandError(f"stop these first, they read no newer schema: {', '.join(old) or ', '.join(held)}")
        await _followed(registry)
        schema, steps = connection.schema.writes, await migrate(connection, STEPS)
    if session.as_json:
        session.write_json({"schema": schema, "migrated": steps})
    session.say(f"schema {schema}" + "".join(f"; migrated: {step}" for step in steps))


async def _followed(registry: ProcessRegistry) -> None:
    """Wait until every live process writes the new schema: what it wrote before, the migration finds."""
    from matcher.store.processes import RENEW_SECONDS

    while not (await registry.live()).all_write_newest:  # noqa: ASYNC110 - the store sends no event for it
        await asyncio.sleep(RENEW_SECONDS / 4)


async def _lasting_strangers(connection: StoreClient) -> int:
    """Count the connections that no registered process has; look again, for a process may have just opened one."""
    from matcher.store.processes import RENEW_SECONDS, ProcessRegistry

    unknown = 0
    for _ in range(LOOKS):
        unknown = await _unregistered(connection, (await ProcessRegistry(connection).live()).connections)
        if not unknown:
            break
        await asyncio.sleep(RENEW_SECONDS)
    return unknown


async def _unregistered(connection: StoreClient, registered: int) -> int:
    return max(await connection.connected_clients() - connection.open_connections - registered, 0)


def _document(process: LiveProcess) -> dict[str, Any]:
    started = datetime.fromtimestamp(process.started_ms / 1000, UTC)
    return {
        "process": process.id,
        "version": process.version,
        "host": process.host,
        "pid": process.pid,
        "since": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reads": f"{process.oldest} to {process.newest}",
        "writes": process.writes,
        "library": process.library,
        "connections": process.connections,
    }
