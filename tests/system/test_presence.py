"""Presence of agents: what happens to offers and conversations when an agent does not answer, leaves or is idle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server, metric
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a new site with a bee keeper with two chats, and a pool whose offers last a second."""
    async with service.client(await service.site()) as client:
        await client.create_pool("quick", roster.Pool(offer_duration=Duration(seconds=1), max_missed=2))
        pools = [client.name("pools", pool) for pool in ("default", "quick")]
        await hire(client, {"bea": person("I keep honey bees.", most=2, pools=pools)})
        yield client


async def causes(client: MatcherClient, contact: str) -> list[str]:
    """Return the cause of each event of a contact so far."""
    last = (await client.contact(contact)).sequence
    found: list[str] = []
    async for step in client.watch_contact(contact):
        found.append(pb.Cause.Name(step.cause).removeprefix("CAUSE_"))
        if step.sequence >= last:
            break
    return found


async def until_cause(client: MatcherClient, contact: str, cause: pb.Cause.ValueType) -> pb.ContactEvent:
    """Watch a contact until an event with a cause; return the event."""
    async for step in client.watch_contact(contact):
        if step.cause == cause:
            return step
    raise AssertionError(f"{contact} ended without {pb.Cause.Name(cause)}")


async def test_an_agent_who_lets_offers_expire_is_set_away(desk: MatcherClient, service: Server) -> None:
    """After two in a row Bea is AWAY, with the reason; her other offers go back; ONLINE makes her available again."""
    before = await metric(service, "matcher_agents_sent_away_total", reason="missed")
    long = await desk.route(BEES, contact_id="long", wait=True)
    assert long.reservation.state == pb.PENDING
    for number in (1, 2):
        await desk.route(BEES, pool="quick", contact_id=f"q-{number}")
        await until_cause(desk, f"q-{number}", pb.CAUSE_OFFER_EXPIRED)
    step = await until_cause(desk, "long", pb.CAUSE_AGENT_LEFT)
    assert (step.state, step.agent) == (pb.CONTACT_QUEUED, desk.name("agents", "bea"))
    bea = await desk.agent("bea")
    assert (bea.status, bea.status_reason, bea.load) == (roster.AWAY, "missed 2 offers in a row", 0)
    assert (await desk.reservation(long.reservation.name)).state == pb.CANCELED
    assert await metric(service, "matcher_agents_sent_away_total", reason="missed") == before + 1
    back = await desk.set_agent_status("bea", roster.ONLINE)
    assert (back.status, back.status_reason) == (roster.ONLINE, "")


async def test_an_agent_who_declines_every_offer_is_set_away(desk: MatcherClient, service: Server) -> None:
    """After two in a row Bea is AWAY, with the reason, and her other offer goes back; accepting one ends the count."""
    pool = await desk.create_pool("picky", roster.Pool(max_declined=2))
    assert pool.max_declined == 2
    pools = [desk.name("pools", name) for name in ("default", "picky")]
    await hire(desk, {"bea": person("I keep honey bees.", most=9, pools=pools)})
    before = await metric(service, "matcher_agents_sent_away_total", reason="declined")
    await desk.route(BEES, contact_id="other", wait=True)
    for number, verb in enumerate((desk.decline, desk.accept, desk.decline, desk.decline)):
        assert (await desk.agent("bea")).status == roster.ONLINE
        await verb((await desk.route(BEES, pool="picky", contact_id=f"c-{number}")).reservation.name)
    bea = await desk.agent("bea")
    assert (bea.status, bea.status_reason) == (roster.AWAY, "declined 2 offers in a row")
    assert (await desk.contact("other")).cause == pb.CAUSE_AGENT_LEFT
    assert (await desk.route(BEES, pool="picky")).unmatched.reason == pb.CONSTRAINT_STATUS
    assert await metric(service, "matcher_agents_sent_away_total", reason="declined") == before + 1


async def test_one_heartbeat_after_a_long_silence_does_not_mean_online(desk: MatcherClient) -> None:
    """The shortest return_within_duration of Bea's pools counts; within it a heartbeat restores the status."""
    silence = timedelta(seconds=1)

    async def beat_after_silence() -> roster.AgentStatus.ValueType:
        await desk.beat_agent("bea", ttl=silence)

        async def is_away() -> bool:
            return (await desk.agent("bea")).status == roster.AWAY

        await wait_until(is_away, "the heartbeat is missed")
        return (await desk.beat_agent("bea")).status

    assert await beat_after_silence() == roster.ONLINE
    quick = roster.Pool(name=desk.name("pools", "quick"), return_within_duration=Duration())
    await desk.update_pool(quick, ["return_within_duration"])
    assert await beat_after_silence() == roster.AWAY
    assert (await desk.beat_agent("bea")).status == roster.AWAY
    assert (await desk.agent("bea")).status_reason == "no heartbeat for too long"
    await desk.set_agent_status("bea", roster.ONLINE)
    assert (await desk.beat_agent("bea")).status == roster.ONLINE


