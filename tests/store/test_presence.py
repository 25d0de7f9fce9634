"""Presence: heartbeats, missed offers, and agents that the service sets AWAY, with the reason."""

from __future__ import annotations

import pytest

from matcher.errors import AgentNotFound
from matcher.model.lifecycle import AgentStatus, ReservationState
from matcher.store.change_stream import ChangeStream, TimerSet
from matcher.store.presence import Timer, TimerKind
from matcher.store.reservations import Full, Lapsed, Reserved
from tests.store.stage import LONG_MS, Stage


async def silent(stage: Stage, agent: str = "ann") -> None:
    """Let an agent's heartbeat lapse without writing the consequence."""
    until, *_ = await stage.presence.beat(stage.site, agent, 1, LONG_MS)
    await stage.passed(until)


async def missed(stage: Stage, agent: str, max_missed: int) -> Lapsed | None:
    """Let an offer to an agent lapse."""
    held = await stage.hold(agent, hold_ms=1)
    await stage.passed(held.deadline_ms)
    return await stage.routing.expire(stage.reference(held), max_missed)


async def test_a_heartbeat_counts_for_its_own_time(lawful: Stage) -> None:
    """Ok: until when, and the status; the next heartbeat moves the time."""
    stage = lawful
    await stage.put("ann")
    before = await stage.now_ms()
    until, status, _ = await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS)
    assert before + LONG_MS <= until <= await stage.now_ms() + LONG_MS
    assert status is AgentStatus.ONLINE
    assert (await stage.agent("ann")).beat_until_ms == until
    later, *_ = await stage.presence.beat(stage.site, "ann", LONG_MS * 2, LONG_MS)
    assert await stage.presence.timers(stage.site, 10) == [Timer(TimerKind.BEAT, "ann", later)]
    assert not await stage.presence.miss_beat(stage.site, "ann")
    with pytest.raises(AgentNotFound):
        await stage.presence.beat(stage.site, "nobody", LONG_MS, LONG_MS)
    assert await stage.raw("EXISTS", stage.keys.agent("nobody")) == 0


async def test_a_silent_agent_gets_no_offer_from_that_moment(lawful: Stage) -> None:
    """From the deadline on, whether or not the silence is written."""
    stage = lawful
    await stage.put("ann")
    await silent(stage)
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    await stage.line_up("c")
    assert isinstance(await stage.reserve(stage.serve("c", "ann")), Full)


@pytest.mark.parametrize("status", [AgentStatus.ONLINE, AgentStatus.DRAINING])
async def test_a_silent_agent_is_set_away_once_with_the_reason_and_back_with_the_next_heartbeat(
    lawful: Stage, status: AgentStatus
) -> None:
    """Away: this call wrote it. Back: with the status before, and every replica is notified."""
    stage = lawful
    await stage.put("ann", status=status)
    await silent(stage)
    told = await stage.ends()
    assert await stage.presence.miss_beat(stage.site, "ann")
    assert not await stage.presence.miss_beat(stage.site, "ann")
    away = await stage.agent("ann")
    assert (away.status, away.status_reason) == (AgentStatus.AWAY, "no heartbeat")
    assert (await stage.ends())[0] == told[0] + 1
    assert await stage.presence.timers(stage.site, 10) == []
    _, now, _ = await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS)
    back = await stage.agent("ann")
    assert (now, back.status, back.status_reason) == (status, status, "")
    assert back.version > away.version
    assert (await stage.ends())[0] == told[0] + 2


@pytest.mark.parametrize("status", [AgentStatus.OFFLINE, AgentStatus.AWAY])
async def test_an_offline_agent_is_neither_set_away_nor_brought_back(lawful: Stage, status: AgentStatus) -> None:
    """An agent who is OFFLINE by choice stays OFFLINE, whatever the desk sends."""
    stage = lawful
    await stage.put("ann", status=status)
    await silent(stage)
    assert not await stage.presence.miss_beat(stage.site, "ann")
    assert await stage.presence.timers(stage.site, 10) == []
    assert (await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS))[1] is status
    assert (await stage.agent("ann")).status is status


