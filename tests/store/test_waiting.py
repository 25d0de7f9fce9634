"""Waiting: the queue, its order, its end, and the messages that are kept while contacts wait."""

from __future__ import annotations

import secrets

import pytest

from matcher.errors import PoolHasWaiting
from matcher.model import PoolPolicy
from matcher.model.lifecycle import AgentStatus, Cause, ContactState
from matcher.store.contacts import LeaveOutcome, LeaveResult, QueuePlace, WaitingContact
from matcher.store.reservations import Enqueued, Full, Refusal, Refused, Replayed, Reserved
from tests.store.laws import found_anywhere
from tests.store.stage import KEEP_MS, LONG_MS, Stage


async def test_a_contact_that_no_agent_can_take_waits_if_it_may(lawful: Stage) -> None:
    """Queued: the place is the beginning less the head start, and the wait ends at its own deadline."""
    stage = lawful
    await stage.put("ann", 0)
    before = await stage.now_ms()
    asked = stage.claim("ann", contact="c", customer="customer-7", waiting=stage.waiting(5_000, 2_000))
    queued = await stage.reserve(asked, or_wait=True)
    assert isinstance(queued, Enqueued)
    contact = await stage.contact("c")
    assert before <= contact.created_ms <= await stage.now_ms()
    assert queued == Enqueued(contact.created_ms - 2_000, contact.created_ms + 5_000, queued.event, 1)
    assert (contact.state, contact.cause, contact.customer) == (ContactState.QUEUED, Cause.NOBODY_FREE, "customer-7")
    assert contact.waits_until_ms == queued.waits_until_ms
    assert await stage.contacts.queue(stage.site) == [QueuePlace("c", "default", queued.score)]
    assert await stage.contacts.waiting(stage.site) == {"default": 1}
    assert await stage.walked("c") == ["QUEUED NOBODY_FREE"]


async def test_a_contact_that_may_not_wait_or_not_yet_leaves_nothing(lawful: Stage) -> None:
    """Full: without terms for a wait, or while other candidates are still to be tried, nothing is written."""
    stage = lawful
    await stage.put("ann", 0)
    before = await stage.everything()
    assert isinstance(await stage.reserve(stage.claim("ann"), or_wait=True), Full)
    assert isinstance(await stage.reserve(stage.claim("ann", waiting=stage.waiting())), Full)
    assert await stage.everything() == before


async def test_a_contact_that_finds_an_agent_does_not_wait(lawful: Stage) -> None:
    """Reserved: the contact is offered at once, and its sealed message is kept until the offer is accepted."""
    stage = lawful
    await stage.put("ann")
    answer = await stage.reserve(stage.claim("ann", contact="c", waiting=stage.waiting()), or_wait=True)
    assert isinstance(answer, Reserved)
    assert await stage.in_line() == []
    assert "sealed" in await stage.fields("c")
    await stage.routing.accept(stage.reference(answer.reservation), 0, LONG_MS)
    assert "sealed" not in await stage.fields("c")


async def test_the_order_is_the_beginning_less_the_head_start_of_the_pool(lawful: Stage) -> None:
    """A head start is seconds and no more: a contact that began longer ago than the difference comes first."""
    stage = lawful
    for pool in ("gold", "night"):
        await stage.roster.put_pool(stage.site, pool, PoolPolicy(), 0)
    await stage.line_up("first")
    await stage.passed((await stage.contact("first")).created_ms)
    await stage.line_up("second", pool="night")
    await stage.line_up("ahead", stage.waiting(head_start_ms=60_000), pool="gold")
    assert await stage.in_line() == ["ahead", "first", "second"]
    assert await stage.contacts.waiting(stage.site) == {"default": 1, "night": 1, "gold": 1}


