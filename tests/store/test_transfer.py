"""Transfer: a contact goes on to another agent, and the old hold ends only when the new hold is made."""

from __future__ import annotations

import secrets

import pytest

from matcher.model import PoolPolicy, Reservation
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from matcher.store.contacts import LeaveOutcome, LeaveResult, QueuePlace, UnreadableContact, WaitingContact
from matcher.store.reservations import Enqueued, Full, Refusal, Refused, Replayed, Reserved, ReserveKind
from tests.store.laws import found_anywhere
from tests.store.stage import LONG_MS, Stage


async def talking(stage: Stage, **changes: object) -> Reservation:
    """Bring the contact c to a conversation with ann, who has capacity for one; so has bob."""
    await stage.put("ann")
    await stage.put("bob")
    return await stage.hold("ann", contact="c", accepted=True, **changes)


async def test_a_transfer_makes_the_new_hold_and_then_ends_the_old_hold(lawful: Stage) -> None:
    """The contact keeps its age and its history; the old agent's idle time begins again."""
    stage = lawful
    old = await talking(stage)
    began = (await stage.contact("c")).created_ms
    new = await stage.hold("bob", **stage.handing_on(old))
    assert (await stage.held_by("ann"), await stage.held_by("bob")) == ([], [new.id])
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.created_ms) == (ContactState.RESERVED, new.id, began)
    assert contact.excluded == ("ann",)
    ended = await stage.reservation(old.id)
    assert (ended.state, ended.ended_ms) == (ReservationState.COMPLETED, new.created_ms)
    assert (await stage.agent("ann")).idle_since_ms == new.created_ms
    assert await stage.walked("c") == ["ASSIGNED ACCEPTED", "RESERVED TRANSFERRED"]
    assert await stage.due() == [new.id]


async def test_a_transfer_that_finds_no_agent_changes_nothing(lawful: Stage) -> None:
    """Full: the conversation goes on with its agent."""
    stage = lawful
    old = await talking(stage)
    await stage.hold("bob")
    before = await stage.everything()
    assert isinstance(await stage.reserve(stage.claim("bob", **stage.handing_on(old)), or_wait=True), Full)
    assert await stage.everything() == before


async def test_the_agent_who_hands_on_does_not_get_the_contact_back(lawful: Stage) -> None:
    """Even with free capacity and the best affinity: a transfer goes to another agent."""
    stage = lawful
    await stage.put("ann", 5)
    await stage.put("bob")
    old = await stage.hold("ann", contact="c", accepted=True)
    assert isinstance(await stage.reserve(stage.claim("ann", **stage.handing_on(old))), Full)
    assert (await stage.hold(("ann", 0.9), ("bob", 0.1), **stage.handing_on(old))).agent == "bob"


async def test_a_transfer_that_waits_leaves_the_conversation_where_it_is(lawful: Stage) -> None:
    """Queued at its old age while the old agent holds it; the old hold ends when the queue serves it."""
    stage = lawful
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    old = await talking(stage)
    began = (await stage.contact("c")).created_ms
    await stage.passed(began)
    queued = await stage.line_up("c", stage.waiting(LONG_MS, 1_000), pool="night", **stage.handing_on(old))
    assert queued.score == began - 1_000
    assert queued.waits_until_ms > began + LONG_MS
    assert await stage.contacts.queue(stage.site) == [QueuePlace("c", "night", queued.score)]
    contact = await stage.contact("c")
    assert (contact.state, contact.cause, contact.pool) == (ContactState.ASSIGNED, Cause.TRANSFER_ASKED, "default")
    assert await stage.held_by("ann") == [old.id]
    (kept,) = await stage.contacts.kept(stage.site, ["c"])
    assert isinstance(kept, WaitingContact)
    assert kept.handed_on == old.id
    await stage.put("zoe", pools=("night",))
    new = await stage.served("c", "zoe", pool="night", **stage.handing_on(old, ReserveKind.MOVE))
    assert (await stage.held_by("ann"), await stage.held_by("zoe")) == ([], [new.id])
    assert (await stage.contact("c")).pool == "night"
    assert await stage.walked("c") == ["ASSIGNED ACCEPTED", "ASSIGNED TRANSFER_ASKED", "RESERVED TRANSFERRED"]


async def test_a_transfer_whose_wait_is_over_leaves_all_as_it_was(lawful: Stage) -> None:
    """The conversation goes on, the sealed message is gone, and the old agent is not excluded."""
    stage, sealed = lawful, secrets.token_bytes(64)
    old = await talking(stage)
    queued = await stage.line_up("c", stage.waiting(20, 0, sealed), **stage.handing_on(old))
    await stage.passed(queued.waits_until_ms)
    assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.LEFT, "ASSIGNED")
    contact = await stage.contact("c")
    assert (contact.state, contact.cause, contact.excluded) == (ContactState.ASSIGNED, Cause.WAIT_EXPIRED, ())
    assert await stage.held_by("ann") == [old.id]
    assert await found_anywhere(stage, sealed) == []
    assert await stage.in_line() == []


