"""Access keys as their owner keeps them: made, listed, rotated, revoked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from matcher.auth.access_keys import LIVE_OF_A_NAME, MOST_LIVE, AccessKey, new_access_key
from matcher.auth.key_cache import KeyCache, StoredKeys
from matcher.auth.principal import Grant, current_principal
from matcher.errors import AccessKeyExists, AccessKeyNotFound, AccessKeysLive, StoreUnavailable
from matcher.store.access_keys import AccessKeyStore

log = structlog.get_logger(__name__)

KEPT_MS: Final = 30 * 86_400_000
"""How long a key that expired or was revoked can be listed: a caller that still shows it learns what became of it."""
TRIES: Final = 16
"""Attempts to write while other processes change the keys."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a change makes of the keys: those that it writes, and the one of which the caller gets the secret."""

    written: Sequence[AccessKey]
    made: AccessKey | None = None
    text: str = ""
    dropped: Sequence[str] = field(default=())


class AccessKeyService:
    """Makes, lists, rotates and revokes keys."""

    def __init__(
        self,
        store: AccessKeyStore,
        cache: KeyCache | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """cache: of this process, which follows a change at once."""
        self._store = store
        self._cache = cache
        self._now_ms = now_ms

    async def create(
        self, principal: str, grants: Sequence[Grant], lifetime_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        """Make the first key of a principal; return it and its text. Raises AccessKeyExists or AccessKeysLive.

        lifetime_ms None: the key does not expire.
        """

        def change(keys: StoredKeys, now_ms: int) -> _Change:
            if _live(keys, now_ms, principal):
                raise AccessKeyExists(principal)
            return self._with_new(keys, principal, tuple(grants), now_ms, lifetime_ms)

        return await self._made(change)

    async def rotate(
        self, principal: str, lifetime_ms: int | None = None, overlap_ms: int | None = None
    ) -> tuple[AccessKey, str]:
        """Make the second key of a principal, with the grants of the first; return it and its text.

        lifetime_ms None: as long as the first was made for. overlap_ms: after this time the first key expires; None: it
        lives on until it is revoked. Raises AccessKeyNotFound or AccessKeysLive.
        """

        def change(keys: StoredKeys, now_ms: int) -> _Change:
            live = _live(keys, now_ms, principal)
            if not live:
                raise AccessKeyNotFound(principal)
            if len(live) >= LIVE_OF_A_NAME:
                raise AccessKeysLive(principal, LIVE_OF_A_NAME)
            first = live[-1]
            made_for = first.expires_ms - first.created_ms if first.expires_ms else None
            made = self._with_new(keys, principal, first.grants, now_ms, lifetime_ms or made_for)
            if overlap_ms is None:
                return made
            until = min(filter(None, (first.expires_ms, now_ms + overlap_ms)))
            ending = msgspec.structs.replace(first, expires_ms=until)
            return _Change((*made.written, ending), made.made, made.text, made.dropped)

        return await self._made(change)

    async def revoke(self, *, key_id: str = "", principal: str = "") -> list[AccessKey]:
        """Revoke one key, or every live key of a principal; return them. Raises AccessKeyNotFound."""

        def change(keys: StoredKeys, now_ms: int) -> _Change:
            live = [
                key for key in _live(keys, now_ms) if key_id == key.id or (principal and principal == key.principal)
            ]
            if not live:
                raise AccessKeyNotFound(key_id or principal)
            return _Change([msgspec.structs.replace(key, revoked_ms=now_ms) for key in live])

        return list((await self._change(change)).written)

    async def keys(self) -> list[tuple[AccessKey, int]]:
        """List all keys by principal, also those that ended within a month; each with its last use, in ms, 0: never."""
        stored, used = await self._store.read(), await self._store.used()
        return [(key, used.get(key.id, 0)) for key in stored.keys]

    def _with_new(
        self, keys: StoredKeys, principal: str, grants: tuple[Grant, ...], now_ms: int, lifetime_ms: int | None
    ) -> _Change:
        if len(_live(keys, now_ms)) >= MOST_LIVE:
            raise AccessKeysLive("all principals", MOST_LIVE)
        made, text = new_access_key(principal, grants, now_ms, now_ms + lifetime_ms if lifetime_ms else 0)
        dropped = [key.id for key in keys.keys if not key.lives(now_ms) and key.ended_ms() + KEPT_MS < now_ms]
        return _Change((made,), made, text, dropped)

    async def _made(self, change: Callable[[StoredKeys, int], _Change]) -> tuple[AccessKey, str]:
        done = await self._change(change)
        assert done.made is not None
        return done.made, done.text

    async def _change(self, change: Callable[[StoredKeys, int], _Change]) -> _Change:
        """Write what `change` makes of the keys, again where another process was quicker."""
        for _ in range(TRIES):
            before = await self._store.read()
            wanted = change(before, self._now_ms())
            if await self._store.change(before, wanted.written, wanted.dropped):
                await self._store.forget_used(wanted.dropped)
                if self._cache is not None:
                    await self._cache.refresh()
                # Beside the audit trail, so that who watches the log alone sees it too.
                log.warning(
                    "access keys changed",
                    by=str(current_principal()),
                    principals=sorted({key.principal for key in wanted.written}),
                    keys=[key.id for key in wanted.written],
                )
                return wanted
        raise StoreUnavailable("", "its keys change all the time")


def _live(keys: StoredKeys, now_ms: int, principal: str = "") -> list[AccessKey]:
    """Return the live keys, the oldest of a principal first; principal "": those of all."""
    return [key for key in keys.keys if key.lives(now_ms) and principal in {"", key.principal}]
