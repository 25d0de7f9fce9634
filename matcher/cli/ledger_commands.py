"""The commands of `matcher ledger`: how far it goes, and its tables as files."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, Literal

import typer

from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import settings_with_data, store_of_service
from matcher.config import LEDGER_OFF, Settings
from matcher.errors import MatcherError, SiteNotFound

if TYPE_CHECKING:
    from matcher.ledger.database import LedgerDatabase
    from matcher.store.outbox import Backlog

STANDARD_OUTPUT: Final = Path("-")


def commands() -> typer.Typer:
    """Return the commands of `matcher ledger`."""
    app = typer.Typer(
        name="ledger",
        help="What became of every contact: how far the ledger of the service goes, and its tables as files.",
        no_args_is_help=True,
    )
    command(app, "status", store=True)(status)
    command(app, "export", store=True)(export)
    return app


async def status(session: Session) -> None:
    """Show for each site what waits in the store, how far the ledger goes, and what a full outbox lost.

    A ledger in PostgreSQL is found by MATCHER_LEDGER_URL.
    """
    from matcher.ledger.reader import LedgerReader

    async with store_of_service(session) as (connection, settings):
        from matcher.store.outbox import OutboxStore
        from matcher.store.pages import every_page
        from matcher.store.sites import PAGE, SiteStore

        with _opened(settings) as database:
            known = {one.uid: one for one in await asyncio.to_thread(LedgerReader(database).status)}
            at, sites, outbox = database.name, SiteStore(connection, 1), OutboxStore(connection, 1)
            rows: list[dict[str, Any]] = []
            async for page in every_page(lambda after: sites.sites(PAGE, after)):
                backlogs = {one.site: one for one in await outbox.backlogs([site.id for site in page.items])}
                rows += [_document(site.id, known.get(site.uid), backlogs.get(site.id)) for site in page.items]
    if session.as_json:
        session.write_json({"ledger": at, "sites": rows})
        return
    session.say(f"ledger: {at}")
    listing = Listing(
        Column("site"),
        Column("contacts"),
        Column("steps"),
        Column("outcomes"),
        Column("last step", MIDDLE),
        Column("waiting"),
        Column("oldest", MIDDLE),
        Column("lost"),
    )
    for row in rows:
        listing.add(*row.values())
    session.show(listing)


async def export(
    session: Session,
    table: Annotated[
        Literal["sites", "contacts", "steps", "outcomes", "corrections", "gaps"],
        typer.Argument(help="The table; docs/ledger.md has the columns."),
    ],
    *,
    form: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="parquet needs the extra `parquet`.")
    ] = "csv",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file to write; -: standard output.")
    ] = STANDARD_OUTPUT,
    of_site: Annotated[str, typer.Option("--of-site", help="Only the rows of this site; default: of all sites.")] = "",
) -> None:
    """Write one table of the ledger as a file. The service goes on, and the rows are those of one moment.

    A file appears whole or not at all, and only this user can read it. A ledger in PostgreSQL is found by
    MATCHER_LEDGER_URL.
    """
    from matcher.ledger.export import Format, write_export
    from matcher.ledger.reader import LedgerReader

    if out == STANDARD_OUTPUT and session.as_json:
        raise CommandError("--json needs --out: the rows themselves are not JSON")
    try:
        settings = settings_with_data(session)
        with _opened(settings) as database:
            reader = LedgerReader(database)
            uid = await asyncio.to_thread(_uid_of, reader, of_site) if of_site else ""
            with _written(out) as file:
                written = await asyncio.to_thread(partial(write_export, reader, table, uid, file, Format(form)))
    except MatcherError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror}") from None
    if session.as_json:
        session.write_json({"table": table, "rows": written, "file": str(out)})
    elif out != STANDARD_OUTPUT:
        session.say(f"{table}: {written:,} rows in {out}")


@contextmanager
def _opened(settings: Settings) -> Iterator[LedgerDatabase]:
    """Open the ledger of the settings, which must have tables. Raises CommandError, MatcherError."""
    from matcher.ledger.database import LedgerDatabase

    if not settings.ledger_place:
        raise CommandError(f"{LEDGER_OFF}: the service keeps no ledger; MATCHER_LEDGER_URL names one")
    if settings.ledger_file is not None and not settings.ledger_file.exists():
        raise CommandError(f"there is no ledger at {settings.ledger_file}: MATCHER_LEDGER_URL names another one")
    database = LedgerDatabase.at(settings.ledger_place)
    try:
        database.check()
        yield database
    finally:
        database.close()


def _uid_of(reader: Any, site: str) -> str:
    """Return the uid of a site that the ledger knows. Raises SiteNotFound."""
    found = [one.uid for one in reader.status() if one.site == site]
    if not found:
        raise SiteNotFound(f"sites/{site}")
    return str(found[-1])


@contextmanager
def _written(out: Path) -> Iterator[BinaryIO]:
    """Open a file that appears when the block ends without a fault; or standard output."""
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = out.absolute()
    number, beside = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)  # readable by this user alone
    try:
        with os.fdopen(number, "wb") as opened:
            yield opened
        Path(beside).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise


def _document(site: str, known: Any, backlog: Backlog | None) -> dict[str, Any]:
    return {
        "site": site,
        "contacts": known.contacts if known else 0,
        "steps": known.steps if known else 0,
        "outcomes": known.outcomes if known else 0,
        "last_step": _time(known.last_ms if known else 0),
        "waiting": None if backlog is None else backlog.entries,
        "oldest_waiting": _time((backlog.oldest_ms if backlog else None) or 0),
        "lost": known.lost if known else 0,
    }


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at_ms else ""
