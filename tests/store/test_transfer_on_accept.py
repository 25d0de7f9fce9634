"""Transfers in which the old agent keeps the contact until the new one accepts: nobody ever has it twice, or nobody."""

from __future__ import annotations

from typing import Any, Final

import pytest

from matcher.errors import ReservationLapsed, ReservationStateWrong
from matcher.model import Reservation
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.store.contacts import LeaveOutcome, LeaveResult, WaitingContact
from matcher.store.reservations import Full, Refusal, Refused, Replayed, Reserved, ReserveKind
from tests.store.laws import broken_laws
from tests.store.stage import LONG_MS, Stage


async def talking(stage: Stage, **changes: Any) -> Reservation:
    """Bring the contact c to a conversation with ann, who has capacity for one; so have bob and cy."""
    for agent in ("ann", "bob", "cy"):
        await stage.put(agent)
    return await stage.hold("ann", contact="c", accepted=True, **changes)


async def offered(stage: Stage, old: Reservation, *, waits: bool = False, **changes: Any) -> Reservation:
    """Offer the contact c to bob, while ann keeps it."""
    waiting = stage.waiting() if waits else None
    return await stage.hold("bob", waiting=waiting, **stage.handing_on(old), keeps_agent=True, **changes)


async def accept(stage: Stage, new: Reservation, wrap_up_ms: int = 0) -> Reservation:
    """Accept an offer."""
    ref = await stage.routing.reference(stage.site, new.id)
    return await stage.routing.accept(ref, 0, LONG_MS, wrap_up_ms=wrap_up_ms)


async def steps(stage: Stage) -> list[str]:
    """Return the steps of the contact after the first."""
    return (await stage.walked("c"))[1:]


async def test_the_old_agent_keeps_the_contact_until_the_new_one_accepts(lawful: Stage) -> None:
    """Until then it is ASSIGNED to ann, and both are held; then it is bob's, and ann is free."""
    stage = lawful
    old = await talking(stage)
    new = await offered(stage, old)
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.excluded) == (ContactState.ASSIGNED, old.id, ())
    assert (await stage.held_by("ann"), await stage.held_by("bob")) == ([old.id], [new.id])
    assert (new.takes_over, (await stage.reservation(new.id)).takes_over) == (old.id, old.id)
    taken = await accept(stage, new)
    assert await accept(stage, new) == taken
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.excluded) == (ContactState.ASSIGNED, new.id, ("ann",))
    assert (await stage.held_by("ann"), await stage.held_by("bob")) == ([], [new.id])
    assert await stage.state(old.id) is ReservationState.COMPLETED
    assert await steps(stage) == ["ASSIGNED TRANSFER_OFFERED", "ASSIGNED TRANSFERRED"]
    assert (await stage.routing.complete(stage.reference(old), 0, LONG_MS)).state is ReservationState.COMPLETED
    assert (await stage.contact("c")).state is ContactState.ASSIGNED
    assert (await stage.routing.complete(stage.reference(new), 0, 0)).state is ReservationState.COMPLETED
    assert (await stage.contact("c")).state is ContactState.CLOSED


async def test_the_old_agent_wraps_up_from_the_acceptance_on(lawful: Stage) -> None:
    """WRAPPING, with the capacity held, also where the conversation was idle."""
    stage = lawful
    old = await talking(stage, idle_ms=1)
    await stage.passed(old.created_ms + 1)
    assert await stage.routing.rest(stage.reference(old))
    new = await offered(stage, old)
    await accept(stage, new, wrap_up_ms=LONG_MS)
    assert await stage.state(old.id) is ReservationState.WRAPPING
    assert [hold.cost for hold in await stage.holds("ann")] == [1]
    assert (await stage.routing.end_wrap_up(stage.reference(old), 0)).state is ReservationState.COMPLETED
    assert await stage.held_by("ann") == []


ENDS: Final = {
    "declined": Cause.DECLINED,
    "not answered": Cause.OFFER_EXPIRED,
    "agent left": Cause.AGENT_LEFT,
    "agent removed": Cause.AGENT_REMOVED,
    "canceled": Cause.TRANSFER_WITHDRAWN,
}
"""How the offer comes to nothing → the cause of the contact's step."""


