"""Secret keys with a purpose and an id, and the keyring that holds them. Neither shows a key in its repr."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

KEY_BYTES: Final = 32
"""The length of a new key, and the least length of a secret from a setting: that of SHA-256's output (RFC 2104 §3)."""
SECRET_ID: Final = "secret"  # noqa: S105  # the id of a key, not a secret
"""The id of the keys that MATCHER_SECRET gives, or m:secret of the store."""
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
DAY_MS: Final = 86_400_000
LONGEST_WAIT_MS: Final = 7 * DAY_MS
"""The longest wait that a request or a pool may ask for (`wait_duration`)."""
GRACE_MS: Final = 3_600_000
"""How long after its day a key of the day stays: the clocks of machines differ, and a deadline is written late after a
step of the store's clock."""
DAYS_NEEDED: Final = LONGEST_WAIT_MS // DAY_MS + 1
"""The days after today on which a wait that begins today may end, and one for clocks that differ."""
DAYS_AHEAD: Final = DAYS_NEEDED + 1
"""So many days are made ahead: the next day's key is there a day before it is needed."""


class Purpose(StrEnum):
    """What a key is for."""

    SEAL = "seal"
    """The texts of contacts that wait. Its ids are days; a text is sealed under the key of the day its wait ends."""
    REQUEST = "request"
    """The digests that recognise a repeated request."""
    HANDLE = "handle"
    """The digests that customers' handles are stored as."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key. Two processes that name the same id but hold different bytes see it by the fingerprint."""

    purpose: Purpose
    id: str
    material: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.purpose} key {self.id}"

    @property
    def fingerprint(self) -> str:
        """Return 64 bits of a keyed hash, in hex: they tell keys apart and nothing about the key."""
        return hmac.new(self.material, f"matcher: fingerprint|{self.purpose}".encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that a process holds."""

    keys: tuple[SecretKey, ...] = ()

    def of(self, purpose: Purpose) -> tuple[SecretKey, ...]:
        """Return the keys of a purpose."""
        return tuple(key for key in self.keys if key.purpose is purpose)

    def find(self, purpose: Purpose, key_id: str) -> SecretKey | None:
        """Return a key, None where the keyring lacks it."""
        return next((key for key in self.keys if (key.purpose, key.id) == (purpose, key_id)), None)

    def with_keys(self, *added: SecretKey) -> Keyring:
        """Return the keyring with further keys; a key that it holds already stays as it is."""
        return Keyring((*self.keys, *(key for key in added if self.find(key.purpose, key.id) is None)))

    def without(self, *removed: SecretKey) -> Keyring:
        """Return the keyring without some keys."""
        return Keyring(tuple(key for key in self.keys if key not in removed))


def new_key(purpose: Purpose, now_ms: int) -> SecretKey:
    """Return a new key for digests; its id is the day and a random part."""
    return SecretKey(purpose, f"{_utc(now_ms):%Y%m%d}-{secrets.token_hex(3)}", secrets.token_bytes(KEY_BYTES))


def keys_of_secret(secret: bytes) -> Keyring:
    """Return a keyring in which one secret serves every purpose, as before there were keyrings."""
    return Keyring(tuple(SecretKey(purpose, SECRET_ID, secret) for purpose in Purpose))


def day_of(at_ms: int) -> str:
    """Return the UTC day of a moment, which is the id of its key."""
    return _utc(at_ms).date().isoformat()


def is_day(key_id: str) -> bool:
    """Return whether an id is that of a key of the day."""
    try:
        return date.fromisoformat(key_id).isoformat() == key_id
    except ValueError:
        return False


def days_from(now_ms: int, ahead: int) -> list[str]:
    """Return today and the days after it."""
    today = _utc(now_ms).date()
    return [(today + timedelta(days=day)).isoformat() for day in range(ahead + 1)]


def is_over(key_id: str, now_ms: int) -> bool:
    """Return whether every wait that a key of the day can serve is over."""
    return is_day(key_id) and key_id < day_of(now_ms - GRACE_MS)


def days_over(keyring: Keyring, now_ms: int) -> list[SecretKey]:
    """Return the keys of the day that serve no wait any more."""
    return [key for key in keyring.of(Purpose.SEAL) if is_over(key.id, now_ms)]


def days_missing(keyring: Keyring, now_ms: int, ahead: int) -> list[str]:
    """Return the days, from today up to `ahead` days from now, that have no key."""
    return [day for day in days_from(now_ms, ahead) if keyring.find(Purpose.SEAL, day) is None]


def roll_days(keyring: Keyring, now_ms: int, ahead: int = DAYS_AHEAD) -> Keyring:
    """Return the keyring without the days that are over, and with a new key for each day that is missing."""
    missing = days_missing(keyring, now_ms, ahead)
    return keyring.without(*days_over(keyring, now_ms)).with_keys(
        *(SecretKey(Purpose.SEAL, day, secrets.token_bytes(KEY_BYTES)) for day in missing)
    )


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
