"""Reserve: which agent is held, and the answer if none is."""

from __future__ import annotations

import asyncio

import pytest

from matcher.model import ChannelCapacity, Constraint
from matcher.model.lifecycle import AgentStatus, ContactState, ReservationState
from matcher.store.reservations import Full, Refusal, Refused, Replayed, Reserved
from tests.store.stage import CHAT, LIFETIMES, LONG_MS, Stage


async def test_a_hold_is_written_with_its_lease_its_deadline_and_its_record(stage: Stage) -> None:
    """Reserved: reservation, contact and decision can be read, and the capacity is in use until the deadline."""
    await stage.put("ann")
    before = await stage.now_ms()
    held = await stage.hold("ann", contact="c", channel="chat", customer="customer-7")
    after = await stage.now_ms()
    assert before <= held.created_ms <= after
    assert held.deadline_ms == held.created_ms + LONG_MS
    assert (held.agent, held.state, held.cost) == ("ann", ReservationState.PENDING, 1)
    assert held == await stage.reservation(held.id)
    assert await stage.held_by("ann") == [held.id]
    assert await stage.due() == [held.id]
    contact = await stage.contact("c")
    assert (contact.state, contact.reservation, contact.customer) == (ContactState.RESERVED, held.id, "customer-7")
    fields = await stage.raw("HGETALL", stage.keys.decision(held.decision))
    assert fields[b"reservation"].decode() == held.id
    assert fields[b"record"] == b"{}"


async def test_a_hold_that_is_accepted_at_once_assigns_the_contact(stage: Stage) -> None:
    """A platform that cannot confirm gets an ACCEPTED reservation and an ASSIGNED contact."""
    await stage.put("ann")
    held = await stage.hold("ann", contact="c", accepted=True)
    assert held.state is ReservationState.ACCEPTED
    assert held.accepted_ms == held.created_ms
    assert (await stage.contact("c")).state is ContactState.ASSIGNED
    assert held == await stage.reservation(held.id)


async def test_the_best_affinity_is_held_whatever_the_order_of_the_candidates(stage: Stage) -> None:
    """Without a tolerance only the affinity decides, however busy the best agent is."""
    await stage.put("ann", 4)
    await stage.put("bob", 4)
    for _ in range(3):
        await stage.hold("bob")
    assert (await stage.hold(("ann", 0.6), ("bob", 0.7))).agent == "bob"


async def test_within_the_tolerance_the_least_utilised_is_held(stage: Stage) -> None:
    """Load over capacity counts, not the number of contacts: two of ten is less than one of four."""
    await stage.put("ann", 4)
    await stage.put("bob", 10)
    await stage.put("cy", 4)
    await stage.hold("ann")
    await stage.hold("bob")
    await stage.hold("bob")
    # cy is free but farther from the best than the tolerance.
    assert (await stage.hold(("ann", 0.7), ("bob", 0.6), ("cy", 0.59), tolerance=0.105)).agent == "bob"


async def test_the_tolerance_is_counted_from_the_best_with_free_capacity(stage: Stage) -> None:
    """A full agent sets no standard: the best agent with free capacity does."""
    await stage.put("ann", 1)
    await stage.put("bob", 4)
    await stage.put("cy", 4)
    await stage.hold("ann")
    await stage.hold("bob")
    candidates = (("ann", 0.9), ("bob", 0.6), ("cy", 0.55))
    assert (await stage.hold(*candidates, tolerance=0.1)).agent == "cy"
    assert (await stage.hold(*candidates, tolerance=0.01)).agent == "bob"


async def test_of_equally_utilised_the_longest_idle_is_held(stage: Stage) -> None:
    """Among equals the agent who is idle longest comes first."""
    for agent, idle in (("ann", 3_000), ("bob", 1_000), ("cy", 2_000)):
        await stage.put(agent)
        await stage.set_idle(agent, idle)
    order = [(await stage.hold("ann", "bob", "cy", tolerance=0.1)).agent for _ in range(3)]
    assert order == ["bob", "cy", "ann"]


async def test_with_nothing_to_go_by_conversations_are_spread_evenly(stage: Stage) -> None:
    """The lowest load comes first, then the longest idle, whatever the affinities: counts differ by at most one."""
    agents = {"ann": 3_000, "bob": 1_000, "cy": 2_000}
    for agent, idle in agents.items():
        await stage.put(agent, 4)
        await stage.set_idle(agent, idle)
    candidates = (("ann", 0.9), ("bob", 0.1), ("cy", 0.5))
    order = [(await stage.hold(*candidates, tolerance=-1.0)).agent for _ in range(12)]
    assert order == ["bob", "cy", "ann"] * 4


