"""Access to the store of the running service, or of the settings, for commands that a service need not run for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from matcher.cli.service_settings import of_tool
from matcher.cli.session import CommandError, Session
from matcher.config import Settings
from matcher.errors import MatcherError
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.store.redis.client import StoreClient


@asynccontextmanager
async def store_of_service(session: Session) -> AsyncIterator[tuple[StoreClient, Settings]]:
    """Open the store of the service that runs here, or the one that the settings name; a service may use it meanwhile.

    Raises CommandError where a store would have to be made first: it would be another store than the service's.
    """
    from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
    from matcher.store.redis.client import StoreClient

    configure_logs("console", "WARNING")
    try:
        settings = settings_with_data(session)
        url = settings.store_url.get_secret_value()
        embedded = None if url else await EmbeddedStore.open(EmbeddedSettings(settings.data_dir))
        try:
            connection = StoreClient(embedded.url if embedded else url, timeout_seconds=settings.store_timeout_seconds)
            try:
                await connection.start()
                yield connection, settings
            finally:
                await connection.close()
        finally:
            if embedded:
                await embedded.close()
    except MatcherError as error:
        raise CommandError(str(error)) from None


def settings_with_data(session: Session) -> Settings:
    """Return a tool's settings; raise CommandError where they name a data directory without data, and SettingsWrong."""
    from matcher.store.embedded.files import StoreFiles

    found = of_tool(session)
    settings = found.settings
    embedded = not settings.store_url.get_secret_value()
    if embedded and found.service is None and not StoreFiles(settings.data_dir).append_only_manifest.exists():
        advice = (
            ", and no service of this user runs here: start one with `matcher serve`, or set MATCHER_DATA_DIR or "
            "MATCHER_STORE_URL"
        )
        named = ": start the service once"
        raise CommandError(f"{settings.data_dir} has no data{named if found.named else advice}")
    return settings