async def test_a_contact_is_offered_from_the_queue_once(lawful: Stage) -> None:
    """Two leaders, one contact: the second learns that the contact waits no more, and holds no agent."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 2)
    held = await stage.served("c", "ann")
    assert await stage.reserve(stage.serve("c", "ann")) == Refused(Refusal.STATE, "RESERVED")
    assert await stage.in_line() == []
    assert await stage.held_by("ann") == [held.id]
    assert await stage.walked("c") == ["QUEUED NOBODY_FREE", "RESERVED OFFERED"]


async def test_an_offer_that_the_network_repeats_is_one_offer(lawful: Stage) -> None:
    """The leader's call has no request id: the reservation's own id shows that it was made already."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 2)
    asked = stage.serve("c", "ann")
    assert isinstance(await stage.reserve(asked), Reserved)
    before = await stage.everything()
    assert await stage.reserve(asked) == Replayed(asked.claim.reservation, asked.claim.decision, "c")
    assert await stage.everything() == before


async def test_a_request_that_the_network_repeats_waits_once(lawful: Stage) -> None:
    """Replayed without a reservation: the contact waits, or has gone on since."""
    stage = lawful
    asked = stage.claim(contact="c", waiting=stage.waiting())
    assert isinstance(await stage.reserve(asked, or_wait=True), Enqueued)
    before = await stage.everything()
    assert await stage.reserve(asked, or_wait=True) == Replayed("", "", "c")
    assert await stage.everything() == before
    await stage.put("ann")
    await stage.served("c", "ann")
    assert await stage.reserve(asked, or_wait=True) == Replayed("", "", "c")


async def test_without_free_capacity_the_contact_stays_in_the_queue(lawful: Stage) -> None:
    """Full: an offer from the queue that finds no agent changes nothing."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 0)
    before = await stage.everything()
    assert isinstance(await stage.reserve(stage.serve("c", "ann")), Full)
    assert await stage.everything() == before


@pytest.mark.parametrize("ends", ["declined", "expired", "withdrawn"])
async def test_an_offer_that_is_not_accepted_puts_the_contact_back_at_its_old_age(lawful: Stage, ends: str) -> None:
    """It comes before later contacts, with its remaining wait; the agent who did not accept it is ignored."""
    stage = lawful
    first = await stage.line_up("c", stage.waiting(LONG_MS, 3_000))
    await stage.put("ann", 5)
    held = await stage.served("c", "ann", hold_ms=1 if ends == "expired" else LONG_MS)
    await stage.passed(first.score + 3_000)
    later = await stage.line_up("d", stage.waiting(LONG_MS, 3_000))
    match ends:
        case "declined":
            await stage.routing.decline(stage.reference(held), 0, "lunch", None)
        case "withdrawn":
            await stage.routing.withdraw(stage.reference(held), Cause.AGENT_LEFT)
        case _:
            await stage.passed(held.deadline_ms)
            assert await stage.expire(held.id) == "PENDING"
    queue = await stage.contacts.queue(stage.site)
    assert queue == [QueuePlace("c", "default", first.score), QueuePlace("d", "default", later.score)]
    contact = await stage.contact("c")
    assert contact.waits_until_ms == first.waits_until_ms
    again = await stage.reserve(stage.serve("c", "ann"))
    # An agent who had left may get it again after the return; an agent who did not accept it does not.
    assert isinstance(again, Reserved if ends == "withdrawn" else Full)
    assert contact.excluded == (() if ends == "withdrawn" else ("ann",))


async def test_an_agent_who_declines_for_a_while_is_offered_the_waiting_contact_again_after_it(lawful: Stage) -> None:
    """With retry_after the exclusion ends at its time, by the store's clock."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann")
    held = await stage.served("c", "ann")
    declined = (await stage.routing.decline(stage.reference(held), 0, "", 20)).reservation
    (kept,) = await stage.contacts.kept(stage.site, ["c"])
    assert isinstance(kept, WaitingContact)
    assert kept.excluded == {"ann": declined.ended_ms + 20}
    await stage.passed(declined.ended_ms + 20)
    assert (await stage.served("c", "ann")).agent == "ann"


