"""Access to the store of the settings, for commands that a service need not run for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from matcher.cli.session import CommandError
from matcher.config import Settings, load
from matcher.errors import MatcherError
from matcher.telemetry import configure_logs

if TYPE_CHECKING:
    from matcher.store.redis.client import StoreClient


@asynccontextmanager
async def store_of_settings() -> AsyncIterator[tuple[StoreClient, Settings]]:
    """Open the store that the settings name; a service may use the store at the same time."""
    from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
    from matcher.store.redis.client import StoreClient

    configure_logs("console", "WARNING")
    try:
        settings = load()
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
