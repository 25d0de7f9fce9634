"""Since when an agent is idle: what begins the time again, and what lets it go on."""

from __future__ import annotations

from tests.store.stage import Stage


async def test_an_agent_who_takes_no_offer_goes_to_the_end_of_the_line(stage: Stage) -> None:
    """A declined and a missed offer set idle_since to now: who declines every offer is not first for the next one."""
    await stage.put("ann", 9)
    await stage.set_idle("ann", 1_000)
    declined = await stage.hold("ann")
    ended = (await stage.routing.decline(stage.reference(declined), 0, "", None)).reservation
    assert (await stage.agent("ann")).idle_since_ms == ended.ended_ms
    await stage.set_idle("ann", 1_000)
    offer = await stage.hold("ann", hold_ms=1)
    await stage.passed(offer.deadline_ms)
    assert await stage.expire(offer.id) == "PENDING"
    assert (await stage.agent("ann")).idle_since_ms >= offer.deadline_ms


async def test_idle_time_begins_again_with_the_end_of_a_conversation_and_not_with_a_cancel(stage: Stage) -> None:
    """Complete sets idle_since; a canceled offer and an expired conversation keep it: the agent loses no place."""
    await stage.put("ann", 9)
    await stage.set_idle("ann", 1_000)
    await stage.routing.cancel(stage.reference(await stage.hold("ann")), 0)
    taken = await stage.hold("ann", accepted=True, hold_ms=1)
    await stage.passed(taken.deadline_ms)
    assert await stage.expire(taken.id) == "ACCEPTED"
    assert (await stage.agent("ann")).idle_since_ms == 1_000

    done = await stage.hold("ann", accepted=True)
    ended = await stage.routing.complete(stage.reference(done), 0, 0)
    assert (await stage.agent("ann")).idle_since_ms == ended.ended_ms
    wrapping = await stage.hold("ann", accepted=True)
    wrapped = await stage.routing.complete(stage.reference(wrapping), 0, 1)
    await stage.passed(wrapped.deadline_ms)
    assert await stage.expire(wrapping.id) == "WRAPPING"
    assert (await stage.agent("ann")).idle_since_ms == wrapped.deadline_ms