async def comes_to_nothing(stage: Stage, new: Reservation, how: str) -> None:
    """Let an offer come to nothing."""
    ref = stage.reference(new)
    match how:
        case "declined":
            await stage.routing.decline(ref, 0, "", None)
        case "not answered":
            await stage.passed(new.deadline_ms)
            assert await stage.expire(new.id) == "PENDING"
        case "agent left" | "agent removed":
            await stage.routing.withdraw(ref, Cause.AGENT_LEFT if how == "agent left" else Cause.AGENT_REMOVED)
        case _:
            await stage.routing.cancel(ref, 0)


@pytest.mark.parametrize("waits", [False, True], ids=["once", "waits"])
@pytest.mark.parametrize("how", ENDS)
async def test_the_old_agent_still_has_the_contact_if_the_offer_comes_to_nothing(
    lawful: Stage, how: str, waits: bool
) -> None:
    """With `wait` the next agent is offered it, unless the offer was canceled: then the transfer is over."""
    stage = lawful
    old = await talking(stage)
    new = await offered(stage, old, waits=waits, hold_ms=20 if how == "not answered" else LONG_MS)
    await comes_to_nothing(stage, new, how)
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.cause) == (ContactState.ASSIGNED, old.id, ENDS[how])
    assert (await stage.held_by("ann"), await stage.held_by("bob")) == ([old.id], [])
    goes_on = waits and how != "canceled"
    assert await stage.in_line() == (["c"] if goes_on else [])
    assert ("sealed" in await stage.fields("c")) == goes_on
    if goes_on:
        (kept,) = await stage.contacts.kept(stage.site, ["c"])
        assert isinstance(kept, WaitingContact)
        assert (kept.handed_on, kept.keeps_agent) == (old.id, True)
        moving = stage.serve("c", "ann", "cy", **stage.handing_on(old, ReserveKind.MOVE), keeps_agent=True)
        reserved = await stage.reserve(moving)
        assert isinstance(reserved, Reserved)
        assert reserved.reservation.agent == "cy"
        assert await stage.reserve(moving) == Replayed(reserved.reservation.id, reserved.reservation.decision, "c")
        await accept(stage, reserved.reservation)
        assert (await stage.contact("c")).reservation == reserved.reservation.id
        assert (await stage.held_by("ann"), await stage.held_by("cy")) == ([], [reserved.reservation.id])
    else:
        assert (await stage.routing.complete(stage.reference(old), 0, 0)).state is ReservationState.COMPLETED
        assert (await stage.contact("c")).state is ContactState.CLOSED


@pytest.mark.parametrize("waits", [False, True], ids=["once", "waits"])
@pytest.mark.parametrize("how", ["complete", "cancel", "cancel the contact", "expire", "remove the agent"])
async def test_the_end_of_the_conversation_ends_the_offer(lawful: Stage, how: str, waits: bool) -> None:
    """No hold is left of either agent, and the offer cannot be accepted any more."""
    stage = lawful
    old = await talking(stage, hold_ms=30 if how == "expire" else LONG_MS)
    new = await offered(stage, old, waits=waits)
    ref = stage.reference(old)
    match how:
        case "complete":
            assert (await stage.routing.complete(ref, 0, 0)).state is ReservationState.COMPLETED
        case "cancel":
            assert (await stage.routing.cancel(ref, 0)).state is ReservationState.CANCELED
        case "cancel the contact":
            assert await stage.contacts.leave(stage.site, "c", Cause.CANCELED) == LeaveResult(LeaveOutcome.HELD, old.id)
            await stage.routing.cancel(ref, 0)
        case "expire":
            await stage.passed(old.deadline_ms)
            with pytest.raises(ReservationLapsed):
                await accept(stage, new)
            assert await stage.expire(old.id) == "ACCEPTED"
        case _:
            await stage.routing.withdraw(ref, Cause.AGENT_REMOVED)
    assert (await stage.held_by("ann"), await stage.held_by("bob"), await stage.due()) == ([], [], [])
    assert await stage.state(new.id) is ReservationState.CANCELED
    with pytest.raises(ReservationStateWrong):
        await accept(stage, new)
    assert "ASSIGNED TRANSFER_WITHDRAWN" in await steps(stage)
    ended = {"complete": ContactState.CLOSED, "expire": ContactState.EXPIRED}.get(how, ContactState.CANCELED)
    contact = await stage.contact("c")
    if how == "remove the agent":
        assert contact.state in {ContactState.QUEUED, ContactState.RETURNED}
        assert contact.excluded == ("ann",)
    else:
        assert contact.state is ended


