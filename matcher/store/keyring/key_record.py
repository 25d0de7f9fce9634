"""The store's record of the keys in use: their ids and fingerprints, never a key; and what a keyring lacks of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec
from redis.exceptions import ResponseError

from matcher.errors import StoreUnfit
from matcher.store import verbs
from matcher.store.codecs import fields_of
from matcher.store.keyring.secret_keys import (
    DAYS_NEEDED,
    GRACE_MS,
    LONGEST_WAIT_MS,
    SECRET_ID,
    Keyring,
    Purpose,
    SecretKey,
    day_of,
    days_missing,
)
from matcher.store.keys import KEYS, SECRET
from matcher.store.redis.client import StoreClient

IN_USE: Final = "in_use"
"""The field of the record that holds a KeysInUse; the other fields are days, each with the fingerprint of its key."""
ROUND_TRIP: Final = "keys"
"""What the round trips of this module count as."""


class KeyInUse(msgspec.Struct, frozen=True):
    """A key that the store's records were made with."""

    id: str
    fingerprint: str

    @classmethod
    def of(cls, key: SecretKey) -> KeyInUse:
        """Return what the store keeps of a key."""
        return cls(key.id, key.fingerprint)


class KeysInUse(msgspec.Struct, frozen=True):
    """The keys that every process on the store must hold, the oldest first.

    The last request key and all handle keys, one over the other, make new digests.
    seal: a lasting key under which texts were sealed.
    by_day_since_ms: since when texts are sealed under keys of the day; 0: they are not yet.
    request_since_ms, handle_since_ms: since when the last key of the purpose is in use.
    """

    request: tuple[KeyInUse, ...]
    handle: tuple[KeyInUse, ...]
    seal: tuple[KeyInUse, ...]
    by_day_since_ms: int
    request_since_ms: int
    handle_since_ms: int

    @property
    def by_day(self) -> bool:
        """Return whether new texts are sealed under keys of the day."""
        return self.by_day_since_ms > 0

    def of(self, purpose: Purpose) -> tuple[KeyInUse, ...]:
        """Return the lasting keys of a purpose."""
        return {Purpose.REQUEST: self.request, Purpose.HANDLE: self.handle, Purpose.SEAL: self.seal}[purpose]

    def seal_is_over(self, now_ms: int) -> bool:
        """Return whether no text can wait any more that was sealed under a lasting key."""
        return self.by_day and now_ms > self.by_day_since_ms + LONGEST_WAIT_MS + GRACE_MS

    def needs_secret(self) -> bool:
        """Return whether MATCHER_SECRET or m:secret is among the keys."""
        return any(used.id == SECRET_ID for purpose in Purpose for used in self.of(purpose))


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The record as read.

    in_use None: no process has written it yet. days: fingerprints by day. now_ms: the clock by which waits end.
    stored: the bytes of `in_use`.
    """

    in_use: KeysInUse | None
    days: Mapping[str, str]
    now_ms: int
    stored: bytes = b""


class KeyRegistry:
    """Read and change the record."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client

    async def read(self) -> KeyRecord:
        """Read the record. Raises StoreUnfit where it is malformed."""
        fields = fields_of(await self._client.run("HGETALL", KEYS, name=ROUND_TRIP))
        seconds, micros = await self._client.run("TIME", name=ROUND_TRIP)
        stored = fields.pop(IN_USE, b"")
        try:
            in_use = msgspec.json.decode(stored, type=KeysInUse) if stored else None
        except msgspec.DecodeError as fault:
            raise StoreUnfit(self._client.address, f"its record {KEYS} of the keys in use is malformed") from fault
        days = {day: fingerprint.decode() for day, fingerprint in fields.items()}
        return KeyRecord(in_use, days, int(seconds) * 1000 + int(micros) // 1000, stored)

    async def begin(self, in_use: KeysInUse) -> KeyRecord:
        """Write the record where there is none; return the record, which another process may have written first."""
        await self._client.run("HSETNX", KEYS, IN_USE, msgspec.json.encode(in_use), name=ROUND_TRIP)
        return await self.read()

    async def change(self, before: KeyRecord, in_use: KeysInUse) -> bool:
        """Write which keys are in use; return False, and write nothing, where that has changed since it was read."""
        call = verbs.UseKeys(record=KEYS, field=IN_USE, expected=before.stored, in_use=msgspec.json.encode(in_use))
        (answer,) = await self._client.verb(call)
        return bool(answer == b"ok")

    async def use_days(self, days: Iterable[SecretKey]) -> None:
        """Write the fingerprints of keys of the day that have none yet."""
        for key in days:
            await self._client.run("HSETNX", KEYS, key.id, key.fingerprint, name=ROUND_TRIP)

    async def drop_days(self, days: Iterable[str]) -> None:
        """Remove the fingerprints of days that are over."""
        for day in days:
            await self._client.run("HDEL", KEYS, day, name=ROUND_TRIP)

    async def start_over(self) -> None:
        """Remove the record: the next process to start writes it by its own keyring."""
        await self._client.run("DEL", KEYS, name=ROUND_TRIP)

    async def stored_secret(self) -> bytes | None:
        """Return m:secret, which the store keeps itself where no setting gave one; None where there is none."""
        stored = await self._client.run("GET", SECRET, name=ROUND_TRIP)
        return stored if isinstance(stored, bytes) else None

    async def drop_stored_secret(self) -> None:
        """Remove m:secret."""
        await self._client.run("DEL", SECRET, name=ROUND_TRIP)

    async def rewrite_append_only_file(self) -> None:
        """Let the embedded store rewrite its append-only file, so that it holds nothing that was removed."""
        with suppress(ResponseError):  # it does so already
            await self._client.run("BGREWRITEAOF", name=ROUND_TRIP)


def faults_of(keyring: Keyring, record: KeyRecord) -> list[str]:
    """Return why a process with this keyring cannot work on the store, in sentences that name the keys."""
    faults, in_use = list[str](), record.in_use
    if in_use is not None:
        for purpose in Purpose:
            for used in in_use.of(purpose):
                faults += _fault(keyring, purpose, used.id, used.fingerprint)
        if in_use.by_day and (missing := days_missing(keyring, record.now_ms, DAYS_NEEDED)):
            faults.append(f"the keyring has no seal key for {missing[0]}, until when a text may wait")
    for day, fingerprint in sorted(record.days.items()):
        # Yesterday's key is removed an hour after its day, by the process that notices it first.
        if day >= day_of(record.now_ms):
            faults += _fault(keyring, Purpose.SEAL, day, fingerprint)
    return faults


def _fault(keyring: Keyring, purpose: Purpose, key_id: str, fingerprint: str) -> list[str]:
    held = keyring.find(purpose, key_id)
    if held is None:
        return [f"this process lacks the {purpose} key {key_id}, which is in use"]
    if held.fingerprint != fingerprint:
        return [f"the {held} of this process is not the one in use: its fingerprint is another"]
    return []
