"""What a customer wrote, sealed before it reaches the store: append-only files and slow logs keep what was deleted."""

from __future__ import annotations

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from matcher.model import Message

NONCE_BYTES: Final = 12
"""Of AES-GCM, NIST SP 800-38D §5.2.1.1."""
PURPOSE: Final = b"matcher: what waits"


class WaitingMessage(msgspec.Struct, frozen=True):
    """What is kept of a request while its contact waits. Never logged."""

    message: Message
    auto_accept: bool

    def __repr__(self) -> str:
        return "Written(…)"


class Sealer:
    """Seal and open by AES-256-GCM; a sealed text opens for its own site and contact only."""

    def __init__(self, secret: bytes) -> None:
        """Take the secret that every replica shares; the key is derived from it."""
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret))

    def seal(self, site: str, contact: str, written: WaitingMessage) -> bytes:
        """Return what was written as nobody without the secret can read it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.json.encode(written), _place(site, contact))

    def open(self, site: str, contact: str, sealed: bytes) -> WaitingMessage | None:
        """Return what was written; None where the secret is another by now."""
        try:
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(site, contact))
        except InvalidTag:
            return None
        return msgspec.json.decode(opened, type=WaitingMessage)


def _place(site: str, contact: str) -> bytes:
    return f"{site}|{contact}".encode()