async def test_only_online_agents_are_held(stage: Stage) -> None:
    """DRAINING, OFFLINE and unknown agents are ignored."""
    await stage.put("ann", status=AgentStatus.DRAINING)
    await stage.put("bob", status=AgentStatus.OFFLINE)
    claim = stage.claim("ann", "bob", "nobody")
    assert isinstance(await stage.reserve(claim), Full)
    await stage.put("cy")
    assert (await stage.hold(("ann", 0.9), ("bob", 0.9), ("nobody", 0.9), ("cy", 0.1))).agent == "cy"


async def test_a_channel_has_its_own_cost_and_its_own_limit(stage: Stage) -> None:
    """One voice call fills a total of 100; three chats of 30 leave capacity for ten mails."""
    channels = {"voice": ChannelCapacity(100, 1), "chat": ChannelCapacity(30, 3), "mail": ChannelCapacity(1, 0)}
    await stage.put("ann", 100, channels)
    for _ in range(3):
        assert (await stage.hold("ann", channel="chat")).cost == 30
    assert isinstance(await stage.reserve(stage.claim("ann", channel="chat")), Full)
    assert isinstance(await stage.reserve(stage.claim("ann", channel="voice")), Full)
    for _ in range(10):
        await stage.hold("ann", channel="mail")
    assert isinstance(await stage.reserve(stage.claim("ann", channel="mail")), Full)
    assert sum(hold.cost for hold in await stage.holds("ann")) == 100


async def test_the_limit_of_a_channel_holds_below_the_total(stage: Stage) -> None:
    """Two chats are the limit, although the total has capacity for eight more."""
    await stage.put("ann", 10, {"chat": ChannelCapacity(1, 2), "mail": ChannelCapacity(1, 0)})
    await stage.hold("ann")
    await stage.hold("ann")
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    assert (await stage.hold("ann", channel="mail")).agent == "ann"


@pytest.mark.parametrize("channel", ["voice", "cha", "chat2", "c.at", "t"])
async def test_an_agent_gets_no_contact_of_a_channel_that_is_not_listed(stage: Stage, channel: str) -> None:
    """The name of a channel is compared whole and letter by letter."""
    await stage.put("ann", 5)
    assert isinstance(await stage.reserve(stage.claim("ann", channel=channel)), Full)


async def test_a_total_of_zero_gets_nothing(stage: Stage) -> None:
    """An agent with a capacity of 0 is never held."""
    await stage.put("ann", 0)
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    assert isinstance(await stage.reserve(stage.claim("ann", tolerance=-1.0)), Full)


async def test_a_capacity_lowered_below_the_load_gets_nothing_more(stage: Stage) -> None:
    """The holds stay; the next hold is made once the load is below the new limit."""
    await stage.put("ann", 3)
    held = [await stage.hold("ann") for _ in range(3)]
    await stage.put("ann", 1)
    assert await stage.held_by("ann") == sorted(one.id for one in held)
    for one in held:
        assert isinstance(await stage.reserve(stage.claim("ann")), Full)
        await stage.routing.cancel(stage.reference(one), 0)
    assert (await stage.hold("ann")).agent == "ann"
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)


async def test_full_says_of_each_candidate_what_kept_the_agent_from_the_contact(stage: Stage) -> None:
    """The store's own words, in the order of the candidates; an agent whose record is gone has none."""
    for agent in ("ann", "bob"):
        await stage.put(agent)
    await stage.put("cy", status=AgentStatus.OFFLINE)
    await stage.put("dan", channels={"mail": ChannelCapacity(1)})
    first = await stage.hold("ann", contact="c")
    await stage.routing.decline(stage.reference(first), first.fence, "lunch", None)
    await stage.hold("bob")
    answer = await stage.reserve(stage.claim("ann", "bob", "cy", "dan", "gone", contact="c", channel="chat"))
    assert isinstance(answer, Full)
    assert answer.refused == {
        "ann": Constraint.EXCLUDED,
        "bob": Constraint.CAPACITY,
        "cy": Constraint.STATUS,
        "dan": Constraint.CHANNEL,
        "gone": None,
    }