async def test_the_sealed_message_is_kept_unchanged_and_only_while_the_contact_waits(lawful: Stage) -> None:
    """Kept: the sealed text, channel, customer, times; None for a contact that does not wait."""
    stage, sealed = lawful, secrets.token_bytes(200)
    await stage.line_up("c", stage.waiting(LONG_MS, 0, sealed), channel="mail", customer="customer-7")
    (kept, nobody) = await stage.contacts.kept(stage.site, ["c", "other"])
    contact = await stage.contact("c")
    assert nobody is None
    assert isinstance(kept, WaitingContact)
    assert (kept.sealed, kept.channel, kept.customer, kept.handed_on) == (sealed, "mail", "customer-7", "")
    assert (kept.created_ms, kept.waits_until_ms) == (contact.created_ms, contact.waits_until_ms)
    await stage.put("ann", 1, {"mail": (await stage.put("x")).profile.capacity.channels["chat"]})
    await stage.served("c", "ann", channel="mail")
    assert await stage.contacts.kept(stage.site, ["c"]) == [None]


@pytest.mark.parametrize("end", ["accepted", "accepted at once", "canceled", "left", "waited out", "closed"])
async def test_no_sealed_text_is_left_once_a_contact_is_accepted_or_has_ended(lawful: Stage, end: str) -> None:
    """The test looks for it in every key of the site."""
    stage, sealed = lawful, secrets.token_bytes(64)
    await stage.line_up("c", stage.waiting(5 if end == "waited out" else LONG_MS, 0, sealed))
    assert await found_anywhere(stage, sealed) == ["contact:c"]
    await stage.put("ann", 2)
    match end:
        case "accepted" | "canceled" | "closed":
            held = await stage.served("c", "ann")
            assert await found_anywhere(stage, sealed) == ["contact:c"]
            if end == "canceled":
                await stage.routing.cancel(stage.reference(held), 0)
            else:
                await stage.routing.accept(stage.reference(held), 0, LONG_MS)
            if end == "closed":
                assert await found_anywhere(stage, sealed) == []
                await stage.routing.complete(stage.reference(held), 0, 0)
        case "accepted at once":
            await stage.served("c", "ann", accepted=True)
        case "left":
            assert await stage.contacts.leave(stage.site, "c", Cause.CANCELED) == LeaveResult(
                LeaveOutcome.LEFT, "CANCELED"
            )
        case _:
            await stage.passed((await stage.contact("c")).waits_until_ms)
            assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(
                LeaveOutcome.LEFT, "EXPIRED"
            )
    assert await found_anywhere(stage, sealed) == []


async def test_the_message_of_a_contact_accepted_at_once_never_reaches_the_store(lawful: Stage) -> None:
    """The contact might have waited, but an agent accepts it at once: no part of its message is written."""
    stage, sealed = lawful, secrets.token_bytes(64)
    await stage.put("ann")
    asked = stage.claim("ann", waiting=stage.waiting(sealed=sealed), accepted=True)
    assert isinstance(await stage.reserve(asked, or_wait=True), Reserved)
    assert await found_anywhere(stage, sealed) == []


async def test_a_wait_ends_at_its_time_and_not_early(lawful: Stage) -> None:
    """Early: it may still wait. Left: this call ended the wait. After that there is nothing to do."""
    stage = lawful
    queued = await stage.line_up("c", stage.waiting(30))
    early = await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED)
    if await stage.now_ms() < queued.waits_until_ms:
        assert early == LeaveResult(LeaveOutcome.EARLY)
    await stage.passed(queued.waits_until_ms)
    await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED)
    assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.ENDED, "EXPIRED")
    assert await stage.walked("c") == ["QUEUED NOBODY_FREE", "EXPIRED WAIT_EXPIRED"]
    assert await stage.in_line() == []
    assert await stage.presence.timers(stage.site, 10) == []


async def test_a_wait_does_not_end_while_an_agent_is_held(lawful: Stage) -> None:
    """Held: the offer goes on; if it is not accepted, the wait ends then."""
    stage = lawful
    queued = await stage.line_up("c", stage.waiting(20))
    await stage.put("ann")
    held = await stage.served("c", "ann")
    await stage.passed(queued.waits_until_ms)
    assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.HELD, held.id)
    assert await stage.state(held.id) == "PENDING"
    await stage.routing.decline(stage.reference(held), 0, "", None)
    assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.LEFT, "EXPIRED")


