"""Contacts that are nobody's: what the store writes of them, and how the records of an earlier schema are read."""

from __future__ import annotations

import pytest

from matcher.errors import ReservationStateWrong
from matcher.model import Basis, Message, PoolPolicy, Preferred, Requirements, Reservation
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.store.change_stream import ContactStepped, decode_change
from matcher.store.contacts import LeaveOutcome
from matcher.store.requirements import decode_requirements, encode_requirements
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


async def test_a_conversation_of_a_removed_agent_goes_back_to_the_queue_at_its_old_age(lawful: Stage) -> None:
    """With what it requires, without that agent; its text is gone since it was accepted, and it waits from now on."""
    stage = lawful
    await stage.put("ann")
    older = await stage.line_up("an-older", stage.waiting())  # of one millisecond, ids order
    talk = await stage.hold("ann", contact="c", waiting=stage.waiting(), requirements=b"needs", accepted=True)
    before, born = await stage.now_ms(), (await stage.contact("c")).created_ms
    await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_REMOVED)
    contact, fields = await stage.contact("c"), await stage.fields("c")
    assert (contact.state, contact.cause, contact.created_ms) == (ContactState.QUEUED, Cause.AGENT_REMOVED, born)
    assert contact.excluded == ("ann",)
    assert contact.waits_until_ms >= before + LONG_MS
    assert (fields["needs"], "sealed" in fields) == (b"needs", False)
    assert await stage.in_line() == ["an-older", "c"]
    assert older.score <= born
    assert (await stage.state(talk.id), await stage.held_by("ann")) == (ReservationState.CANCELED, [])
    assert await stage.walked("c") == ["ASSIGNED ACCEPTED", "QUEUED AGENT_REMOVED"]


async def test_a_conversation_that_may_not_wait_is_returned_when_its_agent_is_removed(lawful: Stage) -> None:
    """It is routed again under its id, and what it requires is then what the new request requires."""
    stage = lawful
    await stage.put("ann")
    await stage.put("ben")
    talk = await stage.hold("ann", contact="c", accepted=True, requirements=b"needs")
    await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_REMOVED)
    assert (await stage.contact("c")).state is ContactState.RETURNED
    assert (await stage.fields("c"))["needs"] == b"needs"
    await stage.hold("ben", contact="c")
    assert "needs" not in await stage.fields("c")
    assert await stage.walked("c") == ["ASSIGNED ACCEPTED", "RETURNED AGENT_REMOVED", "RESERVED OFFERED"]


async def test_a_transfer_that_waits_keeps_its_place_when_the_old_agent_is_removed(lawful: Stage) -> None:
    """The contact is of the pool it was to go to by then, with the text of the transfer."""
    stage = lawful
    await stage.put("ann")
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    talk = await stage.hold("ann", contact="c", accepted=True, requirements=b"before")
    asked = await stage.line_up(
        "c", stage.waiting(sealed=b"text"), pool="night", requirements=b"after", only="zoe", **stage.handing_on(talk)
    )
    await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_REMOVED)
    contact, fields = await stage.contact("c"), await stage.fields("c")
    assert (contact.state, contact.pool, contact.queued_in) == (ContactState.QUEUED, "night", "night")
    assert contact.waits_until_ms == asked.waits_until_ms
    assert (fields["needs"], fields["only"], fields["sealed"], "moving" in fields) == (b"after", b"zoe", b"text", False)
    await stage.put("zoe", pools=("night",))
    held = await stage.served("c", "zoe", pool="night")
    await stage.routing.accept(stage.reference(held), 0, LONG_MS)
    assert {"only", "sealed", "wait"}.isdisjoint(await stage.fields("c"))


async def test_a_removed_agents_conversation_ends_where_its_pool_is_gone(lawful: Stage) -> None:
    """It may wait, and nobody would serve it."""
    stage = lawful
    pool = await stage.roster.put_pool(stage.site, "brief", PoolPolicy(), 0)
    await stage.put("ann", pools=("brief",))
    talk = await stage.hold("ann", contact="c", pool="brief", pool_uid=pool.uid, waiting=stage.waiting(), accepted=True)
    await stage.put("ann", pools=("default",))
    await stage.raw("SREM", stage.keys.members("brief"), "ann")
    await stage.roster.delete_pool(stage.site, "brief", None)
    await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_REMOVED)
    contact = await stage.contact("c")
    assert (contact.state, contact.cause) == (ContactState.EXPIRED, Cause.POOL_REMOVED)


async def test_only_a_removal_takes_a_conversation_from_its_agent(lawful: Stage) -> None:
    """An agent who goes OFFLINE finishes what was accepted."""
    stage = lawful
    await stage.put("ann")
    talk = await stage.hold("ann", contact="c", accepted=True)
    with pytest.raises(ReservationStateWrong):
        await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_LEFT)
    assert await stage.state(talk.id) is ReservationState.ACCEPTED


def test_requirements_are_read_as_they_were_written() -> None:
    """They hold no word of the customer, and nothing where nothing is required."""
    required = Requirements(
        language="de",
        skills={"law": 3},
        excluded=frozenset({"ann", "ben"}),
        language_expires_ms=5,
        skills_expire_ms={"law": 7},
    )
    message = Message("bees", "eva", required, (Preferred("kim", Basis.RELATIONSHIP, 9),))
    stored = encode_requirements(message, auto_accept=True)
    read = decode_requirements(stored)
    assert read.requirements("default", "chat") == required
    assert (read.preferred_agents(), read.auto_accept) == (message.preferred, True)
    assert (b"bees" in stored, b"eva" in stored, len(stored) < 64) == (False, False, True)
    assert encode_requirements(Message("bees", "eva", Requirements()), auto_accept=False) == b""
    assert decode_requirements(b"").requirements("night", "voice", "zoe") == Requirements("night", "voice", only="zoe")