@pytest.mark.parametrize("waited", [True, False])
@pytest.mark.parametrize("end", ["wait over", "unreadable", "offer canceled", "second transfer"])
async def test_a_transfer_that_came_to_nothing_leaves_what_the_contact_required(
    lawful: Stage, end: str, waited: bool
) -> None:
    """Language, skills and how long it may wait are those of before; so it comes back from its agent by them."""
    stage, needs = lawful, b"2|be|fo\x00re|\n"
    old = await talking(stage, requirements=needs, waiting=stage.waiting(LONG_MS, 3) if waited else None)
    before = await stage.fields("c")
    asked = {"requirements": b"first", **stage.handing_on(old)}
    queued = await stage.line_up("c", stage.waiting(20, 0), only="bob", **asked)
    queued = await stage.line_up("c", stage.waiting(20, 0), **{**asked, "requirements": b"second"})
    assert (await stage.fields("c"))["needs"] == b"second"
    match end:
        case "wait over":
            await stage.passed(queued.waits_until_ms)
            await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED)
        case "unreadable":
            (kept,) = await stage.contacts.kept(stage.site, ["c"])
            assert isinstance(kept, UnreadableContact)
            await stage.contacts.quarantine(stage.site, "c", kept.seen)
        case "second transfer":
            await stage.hold("bob", **asked, keeps_agent=True)
        case _:
            offer = await stage.hold("bob", waiting=stage.waiting(), **asked, keeps_agent=True)
            assert (await stage.fields("c"))["needs"] == b"first"
            await stage.routing.cancel(await stage.routing.reference(stage.site, offer.id), 0)
    after = await stage.fields("c")
    required = ("needs", "wait_ms", "head", "only", "before")
    assert [after.get(name) for name in required] == [before.get(name) for name in required]
    assert (before["needs"], "wait_ms" in before) == (needs, waited)
    if end != "second transfer":
        await stage.routing.withdraw(stage.reference(old), Cause.AGENT_REMOVED)
        assert (await stage.contact("c")).state is (ContactState.QUEUED if waited else ContactState.RETURNED)
        assert (await stage.fields("c"))["needs"] == needs


@pytest.mark.parametrize("keeps_agent", [True, False])
async def test_a_transfer_that_finds_its_agent_leaves_nothing_of_what_was_required(
    lawful: Stage, keeps_agent: bool
) -> None:
    """Once the new agent has accepted."""
    stage = lawful
    old = await talking(stage, requirements=b"before")
    asked = {"requirements": b"after", "keeps_agent": keeps_agent, **stage.handing_on(old)}
    await stage.line_up("c", stage.waiting(), **asked)
    moved = await stage.served("c", "bob", **{**asked, "how": ReserveKind.MOVE})
    await stage.routing.accept(await stage.routing.reference(stage.site, moved.id), 0, LONG_MS)
    fields = await stage.fields("c")
    assert (fields["needs"], fields["reservation"].decode(), "before" in fields) == (b"after", moved.id, False)


@pytest.mark.parametrize("end", ["completed", "canceled", "lapsed"])
async def test_a_conversation_that_ends_ends_the_transfer_that_waits(lawful: Stage, end: str) -> None:
    """The contact leaves the queue, and its sealed message is removed."""
    stage, sealed = lawful, secrets.token_bytes(64)
    old = await talking(stage, hold_ms=500 if end == "lapsed" else LONG_MS)
    await stage.line_up("c", stage.waiting(sealed=sealed), **stage.handing_on(old))
    match end:
        case "completed":
            await stage.routing.complete(stage.reference(old), 0, 0)
        case "canceled":
            await stage.routing.cancel(stage.reference(old), 0)
        case _:
            await stage.passed(old.deadline_ms)
            # Lapsed, and the lapse is not written yet: it is not transferred any more.
            asked = stage.serve("c", "bob", **stage.handing_on(old, ReserveKind.MOVE))
            assert await stage.reserve(asked) == Refused(Refusal.STATE, "ASSIGNED")
            assert await stage.expire(old.id) == "ACCEPTED"
    assert await stage.in_line() == []
    assert await found_anywhere(stage, sealed) == []
    assert await stage.held_by("bob") == []


async def test_a_transfer_that_waits_ends_with_a_conversation_whose_records_are_gone(lawful: Stage) -> None:
    """After an outage longer than records are kept the wait's own deadline ends both."""
    stage = lawful
    old = await talking(stage, hold_ms=1)
    old = await stage.hold("bob", contact="d", accepted=True, hold_ms=30)
    queued = await stage.line_up("d", stage.waiting(40), **stage.handing_on(old))
    await stage.passed(queued.waits_until_ms)
    assert await stage.contacts.leave(stage.site, "d", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.LEFT, "EXPIRED")
    assert (await stage.contact("d")).cause is Cause.CONVERSATION_EXPIRED
    assert await stage.expire(old.id) == "ACCEPTED"
    assert await stage.walked("d") == ["ASSIGNED ACCEPTED", "ASSIGNED TRANSFER_ASKED", "EXPIRED CONVERSATION_EXPIRED"]


