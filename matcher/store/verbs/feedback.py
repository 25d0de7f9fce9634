"""The verbs of feedback: what became of contacts afterwards, and what customers praise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall


class GivenOutcome(CallPart, frozen=True, kw_only=True):
    """One outcome of a contact's life."""

    outcomes: Key
    """What was recorded of the contact lately."""
    contact_id: str
    born_ms: int
    """The life of the contact."""
    field: str
    """The life, the source and the kind, by which the outcome is found again."""
    said: str
    """The value and the place: the same again changes nothing."""
    observed_ms: int | str
    """"": now."""
    facts: str
    """What the outbox gets of it, but for `observed`."""


class RecordOutcomes(VerbCall, frozen=True, kw_only=True):
    """Records outcomes, and adds those that are new to the outbox. ok: for each whether it was new, "1" or "0"."""

    life: Key
    outbox: Key
    outbox_kept: int
    kept_ms: int
    """How long the store itself remembers them, so that a repetition adds nothing to the outbox."""
    given: Sequence[GivenOutcome]

    answers: ClassVar[Answers] = {"ok": ("new",)}


class PutPraise(VerbCall, frozen=True, kw_only=True):
    """Stores a customer's words about an agent, in place of those of before. ok: the number of the praise.

    same: these words are stored already.
    """

    life: Key
    praise: Key
    praised: Key
    load: Key
    praise_id: str
    agent_id: str
    agent_uid: str
    contact_id: str
    source: str
    customer: str
    """The digest of the customer's handle; "": not known."""
    digest: str
    """Of the words, keyed: the same words have the same."""
    sealed: bytes
    kept_ms: int
    events_kept: int

    answers: ClassVar[Answers] = {"ok": ("number",), "same": ()}