@pytest.mark.parametrize("written_down", [False, True])
async def test_a_status_declared_after_a_silence_counts(lawful: Stage, written_down: bool) -> None:
    """ONLINE is ONLINE, with or without a heartbeat; the next heartbeat starts the deadline again."""
    stage = lawful
    await stage.put("ann")
    await silent(stage)
    if written_down:
        assert await stage.presence.miss_beat(stage.site, "ann")
    online = await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    assert (online.status, online.status_reason) == (AgentStatus.ONLINE, "")
    assert not await stage.presence.miss_beat(stage.site, "ann")
    assert (await stage.hold("ann")).agent == "ann"
    await silent(stage)
    assert await stage.presence.miss_beat(stage.site, "ann")
    await stage.put("ann", 2, status=AgentStatus.ONLINE)
    assert (await stage.hold("ann")).agent == "ann"


async def test_the_reason_of_a_status_stands_until_the_next_status(lawful: Stage) -> None:
    """The same again writes nothing; another reason is a change; the service's own reason takes the place of it."""
    stage, away = lawful, AgentStatus.AWAY
    await stage.put("ann")
    first = await stage.roster.put_status(stage.site, "ann", away, reason="lunch")
    assert (first.status, first.status_reason) == (away, "lunch")
    assert await stage.roster.put_status(stage.site, "ann", away, reason="lunch") == first
    second = await stage.roster.put_status(stage.site, "ann", away, reason="no heartbeat")
    assert (second.status_reason, second.version > first.version) == ("no heartbeat", True)
    # Said by a person, the words of the service mean nothing: a heartbeat does not bring the agent back.
    assert (await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS)).status is away
    online = await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE, reason="back early")
    assert online.status_reason == "back early"
    await silent(stage)
    assert await stage.presence.miss_beat(stage.site, "ann")
    assert (await stage.agent("ann")).status_reason == "no heartbeat"
    await stage.put("ann", 2, status=AgentStatus.ONLINE)
    assert (await stage.agent("ann")).status_reason == ""


async def test_an_agent_who_went_offline_during_a_silence_stays_offline(lawful: Stage) -> None:
    """OFFLINE by choice: the next heartbeat changes nothing."""
    stage = lawful
    await stage.put("ann")
    await silent(stage)
    assert await stage.presence.miss_beat(stage.site, "ann")
    await stage.roster.put_status(stage.site, "ann", AgentStatus.OFFLINE)
    assert (await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS))[1] is AgentStatus.OFFLINE


async def test_a_heartbeat_with_an_earlier_deadline_notifies_the_replicas(lawful: Stage) -> None:
    """Replicas sleep until the earliest deadline they know: the first heartbeat and an earlier deadline wake them."""
    stage = lawful
    await stage.put("ann")
    changes = ChangeStream(stage.connection, stage.site)
    position = await changes.end()
    first, *_ = await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS)
    await stage.presence.beat(stage.site, "ann", LONG_MS * 2, LONG_MS)
    shorter, *_ = await stage.presence.beat(stage.site, "ann", 1_000, LONG_MS)
    async for _, told in changes.follow(position):
        assert told == [TimerSet(first), TimerSet(shorter)]
        break
    await changes.close()


async def test_a_heartbeat_is_removed_with_its_agent(lawful: Stage) -> None:
    """A removed agent has no deadline any more, and an agent created again is not silent."""
    stage = lawful
    await stage.put("ann")
    await silent(stage)
    await stage.remove("ann")
    assert await stage.presence.timers(stage.site, 10) == []
    assert not await stage.presence.miss_beat(stage.site, "ann")
    await stage.put("ann")
    assert (await stage.hold("ann")).agent == "ann"