async def test_an_answer_resets_the_count_of_missed_offers(desk: MatcherClient) -> None:
    """Missed, declined, missed: Bea is still ONLINE."""
    for number in range(3):
        # The offer that is declined must not expire before.
        offered = await desk.route(BEES, pool="default" if number == 1 else "quick", contact_id=f"q-{number}")
        if number == 1:
            await desk.decline(offered.reservation.name)
        else:
            await until_cause(desk, f"q-{number}", pb.CAUSE_OFFER_EXPIRED)
    assert (await desk.agent("bea")).status == roster.ONLINE


@pytest.mark.parametrize("how", ["SetAgentStatus", "UpdateAgent", "ImportAgents"])
async def test_offers_of_an_agent_who_goes_offline_are_withdrawn(desk: MatcherClient, how: str) -> None:
    """By every way to set the status: an unanswered offer goes back at the contact's age, a conversation stays."""
    talking = await desk.route(BEES, contact_id="talking", auto_accept=True)
    offered = await desk.route(BEES, contact_id="offered", wait=True)
    born = (await desk.contact("offered")).create_time
    if how == "SetAgentStatus":
        await desk.set_agent_status("bea", roster.OFFLINE)
    elif how == "UpdateAgent":
        await desk.update_agent(roster.Agent(name="bea", status=roster.AWAY), ["status"])
    else:
        pools = [desk.name("pools", pool) for pool in ("default", "quick")]
        await hire(desk, {"bea": person("I keep honey bees.", most=2, pools=pools, status=roster.OFFLINE)})
    contact = await desk.contact("offered")
    assert (contact.state, contact.cause, contact.create_time) == (pb.CONTACT_QUEUED, pb.CAUSE_AGENT_LEFT, born)
    assert contact.queued.position == 1
    assert (await desk.reservation(offered.reservation.name)).state == pb.CANCELED
    assert (await desk.reservation(talking.reservation.name)).state == pb.ACCEPTED
    assert (await desk.agent("bea")).load == 1
    # When she is ONLINE again, she is offered the contact again.
    await desk.set_agent_status("bea", roster.ONLINE)

    async def offered_again() -> bool:
        return (await desk.contact("offered")).state == pb.CONTACT_RESERVED

    await wait_until(offered_again, "the contact is offered again")


async def test_a_draining_agent_finishes_and_gets_no_new_contact(desk: MatcherClient) -> None:
    """An offer made before may still be accepted and completed; no new contact comes."""
    offered = (await desk.route(BEES, contact_id="c-1")).reservation
    await desk.set_agent_status("bea", roster.DRAINING)
    assert (await desk.route(BEES)).unmatched.reason == pb.CONSTRAINT_STATUS
    assert (await desk.route(BEES, contact_id="c-2", wait=True)).queued.position == 1
    assert (await desk.accept(offered.name)).state == pb.ACCEPTED
    assert (await desk.complete(offered.name)).state == pb.COMPLETED
    assert (await desk.contact("c-2")).state == pb.CONTACT_QUEUED


