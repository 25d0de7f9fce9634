"""The earmark: capacity that became free is for waiting contacts first, for five seconds at most."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import pytest

from matcher.model import PoolPolicy, Reservation
from matcher.model.lifecycle import AgentStatus, Cause
from matcher.store.reservations import Enqueued, Full, ReserveAnswer, Reserved
from tests.store.stage import KEEP_MS, LONG_MS, Stage

EARMARK_MS: Final = 5000
FREED: Final = (
    "declined",
    "canceled",
    "withdrawn",
    "completed",
    "wrap-up ended",
    "lapsed",
    "swept",
    "idle",
    "handed on",
)


async def kept_until(stage: Stage, agent: str) -> int:
    """Read until when an agent is kept for waiting contacts; 0: not kept."""
    return int(await stage.raw("HGET", stage.keys.agent(agent), "earmark") or 0)


async def reserve_ann(stage: Stage, how: str) -> Reservation:
    """Reserve ann's only capacity, to be released in one of the ways that exist."""
    await stage.put("ann")
    short = 5 if how in {"lapsed", "swept"} else LONG_MS
    return await stage.hold("ann", accepted=how not in {"declined", "withdrawn"}, hold_ms=short)


async def give_back(stage: Stage, held: Reservation, how: str) -> None:
    """Release ann's capacity."""
    ref, routing = stage.reference(held), stage.routing
    match how:
        case "declined":
            await routing.decline(ref, 0, "", None)
        case "canceled":
            await routing.cancel(ref, 0)
        case "withdrawn":
            await routing.withdraw(ref, Cause.AGENT_LEFT)
        case "completed":
            await routing.complete(ref, 0, 0)
        case "wrap-up ended":
            await routing.complete(ref, 0, LONG_MS)
            await routing.end_wrap_up(ref, 0)
        case "idle":
            await routing.touch(ref, 0, 1)
            await stage.passed(await stage.now_ms() + 1)
            assert await routing.rest(ref)
        case "handed on":
            await stage.put("zoe")
            await stage.contacts.give_back(stage.site, {"zoe": await kept_until(stage, "zoe") - EARMARK_MS})
            await stage.hold("zoe", **stage.handing_on(held))
        case _:
            await stage.passed(held.deadline_ms)
            if how == "swept":
                assert await stage.expire(held.id) == "ACCEPTED"


@pytest.mark.parametrize("how", FREED)
async def test_a_new_message_does_not_get_capacity_that_is_kept_for_waiting_contacts(lawful: Stage, how: str) -> None:
    """However the capacity became free, also by a lapse that nothing has written yet: the waiting contact gets it."""
    stage = lawful
    held = await reserve_ann(stage, how)
    await stage.line_up("c")
    await give_back(stage, held, how)
    answer = await stage.reserve(stage.claim("ann"))
    # Until the lapse is written, its earmark has no end.
    until = await kept_until(stage, "ann") or math.inf
    assert isinstance(answer, Full) or await stage.now_ms() >= until
    assert (await stage.served("c", "ann")).agent == "ann"


@pytest.mark.parametrize("how", FREED)
async def test_without_waiting_contacts_a_new_message_gets_it_at_once(lawful: Stage, how: str) -> None:
    """Without waiting contacts no agent is kept."""
    await give_back(lawful, await reserve_ann(lawful, how), how)
    assert (await lawful.hold("ann")).agent == "ann"


@pytest.mark.parametrize("how", ["online", "new", "more room"])
async def test_a_new_message_does_not_get_an_agent_who_just_came_for_waiting_contacts(lawful: Stage, how: str) -> None:
    """An agent who comes online, is created, or gets more capacity is for waiting contacts first."""
    stage = lawful
    await stage.line_up("c")
    if how == "more room":
        await stage.put("ann", 0)
    if how == "online":
        await stage.put("ann", status=AgentStatus.OFFLINE)
        await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    else:
        await stage.put("ann")
    earmark = await kept_until(stage, "ann")
    assert isinstance(await stage.reserve(stage.claim("ann")), Full) or await stage.now_ms() >= earmark
    assert (await stage.served("c", "ann")).agent == "ann"


