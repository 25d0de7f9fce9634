"""First answers: who accepts a contact and does not answer its customer in time loses the contact."""

from __future__ import annotations

from typing import Any

import pytest

from matcher.errors import ReservationLapsed
from matcher.model import Reservation
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState
from matcher.store.contacts import LeaveOutcome
from matcher.store.reservations import NO_FENCE, Refused
from tests.store.stage import LONG_MS, Stage

FIRST_MS = 30
"""Long enough for a store to accept, short enough to wait for."""


async def accepted(stage: Stage, first_ms: int, **changes: Any) -> Reservation:
    """Return a conversation of ann with the contact c, in which the customer has no answer yet."""
    await stage.put("ann", 2)
    held = await stage.hold("ann", contact="c", **changes)
    return await stage.routing.accept(stage.reference(held), held.fence, LONG_MS, first_ms=first_ms)


@pytest.mark.parametrize("auto_accept", [False, True])
async def test_who_does_not_answer_loses_the_contact(lawful: Stage, auto_accept: bool) -> None:
    """The contact is back at its old age with its text and what it requires; the agent is free and excluded."""
    stage = lawful
    terms: dict[str, Any] = {"waiting": stage.waiting(sealed=b"text"), "requirements": b"needs"}
    if auto_accept:
        await stage.put("ann", 2)
        talk = await stage.hold("ann", contact="c", accepted=True, first_ms=FIRST_MS, **terms)
    else:
        talk = await accepted(stage, FIRST_MS, **terms)
    assert (talk.state, talk.first_response_due) == (ReservationState.ACCEPTED, True)
    assert talk.deadline_ms == talk.accepted_ms + FIRST_MS
    born = (await stage.contact("c")).created_ms
    await stage.passed(talk.deadline_ms)
    for _ in ("not written yet", "written"):
        contact = await stage.contact("c")
        assert (contact.state, contact.cause) == (ContactState.QUEUED, Cause.NO_FIRST_RESPONSE)
        assert (contact.created_ms, contact.excluded) == (born, ("ann",))
        assert await stage.state(talk.id) is ReservationState.EXPIRED
        with pytest.raises(ReservationLapsed):
            await stage.routing.touch(stage.reference(talk), NO_FENCE, 0)
        await stage.expire(talk.id)
    fields = await stage.fields("c")
    assert (fields["sealed"], fields["needs"], "first" in fields) == (b"text", b"needs", False)
    assert (await stage.in_line(), await stage.held_by("ann"), await stage.due()) == (["c"], [], [])
    begins = ["ASSIGNED ACCEPTED"] if auto_accept else ["RESERVED OFFERED", "ASSIGNED ACCEPTED"]
    assert await stage.walked("c") == [*begins, "QUEUED NO_FIRST_RESPONSE"]


