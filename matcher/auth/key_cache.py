"""Cache of the access keys in every process: a call is answered from it, without asking the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from matcher.auth.access_keys import AccessKey, opens, parts_of
from matcher.auth.principal import Principal
from matcher.errors import (
    AccessKeysUnknown,
    CredentialsExpired,
    CredentialsRevoked,
    CredentialsWrong,
    MatcherError,
)

REFRESH_SECONDS: Final = 2.0
"""How often a process asks the store whether the keys have changed: a key that is made or revoked counts after that."""
GOOD_SECONDS: Final = 600.0
"""How long the keys as last read go on counting while their shard of the store does not answer."""
USED_SECONDS: Final = 60.0
"""How often a process writes when its keys were last used."""
_KEY: Final = "key"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The keys of the store; version: changes with every change of a key, b"": there has never been a key."""

    version: bytes
    keys: tuple[AccessKey, ...]


class KeySource(Protocol):
    """Where the keys are kept. Every method may raise a MatcherError."""

    async def version(self) -> bytes:
        """Return the version of the keys."""

    async def read(self) -> StoredKeys:
        """Read the keys."""

    async def note_used(self, used: Mapping[str, int]) -> None:
        """Write when keys were last used: id → milliseconds since 1970."""


class KeyIdentity:
    """The principal of a key, as long as the key lives."""

    __slots__ = ("_cache", "_key_id", "principal")

    def __init__(self, cache: KeyCache, key_id: str, principal: Principal) -> None:
        self.principal = principal
        self._cache = cache
        self._key_id = key_id

    def fault(self) -> MatcherError | None:
        """Return why the key no longer counts."""
        return self._cache.fault_of(self._key_id)


class KeyCache:
    """Knows the keys of the store as they were at most 2 s ago, or up to 10 minutes ago while the store is away."""

    def __init__(
        self,
        source: KeySource,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._source = source
        self._clock = clock
        self._now_ms = now_ms
        self._version: bytes | None = None
        self._keys: dict[str, tuple[AccessKey, KeyIdentity]] = {}
        self._read_at = float("-inf")
        self._used: dict[str, int] = {}
        self._written_at = clock()

    def identify(self, text: str) -> KeyIdentity:
        """Return whose key a text is.

        Raises CredentialsWrong, CredentialsExpired, CredentialsRevoked, or AccessKeysUnknown.
        """
        parts = parts_of(text)
        if parts is None:
            raise CredentialsWrong(_KEY, "it is not written like one")
        key_id, secret = parts
        found = self._keys.get(key_id)
        if self._clock() - self._read_at > GOOD_SECONDS:
            raise AccessKeysUnknown
        # The same words for an id that does not exist as for a wrong secret: nobody can ask for ids.
        if found is None or not opens(found[0], secret):
            raise CredentialsWrong(_KEY, "this service does not know it")
        now_ms = self._now_ms()
        if (fault := _fault(found[0], now_ms)) is not None:
            raise fault
        self._used[key_id] = now_ms
        return found[1]

    def fault_of(self, key_id: str) -> MatcherError | None:
        """Return why a key that was known no longer counts; None while it counts."""
        if self._clock() - self._read_at > GOOD_SECONDS:
            return AccessKeysUnknown()
        found = self._keys.get(key_id)
        return CredentialsRevoked(_KEY) if found is None else _fault(found[0], self._now_ms())

    async def run(self) -> None:
        """Follow the store again and again, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
                await self.write_used()
            except MatcherError:
                # The store is away: the readiness says so, and what was read goes on counting.
                continue

    async def refresh(self) -> None:
        """Read the keys where they have changed. Raises what the store raises."""
        began = self._clock()
        if self._version is None or await self._source.version() != self._version:
            stored = await self._source.read()
            self._keys = {key.id: (key, KeyIdentity(self, key.id, key.caller)) for key in stored.keys}
            self._version = stored.version
            _log.info("access keys read", keys=len(self._keys))
        self._read_at = began

    async def write_used(self) -> None:
        """Write when keys were last used, at most once a minute. Raises what the store raises."""
        if not self._used or self._clock() - self._written_at < USED_SECONDS:
            return
        used, self._used, self._written_at = self._used, {}, self._clock()
        await self._source.note_used(used)


def _fault(key: AccessKey, now_ms: int) -> MatcherError | None:
    if key.revoked_ms:
        return CredentialsRevoked(_KEY)
    if key.expires_ms and now_ms >= key.expires_ms:
        return CredentialsExpired(_KEY)
    return None
