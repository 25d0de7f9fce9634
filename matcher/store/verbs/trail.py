"""The verbs of the audit trail: they chain what other verbs wrote, and trim it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class ChainedRecord(CallPart, frozen=True, kw_only=True):
    """A record of the chain, and its values in clear."""

    number: int
    text: bytes
    clear: bytes


class AppendTrail(VerbCall, frozen=True, kw_only=True):
    """Appends records to the chain. moved: another process has appended since the head was read."""

    chain: Key
    clear: Key
    head: Key
    expected: int
    """The number of the head as it was read; 0: there is none."""
    number: int
    """Of the last record."""
    mac: str
    """Of the last record."""
    source: str
    """Whose changes these are: a life of a site, or the access keys."""
    taken: str
    """The source's last entry that is chained: its number and a digest."""
    kept: int
    """About how many records the store keeps."""
    records: Sequence[ChainedRecord]

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True  # what happened stays on record in a full store, too
    answers: ClassVar[Answers] = {"ok": (), "moved": ()}


class NoteChange(VerbCall, frozen=True, kw_only=True):
    """Writes a change that many verbs carry out."""

    life: Key
    audit: Key
    said: bytes

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}


class TrimAudit(VerbCall, frozen=True, kw_only=True):
    """Removes entries that are chained; where the entry of that number is another one, nothing."""

    audit: Key
    number: int
    entry: bytes

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}


class TrimTrail(VerbCall, frozen=True, kw_only=True):
    """Removes records that the ledger has, but the last: the store still shows where the chain ends."""

    chain: Key
    clear: Key
    number: int
    """Of the last record that the ledger has."""

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}