async def test_the_first_answer_keeps_the_contact_and_removes_its_text(lawful: Stage) -> None:
    """From then on the conversation lasts as long as any other, and its record holds nothing of what was written."""
    stage = lawful
    talk = await accepted(stage, LONG_MS // 2, waiting=stage.waiting(sealed=b"text"))
    assert (await stage.fields("c"))["sealed"] == b"text"
    for _ in range(2):
        touched = await stage.routing.touch(stage.reference(talk), talk.fence, 0)
        assert (touched.deadline_ms, touched.first_response_due) == (talk.accepted_ms + LONG_MS, False)
        assert {"sealed", "first", "wait"}.isdisjoint(await stage.fields("c"))
    assert [hold.deadline_ms for hold in await stage.holds("ann")] == [touched.deadline_ms]
    assert await stage.expire(talk.id) == ""


async def test_a_renewal_is_an_answer_too(lawful: Stage) -> None:
    """And sets the deadline that it names."""
    stage = lawful
    talk = await accepted(stage, LONG_MS // 2, waiting=stage.waiting(sealed=b"text"))
    renewed = await stage.routing.renew(stage.reference(talk), talk.fence, LONG_MS * 2)
    assert renewed.deadline_ms > talk.accepted_ms + LONG_MS
    assert not renewed.first_response_due
    assert "sealed" not in await stage.fields("c")


@pytest.mark.parametrize("end", ["complete", "cancel"])
async def test_a_conversation_that_ends_before_an_answer_leaves_no_text(lawful: Stage, end: str) -> None:
    """It is over, and nobody needs the text."""
    stage = lawful
    talk = await accepted(stage, LONG_MS // 2, waiting=stage.waiting(sealed=b"text"))
    if end == "complete":
        await stage.routing.complete(stage.reference(talk), talk.fence, LONG_MS)
    else:
        await stage.routing.cancel(stage.reference(talk), talk.fence)
    assert "sealed" not in await stage.fields("c")


async def test_without_the_demand_the_text_goes_when_the_contact_is_accepted(lawful: Stage) -> None:
    """A demand as long as the conversation itself is none."""
    stage = lawful
    for first_ms in (0, LONG_MS, LONG_MS * 2):
        talk = await accepted(stage, first_ms, waiting=stage.waiting(sealed=b"text"))
        assert (talk.first_response_due, talk.deadline_ms) == (False, talk.accepted_ms + LONG_MS)
        assert {"sealed", "first"}.isdisjoint(await stage.fields("c"))
        await stage.routing.withdraw(stage.reference(talk), Cause.AGENT_REMOVED)
        await stage.contacts.leave(stage.site, "c", Cause.CANCELED)
        await stage.raw("DEL", stage.keys.contact("c"))


async def test_a_contact_that_may_not_wait_is_returned(lawful: Stage) -> None:
    """It is nobody's, with no text: that was never stored. Routed again it goes to another agent."""
    stage = lawful
    talk = await accepted(stage, FIRST_MS)
    await stage.passed(talk.deadline_ms)
    assert (await stage.contact("c")).state is ContactState.RETURNED
    assert isinstance(await stage.reserve(stage.claim("ann", contact="c")), Refused) is False
    await stage.put("ben")
    again = await stage.hold("ann", "ben", contact="c")
    assert again.agent == "ben"
    assert await stage.expire(talk.id) == "ACCEPTED"
    assert (await stage.contact("c")).reservation == again.id


async def test_a_contact_whose_agent_never_answered_is_canceled(lawful: Stage) -> None:
    """Also before anybody has written that the agent lost the contact."""
    stage = lawful
    talk = await accepted(stage, FIRST_MS, waiting=stage.waiting())
    await stage.passed(talk.deadline_ms)
    assert (await stage.contacts.leave(stage.site, "c", Cause.CANCELED)).how is LeaveOutcome.LEFT
    assert await stage.expire(talk.id) == "ACCEPTED"
    assert (await stage.contact("c")).state is ContactState.CANCELED


async def test_who_accepts_and_never_answers_is_set_away_like_who_misses_offers(lawful: Stage) -> None:
    """An acceptance alone does not start the count of missed offers again; the first answer does."""
    stage = lawful
    await stage.put("ann", 5)
    for number in range(2):
        held = await stage.hold("ann", contact=f"c{number}")
        talk = await stage.routing.accept(stage.reference(held), 0, LONG_MS, first_ms=FIRST_MS)
        await stage.passed(talk.deadline_ms)
        assert await stage.expire(talk.id, max_missed=3) == "ACCEPTED"
    assert (await stage.agent("ann")).status is AgentStatus.ONLINE
    held = await stage.hold("ann", contact="answered")
    await stage.routing.accept(stage.reference(held), 0, LONG_MS, first_ms=LONG_MS // 2)
    await stage.routing.touch(stage.reference(held), 0, 0)
    for number in range(3):
        held = await stage.hold("ann", contact=f"d{number}")
        talk = await stage.routing.accept(stage.reference(held), 0, LONG_MS, first_ms=FIRST_MS)
        await stage.passed(talk.deadline_ms)
        await stage.expire(talk.id, max_missed=3)
    ann = await stage.agent("ann")
    assert (ann.status, ann.status_reason) == (AgentStatus.AWAY, "missed 3 offers in a row")


async def test_a_transfer_that_waits_goes_on_where_the_old_agent_never_answered(lawful: Stage) -> None:
    """The contact keeps its place and the transfer's text, and is nobody's conversation any more."""
    stage = lawful
    talk = await accepted(stage, FIRST_MS, waiting=stage.waiting(sealed=b"first text"))
    asked = await stage.line_up("c", stage.waiting(sealed=b"transfer's text"), **stage.handing_on(talk))
    await stage.passed(talk.deadline_ms)
    assert await stage.expire(talk.id) == "ACCEPTED"
    contact, fields = await stage.contact("c"), await stage.fields("c")
    assert (contact.state, contact.waits_until_ms) == (ContactState.QUEUED, asked.waits_until_ms)
    assert (fields["sealed"], "moving" in fields, "first" in fields) == (b"transfer's text", False, False)
    await stage.put("ben")
    assert (await stage.served("c", "ben")).agent == "ben"