async def test_full_writes_nothing_at_all(stage: Stage) -> None:
    """Full leaves no contact, no decision and no record of the request: the same request may be sent again."""
    await stage.put("ann")
    held = await stage.hold("ann")
    before = await stage.everything()
    claim = stage.claim("ann")
    assert isinstance(await stage.reserve(claim), Full)
    assert isinstance(await stage.reserve(stage.claim()), Full)
    assert await stage.everything() == before
    await stage.routing.cancel(stage.reference(held), 0)
    assert isinstance(await stage.reserve(claim), Reserved)


async def test_a_hold_whose_deadline_passed_counts_nothing_before_the_sweep(stage: Stage) -> None:
    """The load is the sum of the live costs: a lapsed hold counts nothing, and stays until its lapse is written."""
    await stage.put("ann")
    lapsed = await stage.hold("ann", hold_ms=1)
    await stage.passed(lapsed.deadline_ms)
    held = await stage.hold("ann")
    assert await stage.held_by("ann") == [held.id]
    assert len(await stage.lease("ann")) == 2
    assert await stage.due() == sorted([lapsed.id, held.id])


async def test_a_hold_lasts_until_its_deadline_and_not_a_millisecond_longer(plain_stage: Stage) -> None:
    """Two holds of one capacity never overlap; from its deadline on it is free, swept or not."""
    await plain_stage.put("ann")
    held = await plain_stage.hold("ann", hold_ms=2)
    at_its_deadline = 0
    for _ in range(3_000):
        before = await plain_stage.now_ms()
        answer = await plain_stage.reserve(plain_stage.claim("ann", hold_ms=2))
        if isinstance(answer, Reserved):
            assert answer.reservation.created_ms >= held.deadline_ms
            at_its_deadline += answer.reservation.created_ms == held.deadline_ms
            held = answer.reservation
        else:
            assert before < held.deadline_ms
        if at_its_deadline == 5:
            break
    assert at_its_deadline


async def test_fences_of_an_agent_only_grow_also_over_a_removal(stage: Stage) -> None:
    """A fence is above every earlier fence, also if the agent was removed and created again in between."""
    last = 0
    for _ in range(3):
        await stage.put("ann")
        for _ in range(5):
            held = await stage.hold("ann")
            assert held.fence > last
            last = held.fence
            await stage.routing.cancel(stage.reference(held), 0)
        await stage.remove("ann")


async def test_a_fence_grows_from_the_last_fence_if_the_clock_has_gone_back(stage: Stage) -> None:
    """After a failover to a store whose clock is behind, the fence is the last fence plus one."""
    await stage.put("ann")
    ahead = (await stage.now_ms() + 3_600_000) * 1000
    await stage.raw("HSET", stage.keys.agent("ann"), "fence", ahead)
    assert (await stage.hold("ann")).fence == ahead + 1


async def test_a_contact_that_is_held_gets_the_same_reservation_named(stage: Stage) -> None:
    """Live: one customer, one agent, offered or accepted."""
    await stage.put("ann", 5)
    held = await stage.hold("ann", contact="c")
    assert await stage.reserve(stage.claim("ann", contact="c")) == Refused(Refusal.LIVE, held.id)
    await stage.routing.accept(stage.reference(held), held.fence, LONG_MS)
    assert await stage.reserve(stage.claim("ann", contact="c")) == Refused(Refusal.LIVE, held.id)
    assert await stage.held_by("ann") == [held.id]


async def test_an_ended_contact_is_never_offered_again(stage: Stage) -> None:
    """Ended: closed, canceled, and expired once an accepted reservation lapsed, swept or not."""
    await stage.put("ann", 5)
    closed = await stage.hold("ann", contact="closed", accepted=True)
    await stage.routing.complete(stage.reference(closed), 0, 0)
    canceled = await stage.hold("ann", contact="canceled")
    await stage.routing.cancel(stage.reference(canceled), 0)
    lapsed = await stage.hold("ann", contact="expired", accepted=True, hold_ms=1)
    await stage.passed(lapsed.deadline_ms)
    for _ in range(2):
        for contact in ("closed", "canceled", "expired"):
            answer = await stage.reserve(stage.claim("ann", contact=contact))
            assert answer == Refused(Refusal.ENDED, contact.upper())
        await stage.expire(lapsed.id)


