"""The keys that a process works with, as its parts ask for them: they change while the process runs."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from matcher.store.keyring.key_record import KeyInUse, KeysInUse
from matcher.store.keyring.secret_keys import (
    KEY_BYTES,
    SECRET_ID,
    Keyring,
    Purpose,
    SecretKey,
    day_of,
    is_day,
    keys_of_secret,
)

DIGEST_DIGITS: Final = 32
"""Hex digits of a digest: 128 bits."""
SEALED_TEXT: Final = b"matcher: what waits"
"""The HKDF info of the cipher of texts. Texts sealed under another value cannot be opened."""
SEALED_CUSTOMER: Final = b"matcher: what is remembered"
"""The HKDF info of the cipher of what is remembered of customers."""
CHAINED_TRAIL: Final = b"matcher: audit trail"
"""The HKDF info of the key that chains the audit trail."""


@dataclass(frozen=True, slots=True)
class SealCipher:
    """The cipher of one key."""

    key_id: str
    aead: AESGCM


class ServiceKeys:
    """Seal, and make digests, with the keys in use."""

    def __init__(self, keyring: Keyring, in_use: KeysInUse) -> None:
        self.days_used = set[str]()
        """The days whose keys have sealed a text in this process."""
        self.change(keyring, in_use)

    @classmethod
    def of_secret(cls, secret: bytes) -> Self:
        """Return keys by which one secret serves every purpose."""
        keyring = keys_of_secret(secret)
        request, handle, seal = (
            tuple(KeyInUse.of(key) for key in keyring.of(purpose))
            for purpose in (Purpose.REQUEST, Purpose.HANDLE, Purpose.SEAL)
        )
        return cls(keyring, KeysInUse(request, handle, seal, by_day_since_ms=0, request_since_ms=0, handle_since_ms=0))

    def change(self, keyring: Keyring, in_use: KeysInUse) -> None:
        """Work with these keys from now on; a key in use that the keyring lacks is ignored."""
        self.keyring = keyring
        self.in_use = in_use
        self._request = _held(keyring, Purpose.REQUEST, in_use)
        self._handle = _held(keyring, Purpose.HANDLE, in_use)
        self._ciphers = {key.id: _cipher(key, SEALED_TEXT) for key in keyring.of(Purpose.SEAL)}
        self._remembering = {key.id: _cipher(key, SEALED_CUSTOMER) for key in self._handle}
        self._days = sorted(key_id for key_id in self._ciphers if key_id != SECRET_ID)

    def to_seal(self, until_ms: int) -> SealCipher:
        """Return the cipher for a text that may wait until a moment.

        Where the keyring has no key for that day, it is the next day's, else the last: then the text cannot be read
        once that day is over, and the health of the process says that days are missing.
        """
        if not self.in_use.by_day and SECRET_ID in self._ciphers:
            return self._ciphers[SECRET_ID]
        day = day_of(until_ms)
        chosen = next((known for known in self._days if known >= day), self._days[-1])
        self.days_used.add(chosen)
        return self._ciphers[chosen]

    def to_open(self, key_id: str) -> SealCipher | None:
        """Return the cipher of a sealed text's key, None where this process lacks the key."""
        return self._ciphers.get(key_id)

    def to_remember(self) -> SealCipher:
        """Return the cipher for what is remembered of a customer: that of the newest handle key.

        Handle keys never leave the keyring, so what an earlier one sealed can be opened as long as it is remembered.
        """
        return self._remembering[self._handle[-1].id]

    def to_recall(self, key_id: str) -> SealCipher | None:
        """Return the cipher of what was sealed of a customer by a key, None where this process lacks the key."""
        return self._remembering.get(key_id)

    def to_chain(self) -> tuple[str, bytes]:
        """Return the id and the key to chain records of the audit trail with: made of the newest handle key.

        Handle keys never leave the keyring, so records that an earlier one chained can be checked.
        """
        newest = self._handle[-1]
        return newest.id, _trail_key(newest)

    def to_check_chain(self, key_id: str) -> bytes | None:
        """Return the key that chained a record, None where this process lacks it."""
        key = next((key for key in self._handle if key.id == key_id), None)
        return _trail_key(key) if key else None

    def is_over(self, key_id: str) -> bool:
        """Return whether a key is of a day before those of the keyring: it was removed when the day was over."""
        return is_day(key_id) and bool(self._days) and key_id < self._days[0]

    def request_digests(self, request: bytes) -> tuple[str, ...]:
        """Return the digests that a request may be remembered by; the first is the one to remember it by."""
        return tuple(_digest(key, request) for key in reversed(self._request))

    def handle_digests(self, handle: str) -> tuple[str, ...]:
        """Return the digests that a customer's handle may be stored as; the first is the one to store it as.

        Each key makes its digest of the digest before, so that `rehash` needs no handle, which the store does not have.
        """
        first, *later = self._handle
        digests = [_digest(first, b"handle|" + handle.encode())]
        for key in later:
            digests.append(rehashed(key, digests[-1]))
        return tuple(reversed(digests))

    def newest_digest(self, digest: str) -> str:
        """Return the digest to store a handle as, of any digest that it is stored as."""
        made_by = digest.partition(".")[0] if "." in digest else self._handle[0].id
        position = next((place for place, key in enumerate(self._handle) if key.id == made_by), None)
        if position is None:
            return digest
        for key in self._handle[position + 1 :]:
            digest = rehashed(key, digest)
        return digest


def rehashed(key: SecretKey, digest: str) -> str:
    """Return the digest of a digest, which says by which key it was made."""
    return f"{key.id}.{_digest(key, b'handle|' + digest.encode())}"


def _digest(key: SecretKey, content: bytes) -> str:
    return hmac.digest(key.material, content, "sha256").hex()[:DIGEST_DIGITS]


def _held(keyring: Keyring, purpose: Purpose, in_use: KeysInUse) -> list[SecretKey]:
    found = (keyring.find(purpose, used.id) for used in in_use.of(purpose))
    return [key for key in found if key is not None]


def _trail_key(key: SecretKey) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=CHAINED_TRAIL).derive(key.material)


def _cipher(key: SecretKey, info: bytes) -> SealCipher:
    return SealCipher(key.id, AESGCM(HKDF(SHA256(), 32, salt=None, info=info).derive(key.material)))
