"""The commands of `matcher keys`: list, make, rotate and remove the secret keys of a store's services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from matcher.cli.columns import Column, Listing
from matcher.cli.service_settings import of_tool
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import store_of_service
from matcher.config import Settings
from matcher.errors import MatcherError

if TYPE_CHECKING:
    from matcher.store.keyring.key_record import KeyRecord, KeyRegistry, KeysInUse
    from matcher.store.keyring.keyring_file import KeyringFile
    from matcher.store.keyring.secret_keys import Keyring, SecretKey
    from matcher.store.redis.client import StoreClient

DAYS: Final = "days"
"""What `matcher keys use` takes to seal new texts under keys of the day."""


class DigestKey(StrEnum):
    """The purposes for which `matcher keys add` makes a key."""

    REQUEST = "request"
    HANDLE = "handle"


KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `matcher keys list` shows it.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher keys`."""
    app = typer.Typer(
        name="keys",
        help="Secret keys: those of the keyring, and those that the store's records were made with.",
        no_args_is_help=True,
    )
    command(app, "list", store=True)(list_keys)
    command(app, "add", store=True)(add)
    command(app, "days", store=True)(days)
    command(app, "use", store=True)(use)
    command(app, "rehash", store=True)(rehash)
    command(app, "remove", store=True)(remove)
    command(app, "start-over", store=True)(start_over)
    return app


async def list_keys(session: Session) -> None:
    """List the keys by fingerprint, with what each is used for, and those that the keyring lacks; no key is shown."""
    from matcher.store.keyring.key_record import KeyRegistry, faults_of
    from matcher.store.keyring.rotation import state_of

    async with store_of_service(session) as (connection, settings):
        keyring, record = await asyncio.to_thread(_file(settings).read), await KeyRegistry(connection).read()
    listing = Listing(Column("purpose"), Column("id"), Column("fingerprint"), Column(""))
    for key in sorted(keyring.keys, key=lambda key: (key.purpose, key.id)):
        state = state_of(record.in_use, key)
        if session.as_json:
            session.write_json({"purpose": key.purpose, "id": key.id, "fingerprint": key.fingerprint, "state": state})
        else:
            listing.add(key.purpose, key.id, key.fingerprint, state)
    if not session.as_json:
        session.show(listing)
    for fault in faults_of(keyring, record):
        session.note(fault)


async def add(session: Session, purpose: Annotated[DigestKey, typer.Argument(help="What the key is for.")]) -> None:
    """Make a key and put it into the keyring; no process uses it before `matcher keys use`."""
    from matcher.store.keyring.secret_keys import Purpose, new_key

    file, made = _local_file(session), new_key(Purpose(purpose), _now_ms())
    await _changed(file, lambda keyring: keyring.with_keys(made))
    if session.as_json:
        session.write_json({"purpose": made.purpose, "id": made.id, "fingerprint": made.fingerprint})
    session.say(f"added the {made}: when every process has it, `matcher keys use {made.id}`")


async def days(
    session: Session,
    ahead: Annotated[int, typer.Option("--ahead", min=1, max=400, help="For how many days from today.")] = 30,
) -> None:
    """Make the keys of the next days and remove those of days that are over, in a keyring that you keep yourself.

    The service does both by itself where it may write the keyring.
    """
    from matcher.store.keyring.secret_keys import Purpose, roll_days

    rolled = await _changed(_local_file(session), lambda keyring: roll_days(keyring, _now_ms(), ahead))
    until = max(key.id for key in rolled.of(Purpose.SEAL) if key.id[0].isdigit())
    if session.as_json:
        session.write_json({"until": until})
    session.say(f"the keyring has a key for each day until {until}")


async def use(session: Session, key_id: KeyId) -> None:
    """Put a key into use, or `days`: new texts are sealed under keys of the day. Earlier records stay readable.

    Every process must have the key by then; a process that lacks it is NOT_SERVING, and says which one.
    """
    from matcher.store.keyring.rotation import with_days, with_key

    async with _rotation(session) as rotation:
        in_use, now_ms = rotation.in_use, rotation.record.now_ms
        if key_id == DAYS:
            await rotation.change(with_days(in_use, now_ms))
        else:
            await rotation.change(with_key(in_use, _named(rotation.keyring, key_id), now_ms))
    if session.as_json:
        session.write_json({"in_use": key_id})
    what = "keys of the day are" if key_id == DAYS else f"{key_id} is"
    session.say(f"{what} in use: every process follows within seconds")


