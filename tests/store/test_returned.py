"""Contacts that are nobody's: what the store writes of them, and how the records of an earlier schema are read."""

from __future__ import annotations

import pytest

from matcher.model import Reservation
from matcher.model.lifecycle import Cause, ContactState
from matcher.store.change_stream import ContactStepped, decode_change
from matcher.store.contacts import LeaveOutcome
from matcher.store.reservations import Enqueued
from tests.store.stage import LONG_MS, Stage

ENDS = ("declined", "lapsed", "withdrawn")


async def come_to_nothing(stage: Stage, offer: Reservation, end: str) -> None:
    """Let an offer be declined, lapse or be withdrawn."""
    match end:
        case "declined":
            await stage.routing.decline(stage.reference(offer), 0, "", None)
        case "lapsed":
            await stage.passed(offer.deadline_ms)
            assert await stage.expire(offer.id) == "PENDING"
        case _:
            await stage.routing.withdraw(stage.reference(offer), Cause.AGENT_LEFT)


@pytest.mark.parametrize("end", ENDS)
async def test_a_contact_that_may_not_wait_is_returned(lawful: Stage, end: str) -> None:
    """Nobody waits according to the pool, and the contact does not say otherwise; it is routed again at its old age."""
    stage = lawful
    await stage.put("ann")
    await stage.put("ben")
    offer = await stage.hold("ann", contact="c", hold_ms=20 if end == "lapsed" else LONG_MS)
    born = (await stage.contact("c")).created_ms
    await come_to_nothing(stage, offer, end)
    contact = await stage.contact("c")
    assert (contact.state, contact.queued_in, contact.waits_until_ms) == (ContactState.RETURNED, "", 0)
    assert (await stage.contacts.waiting(stage.site), await stage.in_line()) == ({}, [])
    listed = await stage.contacts.contacts(stage.site, None, ContactState.RETURNED, 10, "", await stage.now_ms())
    assert [one.id for one in listed.items] == ["c"]
    queued = await stage.contacts.contacts(stage.site, None, ContactState.QUEUED, 10, "", await stage.now_ms())
    assert queued.items == ()
    again = await stage.hold("ben", contact="c")
    now = await stage.contact("c")
    assert (now.state, now.reservation, now.created_ms) == (ContactState.RESERVED, again.id, born)


async def test_a_lapsed_offer_reads_returned_before_anybody_writes_so(lawful: Stage) -> None:
    """As the contact will be: without a place in the queue."""
    stage = lawful
    await stage.put("ann")
    offer = await stage.hold("ann", contact="c", hold_ms=20)
    await stage.passed(offer.deadline_ms)
    contact = await stage.contact("c")
    assert (contact.state, contact.cause, contact.excluded) == (
        ContactState.RETURNED,
        Cause.OFFER_EXPIRED,
        ("ann",),
    )


async def test_a_returned_contact_is_canceled_and_a_repeat_answers_the_same(lawful: Stage) -> None:
    """Its customer has gone."""
    stage = lawful
    await stage.put("ann")
    await come_to_nothing(stage, await stage.hold("ann", contact="c"), "declined")
    for _ in range(2):
        assert (await stage.contacts.leave(stage.site, "c", Cause.CANCELED)).how is LeaveOutcome.LEFT
    assert await stage.walked("c") == ["RESERVED OFFERED", "RETURNED DECLINED", "CANCELED CANCELED"]


async def test_a_returned_contact_that_may_now_wait_waits_from_now_on_at_its_old_age(lawful: Stage) -> None:
    """It was with an agent meanwhile: that time is no part of its wait."""
    stage = lawful
    await stage.put("ann")
    await come_to_nothing(stage, await stage.hold("ann", contact="c"), "declined")
    old = await stage.now_ms() - 2 * LONG_MS
    await stage.raw("HSET", stage.keys.contact("c"), "created", old)
    before = await stage.now_ms()
    queued = await stage.reserve(stage.claim(contact="c", waiting=stage.waiting(LONG_MS)), or_wait=True)
    assert isinstance(queued, Enqueued)
    assert queued.score == old
    assert before + LONG_MS <= queued.waits_until_ms <= await stage.now_ms() + LONG_MS


async def test_what_an_earlier_schema_wrote_reads_returned(stage: Stage) -> None:
    """Schema 2 has one word for both: QUEUED. Its processes read what this one writes while they live."""
    stage.connection.schema.writes = 2
    try:
        await stage.put("ann")
        await come_to_nothing(stage, await stage.hold("ann", contact="c"), "declined")
    finally:
        stage.connection.schema.set(None)
    assert (await stage.fields("c"))["state"] == b"QUEUED"
    assert (await stage.contact("c")).state is ContactState.RETURNED
    assert await stage.walked("c") == ["RESERVED OFFERED", "RETURNED DECLINED"]
    told = decode_change("step|c|default|2|QUEUED|DECLINED|r|ann||900")
    assert isinstance(told, ContactStepped)
    assert told.event.state is ContactState.RETURNED
    again = await stage.hold("ann", contact="d")
    await come_to_nothing(stage, again, "declined")
    assert (await stage.fields("d"))["state"] == b"RETURNED"
