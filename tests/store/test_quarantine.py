"""Quarantine: a waiting contact that cannot be read leaves the queue whole, is listed, and ends as any contact does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from matcher.model.lifecycle import Cause, ContactState
from matcher.store.contacts import LeaveOutcome, LeaveResult, UnreadableContact, WaitingContact
from matcher.store.reservations import Refusal, Refused
from tests.store.laws import broken_laws, repairs
from tests.store.stage import KEEP_MS, LONG_MS, Stage

Damage = Callable[[Stage, str], Awaitable[Any]]


def field(name: str, value: bytes | str) -> Damage:
    """Return what writes a field of a contact's record."""
    return lambda stage, contact: stage.raw("HSET", stage.keys.contact(contact), name, value)


async def as_text(stage: Stage, contact: str) -> None:
    """Replace a contact's record by a string."""
    await stage.raw("SET", stage.keys.contact(contact), "no record")


DAMAGES: Final[dict[str, Damage]] = {
    "when it began is no number": field("created", "yesterday"),
    "an exclusion is no number": field("x:ann", "soon"),
    "its state is unknown": field("state", "LOST"),
    "its channel is no text": field("channel", b"\xff\xfe"),
    "a field's name is no text": lambda stage, contact: stage.raw("HSET", stage.keys.contact(contact), b"\xff", "1"),
    "its record is no hash": as_text,
}
"""What makes a record unreadable."""


async def set_aside(stage: Stage, contact: str) -> bool:
    """Do what the queue's leader does with a record that it cannot read."""
    (record,) = await stage.contacts.kept(stage.site, [contact])
    assert record is not None
    return await stage.contacts.quarantine(stage.site, contact, record.seen)


async def listed(stage: Stage, state: ContactState | None = None) -> list[str]:
    """Name the contacts in a state that ListContacts lists."""
    page = await stage.contacts.contacts(stage.site, None, state, 10, "", await stage.now_ms())
    return [contact.id for contact in page.items]


async def three_wait(stage: Stage) -> None:
    """Let three contacts wait, in order."""
    await stage.put("ann")
    for contact in ("first", "bad", "last"):
        await stage.line_up(contact)
        await stage.passed((await stage.contact(contact)).created_ms)


@pytest.mark.parametrize("what", DAMAGES)
async def test_one_bad_record_costs_one_contact(stage: Stage, what: str) -> None:
    """The others keep their places; the bad one is QUARANTINED, listed, canceled like any other, and then gone."""
    await three_wait(stage)
    await DAMAGES[what](stage, "bad")
    records = await stage.contacts.kept(stage.site, ["first", "bad", "last"])
    assert [type(record) for record in records] == [WaitingContact, UnreadableContact, WaitingContact]
    assert await set_aside(stage, "bad")
    assert await stage.in_line() == ["first", "last"]
    contact = await stage.contact("bad")
    assert (contact.state, contact.cause, contact.pool) == (ContactState.QUARANTINED, Cause.UNREADABLE, "default")
    assert await listed(stage, ContactState.QUARANTINED) == ["bad"]
    assert sorted(await listed(stage)) == ["bad", "first", "last"]
    assert await broken_laws(stage) == []
    assert await repairs(stage) == []
    assert 0 < await stage.raw("PTTL", stage.keys.aside("bad")) <= LONG_MS
    for _ in range(2):  # the network may repeat it
        canceled = await stage.contacts.leave(stage.site, "bad", Cause.CANCELED)
        assert canceled == LeaveResult(LeaveOutcome.LEFT, "CANCELED")
    assert await stage.raw("PTTL", stage.keys.aside("bad")) == -2
    assert await listed(stage, ContactState.QUARANTINED) == []
    assert (await stage.served("first", "ann")).contact == "first"