async def test_an_agent_without_heartbeats_is_set_away_until_the_next_one(pair: Pair) -> None:
    """Without a heartbeat in time Bea is AWAY at both servers, her offers go back; a heartbeat makes her ONLINE."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"bea": person("I keep honey bees.")})
        await one.route(BEES, contact_id="c-1", wait=True)
        alive = await one.beat_agent("bea", ttl=timedelta(seconds=1))
        assert alive.status == roster.ONLINE
        shown = await other.agent("bea")
        assert shown.heartbeat_expire_time == alive.expire_time
        step = await until_cause(other, "c-1", pb.CAUSE_AGENT_LEFT)
        assert step.time.ToMilliseconds() >= alive.expire_time.ToMilliseconds()
        silent = await one.agent("bea")
        assert (silent.status, silent.status_reason) == (roster.AWAY, "no heartbeat")
        back = await other.beat_agent("bea", ttl=timedelta(seconds=600))
        assert back.status == roster.ONLINE

        async def offered_again() -> bool:
            return (await one.contact("c-1")).state == pb.CONTACT_RESERVED

        await wait_until(offered_again, "the contact is offered again")
        assert (await one.agent("bea")).status_reason == ""


async def test_a_heartbeat_does_not_change_a_status_that_was_set(desk: MatcherClient) -> None:
    """An agent who was set OFFLINE stays OFFLINE while the desk sends heartbeats."""
    await desk.beat_agent("bea")
    await desk.set_agent_status("bea", roster.OFFLINE)
    assert (await desk.beat_agent("bea")).status == roster.OFFLINE
    with pytest.raises(MatcherCallError) as failed:
        await desk.beat_agent("nobody")
    assert failed.value.code is grpc.StatusCode.NOT_FOUND


async def test_a_wait_ends_when_its_time_is_over(desk: MatcherClient) -> None:
    """A contact that no agent could get within its second is EXPIRED, and has left the queue."""
    await desk.set_agent_status("bea", roster.OFFLINE)
    answer = await desk.route(BEES, contact_id="c-1", wait=True, wait_duration=timedelta(seconds=1))
    step = await until_cause(desk, "c-1", pb.CAUSE_WAIT_EXPIRED)
    assert step.state == pb.CONTACT_EXPIRED
    assert step.time.ToMilliseconds() >= answer.queued.expire_time.ToMilliseconds()
    assert [contact async for contact in desk.contacts()] == []
    assert (await desk.pool("default")).waiting == 0
    await desk.set_agent_status("bea", roster.ONLINE)
    assert (await desk.agent("bea")).load == 0


async def idle_after(client: MatcherClient, seconds: int) -> None:
    """Set after how long a conversation of the pool `patient` is idle; it counts from the next touch or accept."""
    pool = roster.Pool(name=client.name("pools", "patient"), idle_duration=Duration(seconds=seconds))
    await client.update_pool(pool, ["idle_duration"])


async def test_an_idle_conversation_holds_no_capacity_until_it_continues(desk: MatcherClient) -> None:
    """After a second without a touch it holds nothing, and an event says so; a touch makes it count again at once."""
    await desk.create_pool("patient", roster.Pool(idle_duration=Duration(seconds=1)))
    await hire(desk, {"pat": person("I keep honey bees.", pools=[desk.name("pools", "patient")])})
    offered = (await desk.route(BEES, pool="patient", contact_id="c-1")).reservation
    assert (await desk.route(BEES, pool="patient")).unmatched.reason == pb.CONSTRAINT_CAPACITY
    await desk.accept(offered.name)
    await until_cause(desk, "c-1", pb.CAUSE_IDLE)
    idle = await desk.reservation(offered.name)
    assert (idle.state, idle.HasField("idle_since")) == (pb.ACCEPTED, True)
    assert (await desk.agent("pat")).load == 0
    # From here on nothing is idle again before the test is over.
    await idle_after(desk, 3600)
    second = (await desk.route(BEES, pool="patient", contact_id="c-2", auto_accept=True)).reservation
    assert second.agent == desk.name("agents", "pat")
    touched = await desk.touch(offered.name, fence=offered.fence)
    assert not touched.HasField("idle_since")
    assert (await desk.agent("pat")).load == 2
    assert (await causes(desk, "c-1"))[-2:] == ["IDLE", "ACTIVE"]
    await desk.complete(offered.name)
    assert (await desk.agent("pat")).load <= 1
    for step, reason in ((desk.touch(offered.name), "RESERVATION_STATE"), (desk.touch("x"), "RESERVATION_NOT_FOUND")):
        with pytest.raises(MatcherCallError) as failed:
            await step
        assert failed.value.reason == reason


async def test_a_waiting_contact_gets_the_capacity_of_an_idle_conversation(desk: MatcherClient) -> None:
    """Pat takes one chat at most; the chat goes idle, and the waiting contact is offered."""
    await desk.create_pool("patient", roster.Pool(idle_duration=Duration(seconds=3600)))
    one_chat = roster.Capacity(total=100, channels=[roster.ChannelCapacity(channel="chat", cost=30, max=1)])
    pat = person("I keep honey bees.", pools=[desk.name("pools", "patient")])
    pat.capacity.CopyFrom(one_chat)
    await hire(desk, {"pat": pat})
    talking = (await desk.route(BEES, pool="patient", contact_id="c-1", auto_accept=True)).reservation
    queued = await desk.route(BEES, pool="patient", contact_id="c-2", wait=True)
    assert queued.WhichOneof("outcome") == "queued"
    await idle_after(desk, 1)
    await desk.touch(talking.name)
    step = await until_cause(desk, "c-2", pb.CAUSE_OFFERED)
    assert step.agent == desk.name("agents", "pat")
    assert "IDLE" in await causes(desk, "c-1")
