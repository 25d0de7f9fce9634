"""The wrap-up: how a conversation ended decides how long the agent's capacity stays held; a repeat changes nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest

from matcher.errors import ReservationLapsed, ReservationNotFound, ReservationStateWrong
from matcher.model import Report, Reservation
from matcher.model.lifecycle import ContactState, ReservationState
from matcher.store.reservations import Full
from tests.store.stage import LONG_MS, Stage

ENDS: Final = {
    "complete": (ContactState.CLOSED, ReservationState.COMPLETED),
    "transfer": (ContactState.RESERVED, ReservationState.COMPLETED),
    "cancel": (ContactState.CANCELED, ReservationState.CANCELED),
    "expiry": (ContactState.EXPIRED, ReservationState.EXPIRED),
}
"""How ann's conversation ends → the contact's state then, and what the reservation is after its wrap-up."""


async def talks(stage: Stage, how: str, *, idle: bool = False) -> Reservation:
    """Let ann, who has capacity for one, talk with the contact c; short where the conversation is to expire."""
    await stage.put("ann")
    await stage.put("bob")
    held = await stage.hold(
        "ann", contact="c", accepted=True, hold_ms=30 if how == "expiry" else LONG_MS, idle_ms=1 if idle else 0
    )
    if idle:
        await stage.passed(held.created_ms + 1)
        assert await stage.routing.rest(stage.reference(held))
    return held


async def end(stage: Stage, held: Reservation, how: str, wrap_up_ms: int = LONG_MS) -> None:
    """End a conversation, with a wrap-up."""
    ref = stage.reference(held)
    match how:
        case "complete":
            await stage.routing.complete(ref, 0, wrap_up_ms)
        case "transfer":
            await stage.hold("bob", **stage.handing_on(held), handed_on_wrap_up_ms=wrap_up_ms)
        case "cancel":
            await stage.routing.cancel(ref, 0, wrap_up_ms=wrap_up_ms)
        case _:
            await stage.passed(held.deadline_ms)
            assert await stage.routing.expire(ref, 0, wrap_up_ms) is not None


@pytest.mark.parametrize("idle", [False, True], ids=["busy", "idle"])
@pytest.mark.parametrize("how", ENDS)
async def test_the_next_customer_does_not_come_during_the_wrap_up(lawful: Stage, how: str, idle: bool) -> None:
    """WRAPPING, and ann is full; also after an idle conversation, which had used no capacity. Then she is free."""
    stage = lawful
    held = await talks(stage, how, idle=idle)
    await end(stage, held, how)
    after_contact, after = ENDS[how]
    wrapping = await stage.reservation(held.id)
    assert (wrapping.state, wrapping.idle_since_ms) == (ReservationState.WRAPPING, 0)
    assert (await stage.contact("c")).state is after_contact
    assert [hold.cost for hold in await stage.holds("ann")] == [1]
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    ended = await stage.routing.end_wrap_up(stage.reference(held), held.fence)
    assert (ended.state, (await stage.agent("ann")).idle_since_ms) == (after, ended.ended_ms)
    assert (await stage.hold("ann")).agent == "ann"
    assert (await stage.contact("c")).state is after_contact


@pytest.mark.parametrize("how", ENDS)
async def test_a_wrap_up_ends_by_itself_with_what_the_conversation_ended_with(lawful: Stage, how: str) -> None:
    """After its time the reservation reads COMPLETED, CANCELED or EXPIRED, before and after the sweep."""
    stage = lawful
    held = await talks(stage, how)
    await end(stage, held, how, 1_000)
    wrapping = await stage.reservation(held.id)
    assert wrapping.ends_as == ENDS[how][1]
    await stage.passed(wrapping.deadline_ms)
    read = await stage.reservation(held.id)
    assert (read.state, read.ended_ms, read.ends_as) == (ENDS[how][1], wrapping.deadline_ms, None)
    assert await stage.expire(held.id) == "WRAPPING"
    assert await stage.reservation(held.id) == read
    assert (await stage.agent("ann")).idle_since_ms == wrapping.deadline_ms


@pytest.mark.parametrize("how", ENDS)
async def test_without_a_wrap_up_the_agent_is_free_at_once(lawful: Stage, how: str) -> None:
    """0: as it is where the pool sets nothing."""
    stage = lawful
    held = await talks(stage, how)
    await end(stage, held, how, 0)
    assert await stage.state(held.id) is ENDS[how][1]
    assert await stage.held_by("ann") == []


@pytest.mark.parametrize("verb", ["cancel", "decline", "lapse", "withdraw"])
async def test_an_offer_that_comes_to_nothing_has_no_wrap_up(lawful: Stage, verb: str) -> None:
    """Nobody talked: the agent is free at once, whatever the pool says of conversations."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", hold_ms=20 if verb == "lapse" else LONG_MS)
    ref = stage.reference(held)
    match verb:
        case "cancel":
            await stage.routing.cancel(ref, 0, wrap_up_ms=LONG_MS)
        case "decline":
            await stage.routing.decline(ref, 0, "", None)
        case "lapse":
            await stage.passed(held.deadline_ms)
            await stage.routing.expire(ref, 0, LONG_MS)
        case _:
            await stage.verb("withdraw", held, cause="AGENT_LEFT")
    assert await stage.held_by("ann") == []
    with pytest.raises((ReservationStateWrong, ReservationLapsed)):
        await stage.routing.end_wrap_up(ref, 0)