async def test_a_contact_is_queued_at_once_if_an_agent_is_kept_for_earlier_contacts(lawful: Stage) -> None:
    """One call to the store instead of one for every kept agent: the leader compares all of them in a moment."""
    stage = lawful
    held = await reserve_ann(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    assert isinstance(await stage.reserve(stage.claim("ann", contact="d", waiting=stage.waiting())), Enqueued)
    assert isinstance(await stage.reserve(stage.claim("ann", contact="e")), Full)


async def test_a_contact_tries_more_candidates_if_an_agent_is_full_and_not_kept(lawful: Stage) -> None:
    """Another agent may be free: the contact is queued only after all candidates were tried."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 0)
    assert isinstance(await stage.reserve(stage.claim("ann", contact="d", waiting=stage.waiting())), Full)


async def test_the_earmark_ends_without_a_leader(lawful: Stage) -> None:
    """If no waiting contact got the agent by then, a new message may."""
    stage = lawful
    held = await reserve_ann(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    earmark = await kept_until(stage, "ann")
    assert 0 <= earmark - await stage.now_ms() <= EARMARK_MS
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    # Its time passes.
    await stage.raw("HSET", stage.keys.agent("ann"), "earmark", await stage.now_ms())
    assert (await stage.hold("ann")).agent == "ann"


async def test_the_earmark_ends_if_no_waiting_contact_may_have_the_agent(lawful: Stage) -> None:
    """The leader gives back an agent that no contact of the queue may have, unless more capacity became free since."""
    stage = lawful
    held = await reserve_ann(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    free_since = await kept_until(stage, "ann") - EARMARK_MS
    await stage.contacts.give_back(stage.site, {"ann": free_since - 1, "nobody": free_since})
    assert await kept_until(stage, "ann") == free_since + EARMARK_MS
    await stage.contacts.give_back(stage.site, {"ann": free_since})
    assert (await stage.hold("ann")).agent == "ann"
    assert await stage.raw("EXISTS", stage.keys.agent("nobody")) == 0


async def test_an_agent_is_kept_for_the_pools_of_the_agent_only(lawful: Stage) -> None:
    """A contact that waits in a pool without the agent does not keep the agent."""
    stage = lawful
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    held = await reserve_ann(stage, "canceled")
    await stage.line_up("c", pool="night")
    await give_back(stage, held, "canceled")
    assert (await stage.hold("ann")).agent == "ann"
    await stage.put("bob", pools=("default", "night"))
    assert isinstance(await stage.reserve(stage.claim("bob")), Full)


async def test_the_last_contact_of_the_queue_ends_every_earmark(lawful: Stage) -> None:
    """With an empty queue no agent is kept."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 2)
    await stage.served("c", "ann")
    assert (await stage.hold("ann")).agent == "ann"


async def test_an_agent_whose_capacity_was_free_before_is_reserved_for_new_messages(lawful: Stage) -> None:
    """A contact that waits for another agent keeps no agent: its queue delays no other message."""
    stage = lawful
    await stage.put("ann", 2)
    await stage.line_up("c")
    assert (await stage.hold("ann")).agent == "ann"


async def test_a_lapse_longer_ago_than_records_are_kept_keeps_no_agent(lawful: Stage) -> None:
    """Capacity whose hold lapsed longer ago than records are kept is kept for no contact."""
    stage = lawful
    await stage.put("ann")
    await stage.line_up("c")
    await stage.raw("ZADD", stage.keys.holds("ann"), await stage.now_ms() - KEEP_MS - 1, "old|chat|1")
    assert isinstance(await stage.reserve(stage.claim("ann")), Reserved)


async def test_of_many_new_messages_and_one_waiting_contact_the_contact_gets_the_agent(plain_stage: Stage) -> None:
    """Forty new messages at once for the free capacity: none of them gets it, the waiting contact does."""
    stage = plain_stage
    await stage.put("ann")
    held = await stage.hold("ann")

    async def new_messages() -> list[ReserveAnswer]:
        return [await stage.reserve(stage.claim("ann")) for _ in range(20)]

    for number in range(5):
        contact = f"c{number}"
        await stage.line_up(contact)
        ended, *others = await asyncio.gather(
            stage.routing.cancel(stage.reference(held), 0), new_messages(), new_messages()
        )
        got = [one.reservation.created_ms for some in others for one in some if isinstance(one, Reserved)]
        assert [at for at in got if at < ended.ended_ms + EARMARK_MS] == []
        if got:
            break  # The machine is so busy that the earmark has ended.
        held = await stage.served(contact, "ann")
