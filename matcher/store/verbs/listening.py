"""The verbs of listening: they count what contacts bring up, and who."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class HeardContact(CallPart, frozen=True, kw_only=True):
    """A contact, and what it brings up: places in the call's list of entries, "3;7!;": ! where nobody was free."""

    contact: Key
    person: bytes
    """The digest of the customer by the salt of the day; of the contact, where it names no customer."""
    brings: str


class HeardEntry(CallPart, frozen=True, kw_only=True):
    """An entry that a contact of the call brings up."""

    people: Key
    entry: str


class Hear(VerbCall, frozen=True, kw_only=True):
    """Counts what contacts of one pool bring up on one day; a contact that was counted before is passed by.

    ok: how many contacts were counted. ended: the life of the site in which they were heard has ended.
    """

    life: Key
    life_uid: str
    heard: Key
    heard_until: int
    people_until: int
    contacts: Sequence[HeardContact]
    entries: Sequence[HeardEntry]

    answers: ClassVar[Answers] = {"ok": ("counted",), "ended": ()}