async def test_repeats_change_nothing_until_the_reservation_is_forgotten(lawful: Stage) -> None:
    """A webhook that comes twice does not end the wrap-up; what ended answers its state as long as it is kept."""
    stage = lawful
    held = await talks(stage, "complete")
    ref = stage.reference(held)
    wrapping = await stage.routing.complete(ref, held.fence, LONG_MS)
    stored = await stage.everything()
    for _ in range(2):
        assert await stage.routing.complete(ref, held.fence, LONG_MS) == wrapping
    assert await stage.everything() == stored
    done = await stage.routing.end_wrap_up(ref, held.fence)
    stored = await stage.everything()
    for _ in range(2):
        assert await stage.routing.end_wrap_up(ref, held.fence) == done
        assert await stage.routing.complete(ref, held.fence, LONG_MS) == done
    assert await stage.everything() == stored
    await stage.raw("DEL", stage.keys.reservation(held.id))
    for repeat in (stage.routing.complete(ref, 0, 0), stage.routing.end_wrap_up(ref, 0)):
        with pytest.raises(ReservationNotFound):
            await repeat


async def test_a_canceled_conversation_in_its_wrap_up_answers_a_second_cancel_and_no_complete(lawful: Stage) -> None:
    """The first end counts: a complete is refused, as it is after the wrap-up."""
    stage = lawful
    held = await talks(stage, "cancel")
    ref = stage.reference(held)
    wrapping = await stage.routing.cancel(ref, 0, wrap_up_ms=LONG_MS)
    assert await stage.routing.cancel(ref, 0, wrap_up_ms=LONG_MS) == wrapping
    with pytest.raises(ReservationStateWrong):
        await stage.routing.complete(ref, 0, LONG_MS)
    ended = await stage.routing.end_wrap_up(ref, 0)
    assert await stage.routing.cancel(ref, 0, wrap_up_ms=LONG_MS) == ended
    assert await stage.routing.end_wrap_up(ref, 0) == ended


async def test_an_expired_conversation_in_its_wrap_up_is_still_expired_to_a_complete(lawful: Stage) -> None:
    """RESERVATION_LAPSED, during the wrap-up as after it."""
    stage = lawful
    held = await talks(stage, "expiry")
    await end(stage, held, "expiry")
    with pytest.raises(ReservationLapsed):
        await stage.routing.complete(stage.reference(held), 0, 0)
    await stage.routing.end_wrap_up(stage.reference(held), 0)
    with pytest.raises(ReservationLapsed):
        await stage.routing.complete(stage.reference(held), 0, 0)


async def test_a_conversation_that_expired_long_ago_has_no_wrap_up_any_more(lawful: Stage) -> None:
    """It counts from the deadline, not from when the expiry is written, which an outage may delay."""
    stage = lawful
    held = await talks(stage, "expiry")
    await stage.passed(held.deadline_ms + 20)
    assert await stage.routing.expire(stage.reference(held), 0, 20) is not None
    assert (await stage.state(held.id), await stage.held_by("ann")) == (ReservationState.EXPIRED, [])


async def test_a_slot_that_another_contact_has_by_now_is_not_held_for_a_wrap_up(lawful: Stage) -> None:
    """Between the deadline and its writing the agent may get the next contact: then there is no wrap-up beside it."""
    stage = lawful
    held = await talks(stage, "expiry")
    await stage.passed(held.deadline_ms)
    nexts = await stage.hold("ann")
    assert await stage.routing.expire(stage.reference(held), 0, LONG_MS) is not None
    assert await stage.state(held.id) is ReservationState.EXPIRED
    assert await stage.held_by("ann") == [nexts.id]


async def test_the_former_way_of_a_second_complete_ends_the_wrap_up(lawful: Stage) -> None:
    """For one release. A call that the network repeats is no second one, nor is one after a transfer."""
    stage = lawful
    held = await talks(stage, "complete")
    former: dict[str, Any] = {"wrap_up_ms": LONG_MS, "good": "", "second_ends": "1"}
    first = await stage.verb("complete", held, **former, write_id="w1")
    assert (await stage.verb("complete", held, **former, write_id="w1"))[:2] == first[:2]
    assert await stage.state(held.id) is ReservationState.WRAPPING
    second = await stage.verb("complete", held, **former, write_id="w2")
    assert await stage.state(held.id) is ReservationState.COMPLETED
    for write in ("w2", "w3"):
        assert (await stage.verb("complete", held, **former, write_id=write))[:2] == second[:2]
    other = await stage.hold("ann", accepted=True)
    await stage.put("zoe")
    await stage.hold("zoe", **stage.handing_on(other), handed_on_wrap_up_ms=LONG_MS)
    await stage.verb("complete", other, **former, write_id="w4")
    assert await stage.state(other.id) is ReservationState.WRAPPING


async def test_the_first_report_on_a_conversation_counts(lawful: Stage) -> None:
    """It may come after the conversation; a second one says nothing, and a report on no conversation is refused."""
    stage = lawful
    held = await talks(stage, "transfer")
    ref = stage.reference(held)
    await end(stage, held, "transfer", 0)
    contact = await stage.contact("c")
    assert (await stage.routing.complete(ref, 0, LONG_MS)).report is None
    reported = await stage.routing.complete(ref, 0, LONG_MS, good=True)
    assert (reported.state, reported.report and reported.report.good) == (ReservationState.COMPLETED, True)
    assert isinstance(reported.report, Report)
    assert (await stage.routing.complete(ref, 0, LONG_MS, good=False)).report == reported.report
    assert await stage.contact("c") == contact
    canceled = await stage.hold("ann", accepted=True)
    await stage.routing.cancel(stage.reference(canceled), 0)
    with pytest.raises(ReservationStateWrong):
        await stage.routing.complete(stage.reference(canceled), 0, 0, good=True)
    assert (await stage.reservation(canceled.id)).report is None
