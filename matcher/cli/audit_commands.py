"""The commands of `matcher audit`: who changed what, and whether that record is whole."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import store_of_service
from matcher.config import Settings

if TYPE_CHECKING:
    from matcher.ledger.audit_trail import LedgerTrail
    from matcher.model.trail import Chained, Head
    from matcher.store.trail import TrailStore

STANDARD_OUTPUT: Final = Path("-")
FORGOTTEN: Final = "(forgotten)"
"""What stands for a value whose person was forgotten."""

AUDITED_FROM: Final = "0003"
"""The first schema of the ledger that has the trail."""

OfSite = Annotated[
    str, typer.Option("--of-site", metavar="SITE", help="Only the changes of this site; default: of all sites.")
]


def commands() -> typer.Typer:
    """Return the commands of `matcher audit`."""
    app = typer.Typer(
        name="audit",
        help="Who changed the roster, pools, sites and keys, and whether that record is whole.",
        no_args_is_help=True,
    )
    command(app, "list", store=True)(list_records)
    command(app, "verify", store=True)(verify_records)
    command(app, "export", store=True)(export)
    return app


async def list_records(
    session: Session,
    *,
    of_site: OfSite = "",
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the latest records to list.")] = 50,
) -> None:
    """List the latest changes: when, who, what, and which fields; a change is listed about a second after it."""
    records: deque[Chained] = deque(maxlen=last)
    async with _trail(session) as trail:
        # Of all sites the latest are the last of the chain: what comes before them is not read.
        after = 0 if of_site else max(0, (await trail.head()).number - last)
        async for some in trail.slices(after):
            records.extend(one for one in some if _is_of(one, of_site))
    if session.as_json:
        for record in records:
            session.write_json(_document(record))
        return
    listing = Listing(
        Column("number"),
        Column("time", MIDDLE),
        Column("who"),
        Column("what"),
        Column("of"),
        Column("fields", MIDDLE),
    )
    for row in map(_document, records):
        listing.add(
            str(row["number"]), row["time"], row["principal"], row["method"], row["name"], ", ".join(row["fields"])
        )
    session.show(listing)


async def verify_records(
    session: Session,
    *,
    head: Annotated[
        str,
        typer.Option("--head", metavar="N:MAC", help="A head that was noted elsewhere: `audit head` of a log line."),
    ] = "",
) -> None:
    """Check that no record was changed, removed, moved or cut off the end; names the record where one was.

    A tail that was cut off together with the store's own note of the head is found by a head from the log alone.
    """
    from matcher.model.trail import Check

    noted = [_head(head)] if head else []
    async with _trail(session) as trail:
        check = Check(trail.key, await trail.head(), *noted)
        async for some in trail.slices():
            await asyncio.to_thread(check.add, some)
        verdict = check.verdict()
    flaws = [{"number": flaw.number, "why": flaw.why} for flaw in verdict.flaws]
    if session.as_json:
        session.write_json(
            {
                "first": verdict.first,
                "head": str(verdict.head),
                "records": verdict.records,
                "forgotten": verdict.forgotten,
                "lost": verdict.lost,
                "flaws": flaws,
            }
        )
    else:
        for flaw in verdict.flaws:
            session.note(f"record {flaw.number}: {flaw.why}")
        session.say(
            f"{verdict.records:,} records from {verdict.first} on, {verdict.forgotten:,} with forgotten values, "
            f"{verdict.lost:,} changes lost before they were chained; head {verdict.head}"
        )
    if verdict.flaws:
        raise CommandError(f"the audit trail is not whole: {len(verdict.flaws)} flaws, first at {flaws[0]['number']}")


async def export(
    session: Session,
    *,
    of_site: OfSite = "",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file to write; -: standard output.")
    ] = STANDARD_OUTPUT,
) -> None:
    """Write every record as a line of JSON, with its MAC and the values that are not forgotten."""
    if out == STANDARD_OUTPUT and session.as_json:
        raise CommandError("--json needs --out: the lines themselves are the answer")
    written = 0
    try:
        async with _trail(session) as trail:
            with _opened(out) as file:
                async for some in trail.slices():
                    lines = [json.dumps(_document(one)) + "\n" for one in some if _is_of(one, of_site)]
                    file.writelines(lines)
                    written += len(lines)
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror}") from None
    if out == STANDARD_OUTPUT:
        return
    if session.as_json:
        session.write_json({"records": written, "file": str(out)})
    else:
        session.say(f"{written:,} records in {out}")


def _opened(out: Path) -> AbstractContextManager[TextIO]:
    """Open the file to write, which nobody else may read; or give standard output."""
    if out == STANDARD_OUTPUT:
        return nullcontext(sys.stdout)
    out.touch(mode=0o600)
    return out.open("w", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Trail:
    """The trail of the service, and the keys of its chain."""

    store: TrailStore
    key: Callable[[str], bytes | None]
    ledger: LedgerTrail | None
    """It has the first records; the store has what comes after them."""

    async def head(self) -> Head:
        """Return the head as the store notes it."""
        return (await self.store.state()).head

    async def slices(self, after: int = 0) -> AsyncIterator[list[Chained]]:
        """Yield the records after a number, some at a time."""
        while self.ledger is not None and (some := await asyncio.to_thread(self.ledger.page, after)):
            yield some
            after = some[-1].number
        while some := await self.store.page(after):
            yield some
            after = some[-1].number


@asynccontextmanager
async def _trail(session: Session) -> AsyncIterator[_Trail]:
    """Open the trail of the service that runs here, or of the settings."""
    from matcher.store.keyring.key_record import KeyRegistry
    from matcher.store.keyring.service_keys import ServiceKeys
    from matcher.store.trail import TrailStore

    async with store_of_service(session) as (connection, settings):
        registry = KeyRegistry(connection)
        record = await registry.read()
        if record.in_use is None:
            raise CommandError("no service has started on this store yet")
        secret = settings.secret.get_secret_value().encode() or await registry.stored_secret()
        keyring = await asyncio.to_thread(_keyring, settings, secret)
        with _ledger(settings) as ledger:
            yield _Trail(TrailStore(connection), ServiceKeys(keyring, record.in_use).to_check_chain, ledger)


@contextmanager
def _ledger(settings: Settings) -> Iterator[LedgerTrail | None]:
    """Open the trail of the ledger, where there is one. Raises LedgerAway."""
    from matcher.ledger.audit_trail import LedgerTrail
    from matcher.ledger.database import LedgerDatabase

    file = settings.ledger_file
    if not settings.ledger_place or (file is not None and not file.exists()):
        yield None
        return
    database = LedgerDatabase.at(settings.ledger_place)
    try:
        yield LedgerTrail(database) if database.revision() >= AUDITED_FROM else None
    finally:
        database.close()


def _keyring(settings: Settings, secret: bytes | None) -> Any:
    """Return the keys that this machine has: those of the keyring file, and the one secret where there is one."""
    from matcher.store.keyring.keyring_file import KeyringFile
    from matcher.store.keyring.secret_keys import Keyring, keys_of_secret

    held = KeyringFile(settings.keyring_file).read() if settings.keyring_file else Keyring()
    return held.with_keys(*keys_of_secret(secret).keys) if secret else held


def _head(text: str) -> Head:
    from matcher.model.trail import Head

    number, _, mac = text.partition(":")
    if not number.isdigit() or not mac:
        raise CommandError(f"--head {text}: a head is NUMBER:MAC, as the log has it")
    return Head(int(number), mac)


def _is_of(chained: Chained, site: str) -> bool:
    record = chained.record()
    return not site or record is None or record.site == site


def _document(chained: Chained) -> dict[str, Any]:
    """Return a record with its values; a forgotten one is named as such."""
    record = chained.record()
    if record is None:
        return {
            "number": chained.number,
            "time": "",
            "principal": "",
            "method": "",
            "name": "(unreadable)",
            "fields": {},
        }

    def shown(key: str) -> Any:
        return chained.clear[key][1] if key in chained.clear else FORGOTTEN

    fields = {name: shown(f"field.{name}") for name in record.fields}
    return {
        "number": record.number,
        "time": datetime.fromtimestamp(record.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "site": record.site,
        "principal": record.principal,
        "method": record.method.rpartition("/")[2],
        "name": shown("name"),
        "fields": {
            name: FORGOTTEN if said == FORGOTTEN else dict(zip(("from", "to"), json.loads(said), strict=False))
            for name, said in fields.items()
        },
        "request": record.request,
        "peer": shown("peer"),
        "lost_before": record.lost,
        "mac": chained.mac,
    }
