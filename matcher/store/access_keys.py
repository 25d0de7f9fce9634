"""The store of the access keys: their digests and grants, and when each was last used."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from matcher.auth.access_keys import AccessKey
from matcher.auth.grant_text import grant_text, parse_grant
from matcher.auth.key_cache import StoredKeys
from matcher.errors import StoreUnfit
from matcher.store import verbs
from matcher.store.codecs import fields_of
from matcher.store.keys import ACCESS, ACCESS_AUDIT, ACCESS_USED
from matcher.store.redis.client import StoreClient
from matcher.store.said import say

_VERSION: Final = "version"
ROUND_TRIP: Final = "access keys"


class _Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A key as it is stored; the grants as people write them."""

    principal: str
    digest: bytes
    grants: list[str]
    created_ms: int
    expires_ms: int = 0
    revoked_ms: int = 0


class AccessKeyStore:
    """Read and change the keys."""

    def __init__(self, connection: StoreClient) -> None:
        self._connection = connection

    async def version(self) -> bytes:
        """Return the version of the keys; b"": there has never been a key."""
        version = await self._connection.run("HGET", ACCESS, _VERSION, name=ROUND_TRIP)
        return version if isinstance(version, bytes) else b""

    async def read(self) -> StoredKeys:
        """Read the keys, by principal and time. Raises StoreUnfit where a record is malformed."""
        fields = fields_of(await self._connection.run("HGETALL", ACCESS, name=ROUND_TRIP))
        version = fields.pop(_VERSION, b"")
        try:
            keys = [_key(key_id, record) for key_id, record in fields.items()]
        except (msgspec.MsgspecError, ValueError) as fault:
            raise StoreUnfit(self._connection.address, f"a record of {ACCESS} is malformed") from fault
        return StoredKeys(version, tuple(sorted(keys, key=lambda key: (key.principal, key.created_ms, key.id))))

    async def change(self, before: StoredKeys, written: Iterable[AccessKey], dropped: Iterable[str] = ()) -> bool:
        """Write and remove keys; return False, and write nothing, where the keys have changed since they were read."""
        changed = list(written)
        call = verbs.ChangeAccess(
            access=ACCESS,
            audit=ACCESS_AUDIT,
            said=_said(before, changed),
            expected=before.version,
            version=secrets.token_hex(8),
            written=[verbs.WrittenKey(key_id=key.id, record=_record(key)) for key in changed],
            dropped=[verbs.DroppedKey(dropped_id=key_id) for key_id in dropped],
        )
        (answer,) = await self._connection.verb(call)
        return bool(answer == b"ok")

    async def used(self) -> dict[str, int]:
        """Return when each key was last used, in milliseconds since 1970; a key that never was is missing."""
        fields = fields_of(await self._connection.run("HGETALL", ACCESS_USED, name=ROUND_TRIP))
        return {key_id: int(at) for key_id, at in fields.items()}

    async def note_used(self, used: Mapping[str, int]) -> None:
        """Write when keys were last used."""
        fields = [part for key_id, at in used.items() for part in (key_id, at)]
        await self._connection.run("HSET", ACCESS_USED, *fields, name=ROUND_TRIP)

    async def forget_used(self, key_ids: Iterable[str]) -> None:
        """Remove when keys were last used that are gone."""
        if gone := list(key_ids):
            await self._connection.run("HDEL", ACCESS_USED, *gone, name=ROUND_TRIP)


def _said(before: StoredKeys, changed: Iterable[AccessKey]) -> bytes:
    """Return what a change of keys says for the audit trail: never a digest."""

    def shown(key: AccessKey | None) -> dict[str, object] | None:
        if key is None:
            return None
        return {
            "principal": key.principal,
            "grants": [grant_text(grant) for grant in key.grants],
            "expires_ms": key.expires_ms,
            "revoked_ms": key.revoked_ms,
        }

    known = {key.id: key for key in before.keys}
    keys = {f"keys/{key.id}": (shown(known.get(key.id)), shown(key)) for key in changed}
    return say("keys", {}, {}, **keys)


def _key(key_id: str, stored: bytes) -> AccessKey:
    record = msgspec.msgpack.decode(stored, type=_Record)
    return AccessKey(
        id=key_id,
        principal=record.principal,
        digest=record.digest,
        grants=tuple(parse_grant(text) for text in record.grants),
        created_ms=record.created_ms,
        expires_ms=record.expires_ms,
        revoked_ms=record.revoked_ms,
    )


def _record(key: AccessKey) -> bytes:
    return msgspec.msgpack.encode(
        _Record(
            principal=key.principal,
            digest=key.digest,
            grants=[grant_text(grant) for grant in key.grants],
            created_ms=key.created_ms,
            expires_ms=key.expires_ms,
            revoked_ms=key.revoked_ms,
        )
    )