async def test_cancel_ends_a_wait_and_a_repeat_answers_the_same(lawful: Stage) -> None:
    """Canceled, once and again; a contact that is held or has ended otherwise gets another answer."""
    stage = lawful
    leave = stage.contacts.leave
    await stage.line_up("c")
    for _ in range(2):
        assert await leave(stage.site, "c", Cause.CANCELED) == LeaveResult(LeaveOutcome.LEFT, "CANCELED")
    assert await stage.walked("c") == ["QUEUED NOBODY_FREE", "CANCELED CANCELED"]
    await stage.put("ann", 5)
    held = await stage.hold("ann", contact="d")
    assert await leave(stage.site, "d", Cause.CANCELED) == LeaveResult(LeaveOutcome.HELD, held.id)
    await stage.routing.accept(stage.reference(held), 0, LONG_MS)
    await stage.routing.complete(stage.reference(held), 0, 0)
    assert await leave(stage.site, "d", Cause.CANCELED) == LeaveResult(LeaveOutcome.ENDED, "CLOSED")
    assert await leave(stage.site, "other", Cause.CANCELED) == LeaveResult(LeaveOutcome.GONE)


async def test_an_offer_that_lapsed_does_not_bring_a_canceled_contact_back(lawful: Stage) -> None:
    """The contact was canceled after its offer had lapsed and before the lapse was written."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann")
    held = await stage.served("c", "ann", hold_ms=1)
    await stage.passed(held.deadline_ms)
    assert await stage.contacts.leave(stage.site, "c", Cause.CANCELED) == LeaveResult(LeaveOutcome.LEFT, "CANCELED")
    assert await stage.expire(held.id) == "PENDING"
    assert (await stage.contact("c")).state is ContactState.CANCELED


async def test_a_contact_whose_record_is_forgotten_leaves_the_queue_and_the_count(lawful: Stage) -> None:
    """After an outage longer than records are kept the deadline of the wait removes it."""
    stage = lawful
    await stage.line_up("c")
    await stage.line_up("d")
    await stage.raw("UNLINK", stage.keys.contact("c"))
    assert await stage.contacts.leave(stage.site, "c", Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.GONE)
    assert await stage.in_line() == ["d"]
    assert await stage.contacts.waiting(stage.site) == {"default": 1}
    assert [timer.id for timer in await stage.presence.timers(stage.site, 10)] == ["d"]


async def test_a_contact_routed_again_has_one_place_and_the_new_terms(lawful: Stage) -> None:
    """At its old age. Without terms for a wait, an offer keeps no part of the sealed message."""
    stage, sealed = lawful, secrets.token_bytes(64)
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    first = await stage.line_up("c", stage.waiting(sealed=sealed))
    again = await stage.line_up("c", stage.waiting(LONG_MS, 7_000), pool="night")
    assert await stage.contacts.queue(stage.site) == [QueuePlace("c", "night", first.score - 7_000)]
    assert await stage.contacts.waiting(stage.site) == {"night": 1}
    assert again.waits_until_ms == first.waits_until_ms
    assert await found_anywhere(stage, sealed) == []
    await stage.put("ann")
    await stage.hold("ann", contact="c")
    assert await stage.contacts.waiting(stage.site) == {}
    assert (await stage.contact("c")).waits_until_ms == 0


async def test_a_record_outlives_the_wait_whatever_becomes_of_the_offers(lawful: Stage) -> None:
    """The record of a waiting contact ends a while after its wait."""
    stage = lawful
    await stage.put("ann", 5)
    queued = await stage.line_up("c", stage.waiting(LONG_MS * 10))

    async def lasts() -> int:
        return int(await stage.raw("PEXPIRETIME", stage.keys.contact("c")))

    assert await lasts() == queued.waits_until_ms + KEEP_MS
    held = await stage.served("c", "ann", hold_ms=10)
    assert await lasts() == queued.waits_until_ms + KEEP_MS
    await stage.passed(held.deadline_ms)
    await stage.expire(held.id)
    assert await lasts() == queued.waits_until_ms + KEEP_MS
    held = await stage.hold("ann", contact="d", waiting=stage.waiting(5), hold_ms=LONG_MS)
    waits_until = (await stage.contact("d")).waits_until_ms
    assert waits_until < held.deadline_ms
    assert int(await stage.raw("PEXPIRETIME", stage.keys.contact("d"))) == held.deadline_ms + KEEP_MS


async def test_a_declined_contact_that_does_not_wait_is_listed_until_it_is_forgotten(lawful: Stage) -> None:
    """It can be routed again; once its record is gone its timer removes it from the list."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", contact="c")
    await stage.routing.decline(stage.reference(held), 0, "", None)
    listed = await stage.contacts.contacts(stage.site, None, None, 10, "", await stage.now_ms())
    assert [one.id for one in listed.items] == ["c"]
    (timer,) = await stage.presence.timers(stage.site, 10)
    assert timer.due_ms > int(await stage.raw("PEXPIRETIME", stage.keys.contact("c")))
    await stage.raw("UNLINK", stage.keys.contact("c"))
    assert await stage.contacts.leave(stage.site, timer.id, Cause.WAIT_EXPIRED) == LeaveResult(LeaveOutcome.GONE)
    assert await stage.raw("ZRANGE", stage.keys.contacts, 0, -1) == []


