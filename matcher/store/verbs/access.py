"""The verb of the access keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class WrittenKey(CallPart, frozen=True, kw_only=True):
    """A key that is written, by its id."""

    key_id: str
    record: bytes


class DroppedKey(CallPart, frozen=True, kw_only=True):
    """A key that goes, by its id."""

    dropped_id: str


class ChangeAccess(VerbCall, frozen=True, kw_only=True):
    """Writes keys and removes keys. moved: another process has changed the keys since they were read."""

    access: Key
    audit: Key
    said: str | bytes = ""
    """See PutAgent."""
    expected: bytes
    """The version as it was read; empty: there were no keys."""
    version: str
    """The new version, which no other change has."""
    written: Sequence[WrittenKey]
    dropped: Sequence[DroppedKey]

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": (), "moved": ()}
