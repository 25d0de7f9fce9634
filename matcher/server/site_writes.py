"""Writes of sites on a cluster: which open sites lie on a server that refuses what is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from matcher.errors import MatcherError
from matcher.replica.site_replica import SiteReplica
from matcher.store import verbs
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

LOOK_SECONDS: Final = 1.0
"""How often a server is asked to take a write."""


class SiteWrites:
    """Asks each server of a cluster, once a second, to take a write that changes nothing."""

    def __init__(self, client: StoreClient, patience_seconds: float) -> None:
        """patience_seconds: a server that has not taken the write by then counts as one that refuses it."""
        self._client = client
        self._patience = patience_seconds
        self._looked_at = -LOOK_SECONDS
        self._refusing: Mapping[str, str] = {}

    async def look(self, sites: Iterable[SiteReplica]) -> None:
        """Look at the servers on which these sites lie, where the last look was a second ago."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        by_server = {self._client.server_of(site.site): site.site for site in sites}
        answers = await asyncio.gather(*map(self._refusal, by_server.values()))
        self._refusing = {server: why for server, why in zip(by_server, answers, strict=True) if why}
        self._looked_at = time.monotonic()

    def refusal(self, site: str) -> str:
        """Return why the server of a site refuses what is written; "": it takes it."""
        return self._refusing.get(self._client.server_of(site), "")

    async def _refusal(self, site: str) -> str:
        try:
            async with asyncio.timeout(self._patience):
                await self._client.verb(verbs.ProveWriting(none=Keys(site).none))
        except TimeoutError:
            return f"it took no write within {self._patience:g} s"
        except MatcherError as fault:
            return str(fault)
        return ""
