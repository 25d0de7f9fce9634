"""The verbs of forgetting: they remove the traces of customers and agents, and what the store keeps of removed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from matcher.store.redis.verb_call import Answers, CallPart, Key, VerbCall
from matcher.store.verbs.sites import DoomedKey


class CutField(CallPart, frozen=True, kw_only=True):
    """A field that goes from a record that stays."""

    record: Key
    field: str


class ListedMember(CallPart, frozen=True, kw_only=True):
    """A member that goes from a sorted set."""

    list: Key
    member: str


class LoadEvent(CallPart, frozen=True, kw_only=True):
    """An event of the load stream, by its id."""

    load_event: str


class RosterEvent(CallPart, frozen=True, kw_only=True):
    """An event of the roster stream, by its id."""

    roster_event: str


class OutboxNumber(CallPart, frozen=True, kw_only=True):
    """An entry of the outbox, by its number, and what is added in its place; b"": nothing."""

    number: int
    without: bytes


class ForgetTraces(VerbCall, frozen=True, kw_only=True):
    """Removes records, fields of records, members of lists and events."""

    life: Key
    load: Key
    roster: Key
    outbox: Key
    forgets: Key
    load_copy: Key
    roster_copy: Key
    events_kept: int
    doomed: Sequence[DoomedKey] = ()
    cut: Sequence[CutField] = ()
    members: Sequence[ListedMember] = ()
    load_events: Sequence[LoadEvent] = ()
    roster_events: Sequence[RosterEvent] = ()
    outbox_entries: Sequence[OutboxNumber] = ()

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}


class BlankAgent(VerbCall, frozen=True, kw_only=True):
    """Takes an agent's id out of a record that stays. gone: there is no such record."""

    life: Key
    record: Key
    agent_id: str
    decision_record: bytes
    """Of a decision: its record without the agent; b"": it did not name the agent, or the record is no decision."""

    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": (), "gone": ()}


class CopyEvents(VerbCall, frozen=True, kw_only=True):
    """Copies events of a stream into another one, and puts that one in its place when all are copied.

    more: the last event that was copied. again: the copy is gone, and begins again.
    """

    life: Key
    stream: Key
    copy: Key
    after: str
    """The last event that was copied before; "": none."""
    most: int

    answers: ClassVar[Answers] = {"more": ("event",), "again": (), "done": ()}


class ForgottenSite(CallPart, frozen=True, kw_only=True):
    """A site of which a person was forgotten, and the mark that said so when it was read."""

    site_id: str
    mark: str


class MarkForgotten(VerbCall, frozen=True, kw_only=True):
    """Notes that traces of a site are being removed, or were; in a full store, too."""

    forgotten: Key
    site_id: str
    mark: str

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}


class Rewritten(VerbCall, frozen=True, kw_only=True):
    """Takes sites off the list of those whose traces are still in the append-only file."""

    forgotten: Key
    sites: Sequence[ForgottenSite]

    in_a_life: ClassVar[bool] = False
    frees: ClassVar[bool] = True
    answers: ClassVar[Answers] = {"ok": ()}