async def test_an_agent_who_misses_offers_in_a_row_is_set_away_with_the_reason(lawful: Stage) -> None:
    """After as many as the pool's policy says, and not after one less; every replica is notified."""
    stage = lawful
    await stage.put("ann", 9)
    assert await missed(stage, "ann", 3) == Lapsed(ReservationState.PENDING, away=False)
    assert (await missed(stage, "ann", 3)) is not None
    assert (await stage.agent("ann")).status is AgentStatus.ONLINE
    told = await stage.ends()
    third = await missed(stage, "ann", 3)
    assert third is not None
    assert third.away
    away = await stage.agent("ann")
    assert (away.status, away.status_reason) == (AgentStatus.AWAY, "missed 3 offers in a row")
    assert (await stage.ends())[0] == told[0] + 1
    assert isinstance(await stage.reserve(stage.claim("ann")), Full)
    await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    again = await missed(stage, "ann", 3)
    assert again is not None
    assert not again.away


@pytest.mark.parametrize("answer", ["accept", "decline"])
async def test_an_answer_resets_the_count(lawful: Stage, answer: str) -> None:
    """In a row: an agent who accepts or declines an offer is present."""
    stage = lawful
    await stage.put("ann", 9)
    for _ in range(3):
        lapsed = await missed(stage, "ann", 2)
        assert lapsed is not None
        assert not lapsed.away
        held = await stage.hold("ann")
        if answer == "accept":
            await stage.routing.accept(stage.reference(held), 0, LONG_MS)
        else:
            await stage.routing.decline(stage.reference(held), 0, "", None)


async def test_without_a_limit_no_agent_is_set_away(lawful: Stage) -> None:
    """0: never. The expiry of an accepted conversation is no missed offer."""
    stage = lawful
    await stage.put("ann", 9)
    for _ in range(5):
        await missed(stage, "ann", 0)
    held = await stage.hold("ann", accepted=True, hold_ms=1)
    await stage.passed(held.deadline_ms)
    lapsed = await stage.routing.expire(stage.reference(held), 1)
    assert lapsed is not None
    assert not lapsed.away
    assert (await stage.agent("ann")).status is AgentStatus.ONLINE


async def test_a_missed_offer_of_a_removed_agent_writes_no_agent(lawful: Stage) -> None:
    """The agent was removed by force during an offer: its lapse writes no record of the agent."""
    stage = lawful
    await stage.put("ann")
    held = await stage.hold("ann", hold_ms=1)
    await stage.passed(held.deadline_ms)
    await stage.remove("ann")
    assert await stage.routing.expire(stage.reference(held), 1) is not None
    assert await stage.raw("EXISTS", stage.keys.agent("ann")) == 0


async def test_an_agent_who_is_away_keeps_their_holds(lawful: Stage) -> None:
    """A conversation goes on whatever the status says; the agent gets nothing new."""
    stage = lawful
    await stage.put("ann", 5)
    talking = await stage.hold("ann", accepted=True)
    await silent(stage)
    assert await stage.presence.miss_beat(stage.site, "ann")
    assert await stage.held_by("ann") == [talking.id]
    assert (await stage.routing.complete(stage.reference(talking), 0, 0)).state == "COMPLETED"
    assert not isinstance(await stage.reserve(stage.claim("ann")), Reserved)


async def declined(stage: Stage, agent: str, max_declined: int) -> bool:
    """Let an agent decline an offer; return whether the agent was set AWAY."""
    held = await stage.hold(agent)
    return (await stage.routing.decline(stage.reference(held), 0, "", None, max_declined)).away


async def test_an_agent_who_declines_offers_in_a_row_is_set_away_with_the_reason(lawful: Stage) -> None:
    """After as many as the pool's policy says; setting the status again starts a new count."""
    stage = lawful
    await stage.put("ann", 9)
    assert [await declined(stage, "ann", 3) for _ in range(3)] == [False, False, True]
    away = await stage.agent("ann")
    assert (away.status, away.status_reason) == (AgentStatus.AWAY, "declined 3 offers in a row")
    await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    assert [await declined(stage, "ann", 2) for _ in range(2)] == [False, True]


