"""Idle conversations: a conversation without a sign stops counting, and counts again with the next sign."""

from __future__ import annotations

from matcher.model import ChannelCapacity, Reservation
from matcher.model.lifecycle import ContactState
from matcher.store.presence import Timer, TimerKind
from matcher.store.reservations import Full, Reserved
from tests.store.stage import LONG_MS, Stage


async def idle_conversation(stage: Stage, agent: str = "ann", contact: str = "c") -> Reservation:
    """Make a conversation of an agent idle."""
    held = await stage.hold(agent, contact=contact)
    await stage.routing.accept(stage.reference(held), 0, LONG_MS, 1)
    await stage.passed(await stage.now_ms() + 1)
    assert await stage.routing.rest(stage.reference(held))
    return await stage.reservation(held.id)


async def test_an_idle_conversation_counts_nothing_and_shows_since_when(lawful: Stage) -> None:
    """The capacity is free for another contact; the reservation stays and has idle_since, the contact has the cause."""
    stage = lawful
    await stage.put("ann")
    held = await idle_conversation(stage)
    assert held.idle_since_ms > 0
    (hold,) = await stage.holds("ann")
    assert (hold.reservation, hold.cost, hold.deadline_ms) == (held.id, 0, held.deadline_ms)
    assert await stage.walked("c") == ["RESERVED OFFERED", "ASSIGNED ACCEPTED", "ASSIGNED IDLE"]
    assert (await stage.hold("ann")).agent == "ann"
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)


async def test_a_conversation_becomes_idle_once_and_not_early(lawful: Stage) -> None:
    """Of many replicas one writes it, and not before the pool's idle time has passed without a sign."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", accepted=True, idle_ms=LONG_MS)
    assert await stage.verb("rest", held) == [b"early"]
    now = await stage.now_ms()
    (timer,) = await stage.presence.timers(stage.site, 10)
    assert timer == Timer(TimerKind.IDLE, held.id, held.created_ms + LONG_MS)
    assert timer.due_ms > now
    await stage.raw("ZADD", stage.keys.timers, now - 1, f"idle|{held.id}")
    assert await stage.verb("rest", held) == [b"rests"]
    before = await stage.everything()
    assert await stage.verb("rest", held) == [b"done"]
    assert await stage.everything() == before


async def test_a_sign_counts_it_again_also_above_the_capacity(lawful: Stage) -> None:
    """Touch and renew: the conversation counts again, whatever else the agent holds meanwhile."""
    stage = lawful
    await stage.put("ann")
    for sign in ("touch", "renew"):
        held = await idle_conversation(stage, contact=sign)
        other = await stage.hold("ann")
        args = {"idle_ms": LONG_MS} if sign == "touch" else {"duration_ms": LONG_MS, "idle_ms": LONG_MS}
        assert (await stage.verb(sign, held, **args))[0] == b"ok"
        assert sum(hold.cost for hold in await stage.holds("ann")) == 2
        assert (await stage.reservation(held.id)).idle_since_ms == 0
        assert (await stage.walked(sign))[-1] == "ASSIGNED ACTIVE"
        assert isinstance(await stage.reserve(stage.claim("ann")), Full)
        before = await stage.ends()
        assert (await stage.verb("touch", held, idle_ms=LONG_MS))[0] == b"ok"
        assert await stage.ends() == before
        await stage.routing.cancel(stage.reference(other), 0)
        await stage.routing.cancel(stage.reference(held), 0)
    assert await stage.lease("ann") == {}


async def test_a_sign_in_time_moves_the_idle_deadline(lawful: Stage) -> None:
    """A conversation with signs never becomes idle; without a limit no conversation does."""
    stage = lawful
    await stage.put("ann", 2)
    held = await stage.hold("ann", accepted=True, idle_ms=20)
    await stage.routing.touch(stage.reference(held), 0, LONG_MS)
    await stage.passed(held.created_ms + 20)
    assert not await stage.routing.rest(stage.reference(held))
    never = await stage.hold("ann", accepted=True)
    assert [timer.id for timer in await stage.presence.timers(stage.site, 10)] == [held.id]
    assert await stage.verb("rest", never) == [b"done"]


async def test_an_idle_conversation_does_not_count_for_the_limit_of_its_channel(lawful: Stage) -> None:
    """A limit of one chat: an idle chat does not count."""
    stage = lawful
    await stage.put("ann", 9, {"chat": ChannelCapacity(1, 1)})
    await idle_conversation(stage)
    assert (await stage.hold("ann")).agent == "ann"


async def test_every_end_releases_an_idle_conversation(lawful: Stage) -> None:
    """Cancel, complete and expiry end the hold of an idle conversation; a wrap-up counts, because it is work."""
    stage = lawful
    await stage.put("ann", 5)
    canceled, completed, wrapping = [await idle_conversation(stage, contact=f"c{n}") for n in range(3)]
    await stage.routing.cancel(stage.reference(canceled), 0)
    await stage.routing.complete(stage.reference(completed), 0, 0)
    assert sum(hold.cost for hold in await stage.holds("ann")) == 0
    await stage.routing.complete(stage.reference(wrapping), 0, LONG_MS)
    assert [hold.cost for hold in await stage.holds("ann")] == [1]
    await stage.routing.end_wrap_up(stage.reference(wrapping), 0)
    lapsing = await idle_conversation(stage)
    renewed = await stage.routing.renew(stage.reference(lapsing), 0, 5, 1)
    await stage.passed(renewed.deadline_ms - 2)
    await stage.routing.rest(stage.reference(lapsing))
    await stage.passed(renewed.deadline_ms)
    assert await stage.expire(lapsing.id) == "ACCEPTED"
    assert await stage.lease("ann") == {}
    assert await stage.presence.timers(stage.site, 10) == []
    assert (await stage.contact("c")).state is ContactState.EXPIRED


async def test_an_idle_timer_of_an_ended_conversation_does_nothing(lawful: Stage) -> None:
    """The reservation lapsed or is gone: the timer is removed and nothing else is written."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", accepted=True, hold_ms=5, idle_ms=1)
    await stage.passed(held.deadline_ms)
    assert not await stage.routing.rest(stage.reference(held))
    assert await stage.presence.timers(stage.site, 10) == []
    assert await stage.expire(held.id) == "ACCEPTED"
    assert isinstance(await stage.reserve(stage.claim("ann")), Reserved)
