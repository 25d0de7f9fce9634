"""The verbs of the outbox, from which the ledger is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class NoteUnmatched(VerbCall, frozen=True, kw_only=True):
    """Adds an unmatched answer to the outbox."""

    life: Key
    outbox: Key
    outbox_kept: int
    contact_id: str
    pool_id: str
    channel: str
    constraint: str
    """The last constraint that excluded agents."""

    frees: ClassVar[bool] = True  # the outbox is bounded, and an answer is not to fail for the ledger's sake
    answers: ClassVar[Answers] = {"ok": ()}


class PersonToForget(CallPart, frozen=True, kw_only=True):
    """A person whose rows the ledger is to remove: 'customer|' with the digest of a handle, or 'agent|' with an id."""

    person: str


class NoteForgets(VerbCall, frozen=True, kw_only=True):
    """Asks for the removal of persons' rows from the ledger."""

    life: Key
    forgets: Key
    persons: Sequence[PersonToForget]

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}


class NoteGone(VerbCall, frozen=True, kw_only=True):
    """Asks for the removal of a removed site's rows from the ledger."""

    gone: Key
    uid: str

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True  # what removes a site goes on in a full store
    answers: ClassVar[Answers] = {"ok": ()}


class ForgottenPerson(CallPart, frozen=True, kw_only=True):
    """A person whose rows the ledger has removed, or an entry that was; and the stamp of the request to do so."""

    person: str
    stamp: str


class Feed(VerbCall, frozen=True, kw_only=True):
    """Trims the outbox to what is not committed, and reads the next entries. follows: another process feeds the site.

    forgets: the persons whose rows are to go, and as 'entry|' with its number each entry that was removed with its
    person; each followed by its stamp. Rows of these persons may come as long as more entries do.
    """

    life: Key
    outbox: Key
    feeder: Key
    forgets: Key
    process_id: str
    lease_ms: int
    committed: str
    """The number of the last entry that was committed; "": none since the process began to feed the site."""
    committed_entry: bytes
    """That entry's text."""
    most: int
    forgotten: Sequence[ForgottenPerson] = ()

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"feeds": ("uid", "now_ms", "entries", "forgets"), "follows": ()}
