"""The earmark: a slot that became free is first for those who wait, for five seconds at most."""

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
    """Read until when an agent is kept for those who wait; 0: not kept."""
    return int(await stage.raw("HGET", stage.keys.agent(agent), "earmark") or 0)


async def taken(stage: Stage, how: str) -> Reservation:
    """Take ann's only slot, to be given back in one of the ways there are."""
    await stage.put("ann")
    short = 5 if how in {"lapsed", "swept"} else LONG_MS
    return await stage.hold("ann", accepted=how not in {"declined", "withdrawn"}, hold_ms=short)


async def give_back(stage: Stage, held: Reservation, how: str) -> None:
    """Give ann's slot back."""
    slot, routing = stage.slot(held), stage.routing
    match how:
        case "declined":
            await routing.decline(slot, 0, "", None)
        case "canceled":
            await routing.cancel(slot, 0)
        case "withdrawn":
            await routing.withdraw(slot, Cause.AGENT_LEFT)
        case "completed":
            await routing.complete(slot, 0, 0)
        case "wrap-up ended":
            await routing.complete(slot, 0, LONG_MS)
            await routing.complete(slot, 0, LONG_MS)
        case "idle":
            await routing.touch(slot, 0, 1)
            await stage.passed(await stage.now_ms() + 1)
            assert await routing.rest(slot)
        case "handed on":
            await stage.put("zoe")
            await stage.contacts.give_back(stage.site, {"zoe": await kept_until(stage, "zoe") - EARMARK_MS})
            await stage.hold("zoe", **stage.handing_on(held))
        case _:
            await stage.passed(held.deadline_ms)
            if how == "swept":
                assert await stage.expire(held.id) == "ACCEPTED"


@pytest.mark.parametrize("how", FREED)
async def test_a_new_message_does_not_take_what_became_free_for_those_who_wait(lawful: Stage, how: str) -> None:
    """However the slot became free, also where it lapsed and nobody wrote that down: who waits gets it."""
    stage = lawful
    held = await taken(stage, how)
    await stage.line_up("c")
    await give_back(stage, held, how)
    answer = await stage.reserve(stage.claim("ann"))
    # A slot that lapsed and was not written down has no end to that yet.
    until = await kept_until(stage, "ann") or math.inf
    assert isinstance(answer, Full) or await stage.now_ms() >= until
    assert (await stage.served("c", "ann")).agent == "ann"


@pytest.mark.parametrize("how", FREED)
async def test_where_nobody_waits_a_new_message_takes_it_at_once(lawful: Stage, how: str) -> None:
    """Nothing is kept for nobody."""
    await give_back(lawful, await taken(lawful, how), how)
    assert (await lawful.hold("ann")).agent == "ann"


@pytest.mark.parametrize("how", ["online", "new", "more room"])
async def test_a_new_message_does_not_take_who_has_just_come_for_those_who_wait(lawful: Stage, how: str) -> None:
    """An agent who comes online, is made, or gets more room is first for those who wait."""
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


