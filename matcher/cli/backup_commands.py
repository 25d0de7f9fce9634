"""The commands `matcher backup` and `matcher restore` of the embedded store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from matcher.cli.service_settings import in_words
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import settings_with_data
from matcher.config import LEDGER_FILE, Settings, load
from matcher.errors import MatcherError
from matcher.server.announcement import running_services

if TYPE_CHECKING:
    from matcher.store.embedded.backup import Manifest

FileOf = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "backup", store=True)(backup)
    command(app, "restore", store=True)(restore)


async def backup(session: Session, file: FileOf) -> None:
    """Write a backup of the embedded store of the service that runs here, or of MATCHER_DATA_DIR, to a file.

    The service goes on. The file holds everything that was acknowledged before, with the ledger of the data directory,
    and nothing that is kept outside it. It appears whole or not at all, and only this user can read it. The store of
    MATCHER_STORE_URL is backed up by its own means.
    """
    from matcher.ledger.copies import copy_ledger
    from matcher.store.embedded.backup import write_backup
    from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
    from matcher.store.processes import program_version

    try:
        settings = _embedded(settings_with_data(session))
        store = await EmbeddedStore.open(EmbeddedSettings(settings.data_dir, max_memory_mb=settings.store_memory_mb))
        try:
            ledger = settings.ledger_file
            copy = partial(copy_ledger, ledger) if ledger and ledger.exists() else None
            write = partial(write_backup, settings.data_dir, store.url, file.absolute(), program_version(), copy)
            manifest = await asyncio.to_thread(write)
        finally:
            await store.close()
    except MatcherError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or file}: {error.strerror}") from None
    _tell(session, f"backed up {settings.data_dir} to {file}", file, manifest, {})


async def restore(
    session: Session,
    file: FileOf,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the data that the folder has; that data is gone then.")
    ] = False,
) -> None:
    """Restore a backup into MATCHER_DATA_DIR, on which no service runs.

    The backup is verified first: by its checksum, and by a store that is started on it beside the data. Nothing changes
    where it cannot be used. A ledger that the folder has is kept beside, as ledger.sqlite.former.
    """
    from matcher.ledger.copies import put_ledger
    from matcher.store.embedded.restore import restore_backup

    sites: list[int] = []
    try:
        data_dir = _folder_to_restore()
        verify = partial(_verify, sites)
        put = partial(_put_ledger, put_ledger, data_dir.resolve() / LEDGER_FILE)
        manifest = await asyncio.to_thread(partial(restore_backup, file, data_dir, verify, put, replace=force))
    except MatcherError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or file}: {error.strerror}") from None
    _tell(session, f"restored {file} into {data_dir}", file, manifest, {"sites": sites[0]})


def _folder_to_restore() -> Path:
    """Return MATCHER_DATA_DIR, or the default; raise CommandError where a service runs on another one, unnamed."""
    settings = _embedded(load())
    services = [service for service in running_services() if not service.store_url]
    if services and not os.environ.get("MATCHER_DATA_DIR"):
        raise CommandError(
            f"a service runs here ({in_words(services[0])}): stop it, and name the folder to restore into with "
            "MATCHER_DATA_DIR"
        )
    return settings.data_dir


def _embedded(settings: Settings) -> Settings:
    if settings.store_url.get_secret_value():
        raise CommandError(
            "the records are in a store of its own (MATCHER_STORE_URL): back it up and restore it by its own means "
            "(docs/upgrading.md says what it must hold)"
        )
    return settings


def _put_ledger(put: Callable[[Path | None, Path], Path | None], file: Path, copy: Path | None) -> None:
    put(copy, file)


def _verify(sites: list[int], data_dir: Path) -> None:
    """Start a store on the data; note how many sites it has. Raises MatcherError where this version cannot use it."""
    sites.append(asyncio.run(_count_sites(data_dir)))


async def _count_sites(data_dir: Path) -> int:
    from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
    from matcher.store.keys import SITES
    from matcher.store.redis.client import StoreClient

    store = await EmbeddedStore.open(EmbeddedSettings(data_dir))
    try:
        connection = StoreClient(store.url)
        try:
            await connection.start()
            return int(await connection.run("ZCARD", SITES))
        finally:
            await connection.close()
    finally:
        await store.close()


def _tell(session: Session, done: str, file: Path, manifest: Manifest, more: dict[str, Any]) -> None:
    if session.as_json:
        session.write_json({"file": str(file), **msgspec.structs.asdict(manifest), **more})
    made = datetime.fromtimestamp(manifest.created_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    counted = "".join(f", {name}: {value}" for name, value in more.items())
    ledger = f", ledger: {manifest.ledger_bytes:,} bytes" if manifest.ledger_sha256 else ""
    session.say(f"{done}: {manifest.bytes:,} bytes of {made}, schema {manifest.schema}{ledger}{counted}")