async def test_contacts_are_listed_page_by_page_the_oldest_first(lawful: Stage) -> None:
    """Each contact that has not ended is listed once; the list can be limited to a pool and to states."""
    stage = lawful
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    await stage.put("ann", 9, pools=("default", "night"))
    for number in range(9):
        await stage.line_up(f"c{number}", pool=("default", "night")[number % 2])
    await stage.served("c0", "ann")
    await stage.contacts.leave(stage.site, "c1", Cause.CANCELED)
    lapsed = await stage.served("c2", "ann", accepted=True, hold_ms=1)
    await stage.passed(lapsed.deadline_ms)

    async def listed(pool: str | None = None, state: ContactState | None = None) -> list[str]:
        found, after = [], ""
        of_pool = await stage.roster.pool(stage.site, pool) if pool else None
        while True:
            page = await stage.contacts.contacts(stage.site, of_pool, state, 2, after, await stage.now_ms())
            found += [one.id for one in page.items]
            if not page.next:
                return found
            after = page.next

    assert sorted(await listed()) == ["c0", "c3", "c4", "c5", "c6", "c7", "c8"]
    assert sorted(await listed("night")) == ["c3", "c5", "c7"]
    assert await listed(state=ContactState.RESERVED) == ["c0"]
    ages = [(await stage.contact(contact)).created_ms for contact in await listed()]
    assert ages == sorted(ages)


async def test_a_pool_in_which_a_contact_waits_is_not_removed(lawful: Stage) -> None:
    """PoolHasWaiting gives the number; once no contact waits, the pool is removed."""
    stage = lawful
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    await stage.line_up("c", pool="night")
    with pytest.raises(PoolHasWaiting):
        await stage.roster.delete_pool(stage.site, "night", None)
    await stage.contacts.leave(stage.site, "c", Cause.CANCELED)
    await stage.roster.delete_pool(stage.site, "night", None)
    assert await stage.roster.pool(stage.site, "night") is None


async def test_an_agent_who_is_not_online_gets_no_waiting_contact(lawful: Stage) -> None:
    """The queue, too, ignores draining, away and offline agents."""
    stage = lawful
    await stage.line_up("c")
    for status in (AgentStatus.DRAINING, AgentStatus.OFFLINE, AgentStatus.AWAY):
        await stage.put("ann", status=status)
        assert isinstance(await stage.reserve(stage.serve("c", "ann")), Full)
