"""Encryption of the customers' messages before they reach the store.

The store's append-only files and slow logs keep data that was deleted, so no message is stored as plain text.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from matcher.model import Message

NONCE_BYTES: Final = 12
"""The length of an AES-GCM nonce, NIST SP 800-38D §5.2.1.1."""
PURPOSE: Final = b"matcher: what waits"
"""The HKDF info of the key. Messages sealed under another value cannot be opened."""


class NotOpened(Enum):
    """Why a sealed message cannot be opened."""

    SECRET = auto()
    """It was sealed under another secret, for another contact, or was damaged since."""
    MESSAGE = auto()
    """It was opened, and what it holds is no message of this version."""


class WaitingMessage(msgspec.Struct, frozen=True):
    """The part of a request that is stored while its contact waits. Never logged."""

    message: Message
    auto_accept: bool

    def __repr__(self) -> str:
        return "WaitingMessage(…)"


class Sealer:
    """Seal and open messages by AES-256-GCM; a sealed message opens for its own site and contact only."""

    def __init__(self, secret: bytes) -> None:
        """Derive the key from the secret that every replica shares."""
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret))

    def seal(self, site: str, contact: str, waiting: WaitingMessage) -> bytes:
        """Return a message that nobody can read without the secret."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.json.encode(waiting), _associated_data(site, contact))

    def open(self, site: str, contact: str, sealed: bytes) -> WaitingMessage | NotOpened:
        """Return the message, or why it cannot be opened."""
        try:
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated_data(site, contact))
        except (InvalidTag, ValueError):  # ValueError: it is shorter than a nonce
            return NotOpened.SECRET
        try:
            return msgspec.json.decode(opened, type=WaitingMessage)
        except msgspec.MsgspecError:
            return NotOpened.MESSAGE


def _associated_data(site: str, contact: str) -> bytes:
    return f"{site}|{contact}".encode()
