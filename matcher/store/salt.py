"""The salt of a site: the key of the hash by which its contacts are assigned to the arms of a comparison."""

from __future__ import annotations

import secrets
from typing import Final

from matcher.store import verbs
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient

SALT_BYTES: Final = 16


class SiteSalt:
    """Read a site's salt once; where there is none yet, make it. It is never changed, and goes with the site."""

    def __init__(self, connection: StoreClient, site: str) -> None:
        self._connection = connection
        self._site = site
        self._salt: bytes | None = None

    async def read(self) -> bytes:
        """Return the salt. Raises SiteNotFound, StoreUnavailable."""
        if self._salt is None:
            call = verbs.SiteSalt(life=Keys(self._site).life, salt=secrets.token_hex(SALT_BYTES))
            _, salt = await self._connection.verb(call)
            self._salt = bytes(salt)
        return self._salt