async def test_an_offer_that_lapsed_unwritten_does_not_hold_up_the_end_of_the_conversation(lawful: Stage) -> None:
    """Its lapse is written first: it counts as a missed offer."""
    stage = lawful
    old = await talking(stage)
    new = await offered(stage, old, hold_ms=1)
    await stage.passed(new.deadline_ms)
    assert (await stage.routing.complete(stage.reference(old), 0, 0)).state is ReservationState.COMPLETED
    assert await stage.state(new.id) is ReservationState.EXPIRED
    assert (await stage.held_by("bob"), await stage.due()) == ([], [])


async def test_an_offer_whose_record_is_lost_does_not_hold_up_the_end_of_the_conversation(plain_stage: Stage) -> None:
    """The conversation is completed; the audit frees the hold that no record backs."""
    stage = plain_stage
    old = await talking(stage)
    new = await offered(stage, old)
    await stage.raw("DEL", stage.keys.reservation(new.id))
    assert (await stage.routing.complete(stage.reference(old), 0, 0)).state is ReservationState.COMPLETED
    assert (await stage.contact("c")).state is ContactState.CLOSED
    assert [law for law in await broken_laws(stage) if new.id not in law and "due" not in law] == []


async def test_a_transfer_beside_an_offer_is_refused_and_names_the_offer(lawful: Stage) -> None:
    """Held: cancel the offer, then hand the contact on otherwise. Nothing is written."""
    stage = lawful
    old = await talking(stage)
    new = await offered(stage, old)
    before = await stage.everything()
    assert await stage.reserve(stage.claim("cy", **stage.handing_on(old))) == Refused(Refusal.LIVE, new.id)
    assert await stage.everything() == before
    await stage.routing.cancel(stage.reference(new), 0)
    assert (await stage.hold("cy", **stage.handing_on(old))).agent == "cy"
    assert await stage.held_by("ann") == []


async def test_the_old_agent_is_not_offered_the_contact_and_keeps_talking(lawful: Stage) -> None:
    """Renewed and touched as ever; a transfer finds another agent or nobody."""
    stage = lawful
    await stage.put("ann", 5)
    old = await stage.hold("ann", contact="c", accepted=True)
    assert isinstance(await stage.reserve(stage.claim("ann", **stage.handing_on(old), keeps_agent=True)), Full)
    await stage.put("bob")
    new = await offered(stage, old)
    renewed = await stage.routing.renew(stage.reference(old), 0, 2 * LONG_MS)
    assert renewed.deadline_ms > old.deadline_ms
    await stage.routing.touch(stage.reference(old), 0, 0)
    await accept(stage, new)


async def test_a_transfer_that_waits_and_was_changed_meanwhile_is_not_served_by_the_old_terms(lawful: Stage) -> None:
    """The dispatcher read ON_HOLD, and by now the transfer is ON_ACCEPT: it reads again."""
    stage = lawful
    old = await talking(stage)
    await stage.line_up("c", **stage.handing_on(old), keeps_agent=True)
    asked = stage.serve("c", "bob", **stage.handing_on(old, ReserveKind.MOVE))
    assert await stage.reserve(asked) == Refused(Refusal.STATE, "ASSIGNED")
    again = stage.serve("c", "bob", **stage.handing_on(old, ReserveKind.MOVE), keeps_agent=True)
    assert isinstance(await stage.reserve(again), Reserved)
    assert await stage.held_by("ann") == [old.id]


async def test_the_contact_goes_to_the_pool_of_the_agent_who_accepts(lawful: Stage) -> None:
    """Until then it is of its old pool."""
    stage = lawful
    old = await talking(stage)
    await stage.roster.put_pool(stage.site, "night", (await stage.roster.pool(stage.site, "default")).policy, 0)  # type: ignore[union-attr]
    await stage.put("zoe", pools=("night",))
    uid = (await stage.roster.pool(stage.site, "night")).uid  # type: ignore[union-attr]
    asked = stage.claim("zoe", **stage.handing_on(old), keeps_agent=True, pool="night", pool_uid=uid)
    new = await stage.reserve(asked)
    assert isinstance(new, Reserved)
    assert (await stage.contact("c")).pool == "default"
    await accept(stage, new.reservation)
    contact = await stage.contact("c")
    assert (contact.pool, contact.pool_uid) == ("night", uid)