async def test_a_contact_that_was_handed_on_and_declined_waits_at_its_old_age(lawful: Stage) -> None:
    """The old hold is gone and the new agent declined: the contact is offered to others, to neither of the two."""
    stage = lawful
    old = await talking(stage)
    began = (await stage.contact("c")).created_ms
    new = await stage.hold("bob", waiting=stage.waiting(), **stage.handing_on(old))
    await stage.routing.decline(stage.reference(new), 0, "", None)
    assert await stage.contacts.queue(stage.site) == [QueuePlace("c", "default", began)]
    assert isinstance(await stage.reserve(stage.serve("c", "ann", "bob")), Full)
    await stage.put("zoe")
    assert (await stage.served("c", "ann", "bob", "zoe")).agent == "zoe"


async def test_only_a_conversation_is_handed_on_and_only_by_its_own_agent(lawful: Stage) -> None:
    """State: an offer, another agent's conversation and an ended conversation are not transferred."""
    stage = lawful
    await stage.put("ann", 3)
    await stage.put("bob", 3)
    offered = await stage.hold("ann", contact="c")
    assert await stage.reserve(stage.claim("bob", **stage.handing_on(offered))) == Refused(Refusal.STATE, "RESERVED")
    await stage.routing.accept(stage.reference(offered), 0, LONG_MS)
    new = await stage.hold("bob", **stage.handing_on(offered))
    assert await stage.reserve(stage.claim("bob", **stage.handing_on(offered))) == Refused(Refusal.STATE, "RESERVED")
    await stage.routing.accept(stage.reference(new), 0, LONG_MS)
    await stage.routing.complete(stage.reference(new), 0, 0)
    assert await stage.reserve(stage.claim("ann", **stage.handing_on(new))) == Refused(Refusal.STATE, "CLOSED")


async def test_a_transfer_of_a_conversation_that_went_on_is_told_where(lawful: Stage) -> None:
    """Moved, and nothing written: whether the caller read another reservation, or an offer nobody had accepted yet."""
    stage = lawful
    old = await talking(stage)
    new = await stage.hold("bob", **{**stage.handing_on(old), "accepted": True})
    await stage.put("zoe")
    before = await stage.everything()
    assert await stage.reserve(stage.claim("zoe", **stage.handing_on(old))) == Refused(Refusal.MOVED, new.id)
    unread = stage.claim("zoe", contact="c", how=ReserveKind.TRANSFER)
    assert await stage.reserve(unread) == Refused(Refusal.MOVED, new.id)
    assert await stage.everything() == before


@pytest.mark.parametrize("how", [ReserveKind.TRANSFER, ReserveKind.MOVE])
async def test_a_transfer_that_the_network_repeats_is_one_transfer(lawful: Stage, how: ReserveKind) -> None:
    """The second run finds the first: the same reservation, and one release."""
    stage = lawful
    old = await talking(stage)
    if how is ReserveKind.MOVE:
        await stage.line_up("c", **stage.handing_on(old))
        asked = stage.serve("c", "bob", **stage.handing_on(old, how))
    else:
        asked = stage.claim("bob", **stage.handing_on(old, how))
    assert isinstance(await stage.reserve(asked), Reserved)
    before = await stage.everything()
    assert await stage.reserve(asked) == Replayed(asked.claim.reservation, asked.claim.decision, "c")
    assert await stage.everything() == before


async def test_a_transfer_that_waits_and_is_repeated_waits_once(lawful: Stage) -> None:
    """Replayed by its request; a new request brings the new terms and keeps one place."""
    stage = lawful
    old = await talking(stage)
    asked = stage.claim(waiting=stage.waiting(), **stage.handing_on(old))
    assert isinstance(await stage.reserve(asked, or_wait=True), Enqueued)
    before = await stage.everything()
    assert await stage.reserve(asked, or_wait=True) == Replayed("", "", "c")
    assert await stage.everything() == before
    await stage.line_up("c", stage.waiting(head_start_ms=5), **stage.handing_on(old))
    assert await stage.in_line() == ["c"]
    assert await stage.contacts.waiting(stage.site) == {"default": 1}


async def test_a_transfer_accepted_at_once_goes_on_without_an_offer(lawful: Stage) -> None:
    """For a platform that cannot confirm: ASSIGNED to the new agent, the old hold has ended."""
    stage = lawful
    old = await talking(stage)
    new = await stage.hold("bob", waiting=stage.waiting(), **{**stage.handing_on(old), "accepted": True})
    assert (await stage.contact("c")).state is ContactState.ASSIGNED
    assert (await stage.held_by("ann"), await stage.held_by("bob")) == ([], [new.id])
    assert "sealed" not in await stage.fields("c")


async def test_an_idle_conversation_is_handed_on_too(lawful: Stage) -> None:
    """The old hold counted nothing; the new hold counts its cost."""
    stage = lawful
    old = await talking(stage, idle_ms=1)
    await stage.passed(old.created_ms + 1)
    assert await stage.routing.rest(stage.reference(old))
    new = await stage.hold("bob", **stage.handing_on(old))
    assert await stage.lease("ann") == {}
    assert [hold.cost for hold in await stage.holds("bob")] == [1]
    assert new.agent == "bob"
