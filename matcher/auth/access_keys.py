"""Access keys: an id that everybody may see and a secret of 256 bits, of which only the SHA-256 is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

import msgspec

from matcher.auth.principal import Grant, Principal, PrincipalKind

PREFIX: Final = "mk"
"""What a key begins with, so that a scanner of code and logs knows one that it finds."""
SECRET_BYTES: Final = 32
LIVE_OF_A_NAME: Final = 2
"""Live keys of one principal: the present one, and the next one while its callers change over."""
MOST_LIVE: Final = 1_000
"""Live keys of a store: every process holds all of them in memory."""
_TOKEN: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})").fullmatch
ID: Final = re.compile(r"[0-9a-f]{16}").fullmatch
"""A key's id."""


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, without its secret. Times are milliseconds since 1970; 0: never."""

    id: str
    principal: str
    digest: bytes
    grants: tuple[Grant, ...]
    created_ms: int
    expires_ms: int = 0
    revoked_ms: int = 0

    def lives(self, now_ms: int) -> bool:
        """Return whether the key opens the service."""
        return not self.revoked_ms and (not self.expires_ms or now_ms < self.expires_ms)

    def ended_ms(self) -> int:
        """Return when the key was revoked, or expires; 0: neither."""
        return self.revoked_ms or self.expires_ms

    @property
    def caller(self) -> Principal:
        """Return who calls with this key."""
        return Principal(self.principal, PrincipalKind.KEY, self.grants)


def new_access_key(
    principal: str, grants: tuple[Grant, ...], now_ms: int, expires_ms: int = 0
) -> tuple[AccessKey, str]:
    """Make a key; return the key and its text, which nobody can read anywhere later."""
    key_id, secret = secrets.token_hex(8), secrets.token_bytes(SECRET_BYTES)
    written = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    made = AccessKey(
        id=key_id,
        principal=principal,
        digest=digest_of(written),
        grants=grants,
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    return made, f"{PREFIX}_{key_id}_{written}"


def parts_of(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key's text; None where the text is no key."""
    found = _TOKEN(text)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 of a secret as it is written. A secret of 256 random bits needs no slower digest."""
    return hashlib.sha256(secret.encode()).digest()


def opens(key: AccessKey, secret: str) -> bool:
    """Return whether a secret is that of a key; the time that it takes says nothing about either."""
    return hmac.compare_digest(key.digest, digest_of(secret))