async def rehash(session: Session) -> None:
    """Store every customer's handle by the newest handle key, and seal what is remembered under it.

    A former key alone shows nothing then. The service keeps running. A command that was cut off goes on where it is
    started again.
    """
    from matcher.store.customer_records import CustomerRecordStore
    from matcher.store.customers import CustomerStore
    from matcher.store.keyring.rotation import FOLLOW_MS
    from matcher.store.keyring.service_keys import ServiceKeys
    from matcher.store.keys import SITES
    from matcher.store.praise import PraiseStore

    done = 0
    async with _rotation(session) as rotation:
        in_use = rotation.in_use
        # A process that still stores handles by the former key would not find those that are stored by the newest.
        await asyncio.sleep(max(0, in_use.handle_since_ms + FOLLOW_MS - rotation.record.now_ms) / 1000)
        keys = ServiceKeys(rotation.keyring, in_use)
        customers = CustomerStore(rotation.connection, keys)
        records = CustomerRecordStore(rotation.connection, customers, keys, request_window_ms=0)
        praise = PraiseStore(rotation.connection, keys, kept_ms=0, events_kept=0)
        for site in await rotation.connection.run("ZRANGE", SITES, 0, -1):
            async for digest in customers.former_handles(site.decode()):
                await customers.rehash(site.decode(), digest)
                done += 1
            await records.reseal(site.decode())
            await praise.reseal(site.decode())
    if session.as_json:
        session.write_json({"rehashed": done})
    session.say(f"rehashed {done} handles")


async def remove(session: Session, key_id: KeyId) -> None:
    """Remove a key from the keyring that no record of the store needs any more."""
    from matcher.store.keyring.rotation import without_key

    async with _rotation(session) as rotation:
        settings, key = rotation.settings, _named(rotation.keyring, key_id)
        window_ms = round(settings.request_id_window_seconds * 1000)
        after = without_key(rotation.in_use, key, window_ms, rotation.record.now_ms)
        if after != rotation.in_use:
            await rotation.change(after)
        await _changed(_file(settings), lambda current: current.without(key))
    if session.as_json:
        session.write_json({"removed": key_id})
    session.say(f"removed the {key}")


async def start_over(
    session: Session,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm that the keyring is lost.")] = False,
) -> None:
    """Forget which keys the store's records were made with, when the keyring is lost: the next start makes new ones.

    Contacts that wait lose their text, customers are not recognised, and a request that is sent again is refused as
    another request with the same id.
    """
    from matcher.store.keyring.key_record import KeyRegistry

    if not yes:
        raise CommandError("what the lost keys sealed and recognised is lost: say --yes")
    async with store_of_service(session) as (connection, _):
        await KeyRegistry(connection).start_over()
    if session.as_json:
        session.write_json({"started_over": True})
    session.say("forgot the keys in use: start the service to make new ones")


@dataclass(frozen=True, slots=True)
class _Rotation:
    """The store, its record of the keys in use, and the keyring, which holds them all."""

    connection: StoreClient
    registry: KeyRegistry
    record: KeyRecord
    in_use: KeysInUse
    keyring: Keyring
    settings: Settings

    async def change(self, in_use: KeysInUse) -> None:
        """Write which keys are in use."""
        if not await self.registry.change(self.record, in_use):
            raise CommandError("the keys in use have changed meanwhile: `matcher keys list` shows them")


@asynccontextmanager
async def _rotation(session: Session) -> AsyncIterator[_Rotation]:
    """Open the store, its record and the keyring; a keyring that lacks a key in use is refused."""
    from matcher.store.keyring.faults import RotationRefused
    from matcher.store.keyring.key_record import KeyRegistry, faults_of

    async with store_of_service(session) as (connection, settings):
        registry = KeyRegistry(connection)
        keyring, record = await asyncio.to_thread(_file(settings).read), await registry.read()
        if record.in_use is None:
            raise CommandError("no service has started on this store yet: it puts its first keys into use itself")
        if faults := faults_of(keyring, record):
            raise CommandError("; ".join(faults))
        try:
            yield _Rotation(connection, registry, record, record.in_use, keyring, settings)
        except RotationRefused as refused:
            raise CommandError(str(refused)) from None


def _named(keyring: Keyring, key_id: str) -> SecretKey:
    named = [key for key in keyring.keys if key.id == key_id]
    if len(named) != 1:
        why = "is not in the keyring" if not named else "names several keys"
        raise CommandError(f"{key_id} {why}: `matcher keys list` shows them")
    return named[0]


async def _changed(file: KeyringFile, edit: Callable[[Keyring], Keyring]) -> Keyring:
    try:
        return await asyncio.to_thread(file.change, edit)
    except MatcherError as error:
        raise CommandError(str(error)) from None


def _local_file(session: Session) -> KeyringFile:
    try:
        return _file(of_tool(session).settings)
    except MatcherError as error:
        raise CommandError(str(error)) from None


def _file(settings: Settings) -> KeyringFile:
    from matcher.store.keyring.keyring_file import KeyringFile

    path: Path | None = settings.keyring_file
    if path is None:
        raise CommandError("no keyring is given: set MATCHER_SEAL_KEYS_FILE")
    return KeyringFile(path)


def _now_ms() -> int:
    return int(time.time() * 1000)
