"""Stored requirements: what a contact requires of its agent, beside the text and for as long as the contact lives.

They hold ids, levels and times, never words of the customer, so they are not sealed and outlive the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from matcher.model import Basis, Message, Preferred, Requirements


class StoredRequirements(msgspec.Struct, frozen=True, array_like=True):
    """The requirements of a contact beside its pool, its channel and the agent whom a transfer names.

    Times are in milliseconds after the contact's beginning, as in `Requirements` and `Preferred`.
    """

    language: str = ""
    language_expires_ms: int | None = None
    skills: Mapping[str, int] = {}
    skills_expire_ms: Mapping[str, int] = {}
    excluded: tuple[str, ...] = ()
    preferred: tuple[tuple[str, Basis, int], ...] = ()
    auto_accept: bool = False
    trace: str = ""
    """The traceparent of the call that let the contact wait, where that call was recorded; "" else."""

    def requirements(self, pool: str, channel: str, only: str = "") -> Requirements:
        """Return the requirements with what the contact's record holds in fields of their own."""
        return Requirements(
            pool=pool,
            channel=channel,
            language=self.language,
            skills=self.skills,
            excluded=frozenset(self.excluded),
            only=only,
            language_expires_ms=self.language_expires_ms,
            skills_expire_ms=self.skills_expire_ms,
        )

    def preferred_agents(self) -> tuple[Preferred, ...]:
        """Return the preferred agents."""
        return tuple(Preferred(*preferred) for preferred in self.preferred)


NONE: Final = StoredRequirements()
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(StoredRequirements)


def encode_requirements(message: Message, *, auto_accept: bool, trace: str = "") -> bytes:
    """Return a message's requirements as MessagePack; empty where it has none."""
    required = message.requirements
    if not (required.language or required.skills or required.excluded or message.preferred or auto_accept or trace):
        return b""
    return _ENCODER.encode(
        StoredRequirements(
            required.language,
            required.language_expires_ms,
            required.skills,
            required.skills_expire_ms,
            tuple(sorted(required.excluded)),
            tuple((preferred.agent, preferred.basis, preferred.kept_ms) for preferred in message.preferred),
            auto_accept,
            trace,
        )
    )


def decode_requirements(stored: bytes) -> StoredRequirements:
    """Return stored requirements. Raises msgspec.MsgspecError for bytes that hold none."""
    return _DECODER.decode(stored) if stored else NONE


def read_requirements(stored: bytes) -> StoredRequirements:
    """Return stored requirements to show them; bytes that hold none are shown as none, and set the contact aside."""
    try:
        return decode_requirements(stored)
    except msgspec.MsgspecError:
        return NONE
