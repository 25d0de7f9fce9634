"""Encryption of the customers' messages before they reach the store.

The store's append-only files and slow logs keep data that was deleted, so no message is stored as plain text, and the
keys are kept outside the store. A message is sealed under the key of the day on which its wait ends; once that day is
over the key is gone, and no copy of the store shows the message.
"""

from __future__ import annotations

import os
from contextlib import suppress
from enum import Enum, auto
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag

from matcher.model import PLAIN, Message, Preferred, Requirements, SetAside, Stretch
from matcher.store.keyring.secret_keys import SECRET_ID
from matcher.store.keyring.service_keys import ServiceKeys

NONCE_BYTES: Final = 12
"""The length of an AES-GCM nonce, NIST SP 800-38D §5.2.1.1."""
BY_DAY: Final = b"day|"
"""What a message begins with that is sealed under a key of the day; the day, another |, nonce and ciphertext follow. A
message sealed under a lasting key is nonce and ciphertext alone, as earlier versions read it; one such nonce in 2^32
begins with these bytes, so such a message is tried as both."""
DAY_CHARACTERS: Final = len("2026-11-30")


class NotOpened(Enum):
    """Why a sealed message cannot be opened."""

    SECRET = auto()
    """It was sealed under another secret, for another contact, or was damaged since."""
    OVER = auto()
    """The day of its key is over: the key is gone, and with it the text."""
    MESSAGE = auto()
    """It was opened, and what it holds is no message of this version."""


class WaitingVectors(msgspec.Struct, frozen=True, array_like=True):
    """The vectors of a contact that waits, fp16, with what they were computed from and by. Never logged.

    model: its fingerprint. texts: a digest of the compared texts. An earlier version does not seal vectors.
    """

    model: str
    texts: bytes
    rows: bytes

    def __repr__(self) -> str:
        return "WaitingVectors(…)"


class WaitingText(msgspec.Struct, frozen=True):
    """The text of a contact that waits: what is compared, with its places in the text as it was sent. Never logged.

    interests: those that the customer brings along; they are sealed with the text, and go with it. So are the vectors.
    """

    text: str
    media_type: str = PLAIN
    kept: tuple[Stretch, ...] | None = None
    set_aside: tuple[SetAside, ...] = ()
    interests: tuple[str, ...] = ()
    interests_shareable: bool = False
    vectors: WaitingVectors | None = None

    @classmethod
    def of(cls, message: Message, vectors: WaitingVectors | None = None) -> WaitingText:
        """Return the text of a message, with the vectors that were computed of it."""
        return cls(
            message.text,
            message.media_type,
            message.kept,
            message.set_aside,
            message.interests,
            message.interests_shareable,
            vectors,
        )

    def message(self, customer: str, requirements: Requirements, preferred: tuple[Preferred, ...] = ()) -> Message:
        """Return the message that the text belongs to, with what is stored beside it."""
        return Message(
            self.text,
            customer,
            requirements,
            preferred,
            self.media_type,
            self.kept,
            self.set_aside,
            self.interests,
            self.interests_shareable,
        )

    def __repr__(self) -> str:
        return "WaitingText(…)"


class WaitingMessage(msgspec.Struct, frozen=True):
    """The message of a contact that waits, as schema 2 seals it: the text with its requirements. Never logged."""

    message: Message
    auto_accept: bool

    def __repr__(self) -> str:
        return "WaitingMessage(…)"


class Sealer:
    """Seal and open messages by AES-256-GCM; a sealed message opens for its own site and contact only."""

    def __init__(self, keys: ServiceKeys) -> None:
        self._keys = keys

    def seal(self, site: str, contact: str, waiting: WaitingText | WaitingMessage, until_ms: int) -> bytes:
        """Return a text that nobody can read without its key.

        until_ms: the latest moment at which the contact's wait may end.
        """
        cipher, nonce = self._keys.to_seal(until_ms), os.urandom(NONCE_BYTES)
        header = b"" if cipher.key_id == SECRET_ID else BY_DAY + cipher.key_id.encode() + b"|"
        associated = header + _associated_data(site, contact)
        return header + nonce + cipher.aead.encrypt(nonce, msgspec.json.encode(waiting), associated)

    def open(self, site: str, contact: str, sealed: bytes) -> WaitingText | WaitingMessage | NotOpened:
        """Return what was sealed, or why it cannot be opened."""
        header_bytes = len(BY_DAY) + DAY_CHARACTERS + 1
        day = sealed[len(BY_DAY) : header_bytes - 1].decode("ascii", "replace") if sealed.startswith(BY_DAY) else ""
        if day:
            opened = self._open(day, sealed[:header_bytes], sealed[header_bytes:], site, contact)
            if opened is not NotOpened.SECRET:
                return opened
        opened = self._open(SECRET_ID, b"", sealed, site, contact)
        return NotOpened.OVER if opened is NotOpened.SECRET and day and self._keys.is_over(day) else opened

    def _open(
        self, key_id: str, header: bytes, sealed: bytes, site: str, contact: str
    ) -> WaitingText | WaitingMessage | NotOpened:
        cipher = self._keys.to_open(key_id)
        if cipher is None:
            return NotOpened.SECRET
        associated = header + _associated_data(site, contact)
        try:
            opened = cipher.aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):  # a ValueError: it is too short for a nonce
            return NotOpened.SECRET
        # Each form lacks a field that the other demands.
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(opened, type=WaitingText)
        try:
            return msgspec.json.decode(opened, type=WaitingMessage)
        except msgspec.MsgspecError:
            return NotOpened.MESSAGE


def _associated_data(site: str, contact: str) -> bytes:
    return f"{site}|{contact}".encode()