async def test_a_repeat_of_the_decline_that_set_an_agent_away_says_so_while_the_agent_is_away(lawful: Stage) -> None:
    """The caller of the repeat withdraws the agent's other offers; once the agent is back, nothing is withdrawn."""
    stage = lawful
    await stage.put("ann", 9)
    earlier, held = [stage.reference(await stage.hold("ann")) for _ in range(2)]
    await stage.routing.decline(earlier, 0, "", None, 9)
    first, repeat = [await stage.routing.decline(held, 0, "", None, 2) for _ in range(2)]
    assert (first.away, first.still_away) == (True, False)
    assert (repeat.away, repeat.still_away) == (False, True)
    assert not (await stage.routing.decline(earlier, 0, "", None, 2)).still_away
    await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    assert not (await stage.routing.decline(held, 0, "", None, 1)).still_away
    await stage.roster.put_status(stage.site, "ann", AgentStatus.AWAY)
    assert not (await stage.routing.decline(held, 0, "", None, 1)).still_away


async def test_an_accepted_offer_starts_the_count_of_declined_ones_again(lawful: Stage) -> None:
    """In a row: neither a repeat of a decline counts, nor does a missed offer end the row."""
    stage = lawful
    await stage.put("ann", 9)
    for _ in range(2):
        assert not await declined(stage, "ann", 2)
        await stage.routing.accept(stage.reference(await stage.hold("ann")), 0, LONG_MS)
    held = await stage.hold("ann")
    for _ in range(3):
        assert not (await stage.routing.decline(stage.reference(held), 0, "", None, 2)).away
    await missed(stage, "ann", 0)
    assert await declined(stage, "ann", 2)


async def test_without_a_limit_an_agent_may_decline_every_offer(lawful: Stage) -> None:
    """0: never."""
    stage = lawful
    await stage.put("ann", 9)
    assert not any([await declined(stage, "ann", 0) for _ in range(5)])
    assert (await stage.agent("ann")).status is AgentStatus.ONLINE


@pytest.mark.parametrize("written_down", [False, True])
async def test_a_heartbeat_after_too_long_a_silence_brings_nobody_back(lawful: Stage, written_down: bool) -> None:
    """AWAY, with the reason, and so after every further heartbeat; a declared status brings the agent back."""
    stage = lawful
    await stage.put("ann")
    await silent(stage)
    if written_down:
        assert await stage.presence.miss_beat(stage.site, "ann")
    await stage.passed(await stage.now_ms() + 1)
    first = await stage.presence.beat(stage.site, "ann", LONG_MS, 0)
    assert (first.status, first.away) == (AgentStatus.AWAY, not written_down)
    for _ in range(2):
        again = await stage.presence.beat(stage.site, "ann", LONG_MS, LONG_MS)
        assert (again.status, again.away) == (AgentStatus.AWAY, False)
    agent = await stage.agent("ann")
    assert (agent.status, agent.status_reason) == (AgentStatus.AWAY, "no heartbeat for too long")
    await stage.roster.put_status(stage.site, "ann", AgentStatus.ONLINE)
    assert (await stage.presence.beat(stage.site, "ann", LONG_MS, 0)).status is AgentStatus.ONLINE
    assert (await stage.hold("ann")).agent == "ann"


@pytest.mark.parametrize("status", [AgentStatus.OFFLINE, AgentStatus.AWAY])
async def test_a_long_silence_says_nothing_of_an_agent_who_was_away_anyway(lawful: Stage, status: AgentStatus) -> None:
    """OFFLINE, or AWAY by choice: the heartbeat leaves the status and its reason as they are."""
    stage = lawful
    await stage.put("ann", status=status)
    await silent(stage)
    await stage.passed(await stage.now_ms() + 1)
    assert (await stage.presence.beat(stage.site, "ann", LONG_MS, 0)).status is status
    assert (await stage.agent("ann")).status_reason == ""