async def test_a_record_is_kept_aside_as_it_was_and_no_longer_than_its_wait(lawful: Stage) -> None:
    """All fields, with the sealed message, until the wait would be over; the exclusions stay in force."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", contact="bad", waiting=stage.waiting())
    await stage.routing.decline(stage.reference(held), 0, "", None)
    before = await stage.fields("bad")
    ends = int(before["waits"])
    assert await set_aside(stage, "bad")
    assert await stage.raw("PEXPIRETIME", stage.keys.aside("bad")) == ends
    assert dict(await stage.raw("HGETALL", stage.keys.aside("bad"))) == {
        name.encode(): value for name, value in before.items()
    }
    fields = await stage.fields("bad")
    assert {"sealed", "wait", "score", "queued_in"}.isdisjoint(fields)
    assert (await stage.contact("bad")).excluded == ("ann",)
    assert await stage.raw("PEXPIRETIME", stage.keys.contact("bad")) == ends + KEEP_MS
    assert await stage.walked("bad") == [
        "RESERVED OFFERED",
        "QUEUED DECLINED",
        "QUARANTINED UNREADABLE",
    ]


async def test_a_contact_kept_aside_expires_when_its_wait_is_over(lawful: Stage) -> None:
    """Not before; then the platform hears WAIT_EXPIRED, and nothing is left of what was kept aside."""
    stage = lawful
    queued = await stage.line_up("bad", stage.waiting(40))
    assert await set_aside(stage, "bad")
    if await stage.now_ms() < queued.waits_until_ms:
        early = await stage.contacts.leave(stage.site, "bad", Cause.WAIT_EXPIRED)
        assert early.how in {LeaveOutcome.EARLY, LeaveOutcome.LEFT}
    assert [timer.id for timer in await stage.presence.timers(stage.site, 10)] in (["bad"], [])
    await stage.passed(queued.waits_until_ms)
    await stage.contacts.leave(stage.site, "bad", Cause.WAIT_EXPIRED)
    contact = await stage.contact("bad")
    assert (contact.state, contact.cause) == (ContactState.EXPIRED, Cause.WAIT_EXPIRED)
    assert await stage.raw("PTTL", stage.keys.aside("bad")) == -2
    assert await stage.presence.timers(stage.site, 10) == []


async def test_a_contact_kept_aside_can_be_routed_again(lawful: Stage) -> None:
    """It waits with its new message at its old age, or gets an agent at once."""
    stage = lawful
    await stage.put("ann")
    began = (await stage.line_up("bad")).score
    assert await set_aside(stage, "bad")
    assert (await stage.line_up("bad", stage.waiting(sealed=b"new"))).score == began
    (record,) = await stage.contacts.kept(stage.site, ["bad"])
    assert isinstance(record, WaitingContact)
    assert record.sealed == b"new"
    assert await set_aside(stage, "bad")
    assert (await stage.hold("ann", contact="bad")).agent == "ann"


async def test_the_queue_s_leader_cannot_serve_a_contact_that_is_kept_aside(lawful: Stage) -> None:
    """A leader that read it before gets a refusal."""
    stage = lawful
    await stage.put("ann")
    await stage.line_up("bad")
    assert await set_aside(stage, "bad")
    assert await stage.reserve(stage.serve("bad", "ann")) == Refused(Refusal.STATE, "QUARANTINED")


async def test_only_the_record_that_was_seen_is_set_aside(lawful: Stage) -> None:
    """A contact that was routed again meanwhile, with a good message, stays in the queue; a repeat does nothing."""
    stage = lawful
    await stage.line_up("c")
    (before,) = await stage.contacts.kept(stage.site, ["c"])
    assert before is not None
    await stage.line_up("c", stage.waiting(sealed=b"new"))
    assert not await stage.contacts.quarantine(stage.site, "c", before.seen)
    assert await stage.in_line() == ["c"]
    assert await set_aside(stage, "c")
    assert not await stage.contacts.quarantine(stage.site, "c", before.seen)


async def test_a_transfer_that_cannot_be_read_ends_and_the_conversation_goes_on(lawful: Stage) -> None:
    """The contact stays ASSIGNED to its agent, who may be asked again; its sealed message is gone."""
    stage = lawful
    await stage.put("ann")
    old = await stage.hold("ann", contact="c", accepted=True)
    await stage.line_up("c", **stage.handing_on(old))
    await stage.raw("HSET", stage.keys.contact("c"), "x:zoe", "soon")
    assert await set_aside(stage, "c")
    await stage.raw("HDEL", stage.keys.contact("c"), "x:zoe")
    contact = await stage.contact("c")
    assert (contact.state, contact.cause, contact.excluded) == (ContactState.ASSIGNED, Cause.UNREADABLE, ())
    assert await stage.held_by("ann") == [old.id]
    assert await stage.in_line() == []
    assert "sealed" not in await stage.fields("c")