async def test_who_may_wait_stands_in_line_at_once_where_somebody_is_kept_for_those_before(lawful: Stage) -> None:
    """One trip to the store and not one for every agent who is kept: they are weighed together in a moment."""
    stage = lawful
    held = await taken(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    assert isinstance(await stage.reserve(stage.claim("ann", contact="d", waiting=stage.waiting())), Enqueued)
    assert isinstance(await stage.reserve(stage.claim("ann", contact="e")), Full)


async def test_who_may_wait_asks_on_where_an_agent_is_full_and_not_kept(lawful: Stage) -> None:
    """Somebody else may be free: only when everybody was asked it waits."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 0)
    assert isinstance(await stage.reserve(stage.claim("ann", contact="d", waiting=stage.waiting())), Full)


async def test_the_earmark_ends_where_no_dispatcher_does_anything(lawful: Stage) -> None:
    """Where nobody who waits took the agent by then, a new message may."""
    stage = lawful
    held = await taken(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    earmark = await kept_until(stage, "ann")
    assert 0 <= earmark - await stage.now_ms() <= EARMARK_MS
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    # Its time passes.
    await stage.raw("HSET", stage.keys.agent("ann"), "earmark", await stage.now_ms())
    assert (await stage.hold("ann")).agent == "ann"


async def test_the_earmark_ends_where_nobody_who_waits_may_take_the_agent(lawful: Stage) -> None:
    """The dispatcher gives agents back whom nobody in the queue may take, if nothing more of theirs became free."""
    stage = lawful
    held = await taken(stage, "canceled")
    await stage.line_up("c")
    await give_back(stage, held, "canceled")
    free_since = await kept_until(stage, "ann") - EARMARK_MS
    await stage.contacts.give_back(stage.site, {"ann": free_since - 1, "nobody": free_since})
    assert await kept_until(stage, "ann") == free_since + EARMARK_MS
    await stage.contacts.give_back(stage.site, {"ann": free_since})
    assert (await stage.hold("ann")).agent == "ann"
    assert await stage.raw("EXISTS", stage.keys.agent("nobody")) == 0


async def test_a_slot_is_kept_for_the_pools_of_its_agent_only(lawful: Stage) -> None:
    """Who waits in a pool that the agent is not in keeps nobody from the agent."""
    stage = lawful
    await stage.roster.put_pool(stage.site, "night", PoolPolicy(), 0)
    held = await taken(stage, "canceled")
    await stage.line_up("c", pool="night")
    await give_back(stage, held, "canceled")
    assert (await stage.hold("ann")).agent == "ann"
    await stage.put("bob", pools=("default", "night"))
    assert isinstance(await stage.reserve(stage.claim("bob")), Full)


async def test_the_last_one_served_lifts_every_earmark(lawful: Stage) -> None:
    """With the queue empty nobody is kept for anybody."""
    stage = lawful
    await stage.line_up("c")
    await stage.put("ann", 2)
    await stage.served("c", "ann")
    assert (await stage.hold("ann")).agent == "ann"


async def test_who_has_room_that_did_not_just_become_free_is_taken_by_new_messages(lawful: Stage) -> None:
    """A contact that waits for somebody else keeps nobody: its queue is not in everybody's way."""
    stage = lawful
    await stage.put("ann", 2)
    await stage.line_up("c")
    assert (await stage.hold("ann")).agent == "ann"


async def test_a_lapse_that_everybody_has_forgotten_keeps_no_agent(lawful: Stage) -> None:
    """A slot that lapsed longer ago than records are kept is nobody's any more."""
    stage = lawful
    await stage.put("ann")
    await stage.line_up("c")
    await stage.raw("ZADD", stage.keys.holds("ann"), await stage.now_ms() - KEEP_MS - 1, "old|chat|1")
    assert isinstance(await stage.reserve(stage.claim("ann")), Reserved)


async def test_of_many_new_messages_and_one_who_waits_the_one_gets_the_slot(plain_stage: Stage) -> None:
    """Forty at once for the slot that became free: none of them gets it, the contact that waits does."""
    stage = plain_stage
    await stage.put("ann")
    held = await stage.hold("ann")

    async def new_messages() -> list[ReserveAnswer]:
        return [await stage.reserve(stage.claim("ann")) for _ in range(20)]

    for number in range(5):
        contact = f"c{number}"
        await stage.line_up(contact)
        ended, *others = await asyncio.gather(stage.routing.cancel(stage.slot(held), 0), new_messages(), new_messages())
        got = [one.reservation.created_ms for some in others for one in some if isinstance(one, Reserved)]
        assert [at for at in got if at < ended.ended_ms + EARMARK_MS] == []
        if got:
            break  # The machine is so busy that the earmark has ended.
        held = await stage.served(contact, "ann")