async def test_an_agent_who_declined_or_missed_an_offer_is_not_offered_the_contact_again(stage: Stage) -> None:
    """The contact goes to another agent at its old age; the first agent is ignored, also before the sweep."""
    for agent in ("ann", "bob", "cy"):
        await stage.put(agent, 5)
    everyone = (("ann", 0.9), ("bob", 0.8), ("cy", 0.7))
    first = await stage.hold(*everyone, contact="c")
    await stage.routing.decline(stage.reference(first), first.fence, "lunch", None)
    second = await stage.hold(*everyone, contact="c", hold_ms=1)
    await stage.passed(second.deadline_ms)
    third = await stage.hold(*everyone, contact="c")
    assert [first.agent, second.agent, third.agent] == ["ann", "bob", "cy"]
    contact = await stage.contact("c")
    assert contact.created_ms == first.created_ms
    assert contact.excluded == ("ann", "bob")
    assert await stage.expire(second.id) == "PENDING"
    assert await stage.contact("c") == contact
    await stage.routing.decline(stage.reference(third), 0, "", None)
    assert isinstance(await stage.reserve(stage.claim(*everyone, contact="c")), Full)


async def test_an_agent_who_declined_for_a_while_is_offered_the_contact_again_after_it(stage: Stage) -> None:
    """With retry_after the exclusion ends at its time."""
    await stage.put("ann")
    held = await stage.hold("ann", contact="c")
    declined = (await stage.routing.decline(stage.reference(held), 0, "", 20)).reservation
    assert (await stage.contact("c")).excluded == ("ann",)
    await stage.passed(declined.ended_ms + 20)
    assert (await stage.contact("c")).excluded == ()
    assert (await stage.hold("ann", contact="c")).agent == "ann"


async def test_the_same_request_gets_the_same_ids_and_makes_one_hold(stage: Stage) -> None:
    """Replayed: with other ids proposed, from any replica, and after the reservation has ended."""
    await stage.put("ann", 5)
    claim = stage.claim("ann", request_id="q")
    first = await stage.reserve(claim)
    assert isinstance(first, Reserved)
    same = Replayed(claim.claim.reservation, claim.claim.decision, claim.claim.contact)
    assert await stage.reserve(claim) == same
    assert await stage.reserve(stage.claim("ann", request_id="q")) == same
    assert await stage.held_by("ann") == [claim.claim.reservation]
    await stage.routing.cancel(stage.reference(first.reservation), 0)
    assert await stage.reserve(claim) == same
    assert await stage.held_by("ann") == []


async def test_a_request_id_with_another_request_is_refused(stage: Stage) -> None:
    """Reused: no agent is held for it, and the answer says nothing about the first request."""
    await stage.put("ann", 5)
    held = await stage.hold("ann", request_id="q")
    again = stage.claim("ann", request_id="q", digest="0b" * 16)
    assert await stage.reserve(again) == Refused(Refusal.REUSED)
    assert await stage.held_by("ann") == [held.id]


async def test_two_hundred_at_once_for_a_capacity_of_five_make_exactly_five_holds(plain_stage: Stage) -> None:
    """In any order, five are reserved and the others get Full."""
    await plain_stage.put("ann", 5)
    answers = await asyncio.gather(*(plain_stage.reserve(plain_stage.claim("ann")) for _ in range(200)))
    held = [answer for answer in answers if isinstance(answer, Reserved)]
    assert len(held) == 5
    assert len([answer for answer in answers if isinstance(answer, Full)]) == 195
    assert len({one.reservation.fence for one in held}) == 5
    assert await plain_stage.held_by("ann") == sorted(one.reservation.id for one in held)


async def test_every_record_has_a_lifetime(stage: Stage) -> None:
    """A request lives for its window, a decision for its own, a reservation and its contact as long as they last."""
    await stage.put("ann", 5, CHAT)
    own = await stage.hold("ann", request_id="own", own_request=True)
    held = await stage.hold("ann", request_id="given", contact="c")

    async def lifetime(key: str) -> int:
        return int(await stage.raw("PTTL", key))

    assert 0 < await lifetime(stage.keys.once("route", "own")) <= LIFETIMES.own_request_ms
    assert LIFETIMES.own_request_ms < await lifetime(stage.keys.once("route", "given")) <= LIFETIMES.request_window_ms
    assert 0 < await lifetime(stage.keys.decision(own.decision)) <= LIFETIMES.decision_ms
    for key in (stage.keys.reservation(held.id), stage.keys.contact("c")):
        assert LONG_MS < await lifetime(key) <= LONG_MS + LIFETIMES.keep_ms
