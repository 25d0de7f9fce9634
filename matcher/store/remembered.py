"""Encryption of what is remembered of customers: handles, the interests they agreed to leave, what they praise.

It is sealed under the newest handle key, not under a key of a day: it outlives the days, and handle keys never leave
the keyring. What is sealed opens for its own site and its own record only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from numpy.typing import NDArray

from matcher.model.customers import Consent, CustomerInterest
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.sealer import NONCE_BYTES

_HANDLE: Final = "handle"
_INTERESTS: Final = "interests"
_VECTORS: Final = "vectors"
_PRAISE: Final = "praise"


@dataclass(frozen=True, slots=True, repr=False)
class StoredProfile:
    """The interests that a customer agreed to leave, as they are compared. Never logged.

    uid: that of these interests; another write gives another. rows [interests, dimension]: their vectors by the model
    that was asked for; None where the store has those of another model.
    """

    customer: str
    uid: str
    interests: tuple[CustomerInterest, ...]
    consent: Consent
    rows: NDArray[np.float32] | None

    @property
    def shareable(self) -> bool:
        """Return whether an agent's desk may show which of the interests led to a decision."""
        return self.consent.shareable


class _Interests(msgspec.Struct, frozen=True, array_like=True):
    interests: tuple[CustomerInterest, ...]
    consent: Consent


class _Vectors(msgspec.Struct, frozen=True, array_like=True):
    model: str
    rows: bytes


class CustomerSealer:
    """Seal and open what is remembered of customers, by AES-256-GCM."""

    def __init__(self, keys: ServiceKeys) -> None:
        self._keys = keys

    def handle(self, site: str, digest: str, handle: str) -> bytes:
        """Return a customer's handle sealed; digest: what its key is named by."""
        return self._seal(site, _HANDLE, digest, handle.encode())

    def open_handle(self, site: str, digest: str, sealed: bytes) -> str | None:
        """Return a handle; None where only its digest is known, or where its key is missing."""
        opened = self._open(site, _HANDLE, digest, sealed)
        return None if opened is None else opened.decode()

    def interests(self, site: str, uid: str, interests: tuple[CustomerInterest, ...], consent: Consent) -> bytes:
        """Return a customer's interests sealed, with the consent."""
        return self._seal(site, _INTERESTS, uid, msgspec.msgpack.encode(_Interests(interests, consent)))

    def open_interests(self, site: str, uid: str, sealed: bytes) -> tuple[tuple[CustomerInterest, ...], Consent] | None:
        """Return a customer's interests with the consent; None where they cannot be opened."""
        opened = self._open(site, _INTERESTS, uid, sealed)
        if opened is None:
            return None
        stored = msgspec.msgpack.decode(opened, type=_Interests)
        return stored.interests, stored.consent

    def vectors(self, site: str, uid: str, model: str, rows: NDArray[np.float32]) -> bytes:
        """Return the vectors [interests, dimension] of a customer's interests sealed, as fp16."""
        stored = _Vectors(model, rows.astype(np.float16).tobytes())
        return self._seal(site, _VECTORS, uid, msgspec.msgpack.encode(stored))

    def open_vectors(self, site: str, uid: str, sealed: bytes, model: str, count: int) -> NDArray[np.float32] | None:
        """Return the vectors [count, dimension]; None where they are of another model, or cannot be opened."""
        opened = self._open(site, _VECTORS, uid, sealed)
        if opened is None:
            return None
        stored = msgspec.msgpack.decode(opened, type=_Vectors)
        if stored.model != model:
            return None
        return np.frombuffer(stored.rows, np.float16).reshape(count, -1).astype(np.float32)

    def praise(self, site: str, praise: str, words: str) -> bytes:
        """Return a customer's words about an agent sealed; praise: its id."""
        return self._seal(site, _PRAISE, praise, words.encode())

    def open_praise(self, site: str, praise: str, sealed: bytes) -> str | None:
        """Return a customer's words about an agent; None where they cannot be opened."""
        opened = self._open(site, _PRAISE, praise, sealed)
        return None if opened is None else opened.decode()

    def resealed(self, site: str, name: str, bound: str, sealed: bytes) -> bytes | None:
        """Return a sealed field of a record under the newest key; None where it is, or where it cannot be opened.

        name: the field's: "sealed" and "vectors" of interests, "praise", else a handle's. bound: what it is bound to.
        """
        what = {"sealed": _INTERESTS, "vectors": _VECTORS, "praise": _PRAISE}.get(name, _HANDLE)
        if not sealed or sealed.startswith(f"{self._keys.to_remember().key_id}|".encode()):
            return None
        opened = self._open(site, what, bound, sealed)
        return None if opened is None else self._seal(site, what, bound, opened)

    def _seal(self, site: str, what: str, bound: str, content: bytes) -> bytes:
        cipher, nonce = self._keys.to_remember(), os.urandom(NONCE_BYTES)
        header = f"{cipher.key_id}|".encode()
        return header + nonce + cipher.aead.encrypt(nonce, content, _associated(header, site, what, bound))

    def _open(self, site: str, what: str, bound: str, sealed: bytes) -> bytes | None:
        key_id, bar, rest = sealed.partition(b"|")
        cipher = self._keys.to_recall(key_id.decode("ascii", "replace"))
        if cipher is None:
            return None
        try:
            associated = _associated(key_id + bar, site, what, bound)
            return cipher.aead.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):  # a ValueError: it is too short for a nonce
            return None


def _associated(header: bytes, site: str, what: str, bound: str) -> bytes:
    return header + f"{site}|{what}|{bound}".encode()
