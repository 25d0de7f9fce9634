"""Pools with people in them: moved, narrowed, removed in the middle of it. Each has one outcome (docs/contacts.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, loads, person
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
FAILED = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site with two pools, and a bee keeper in the first, who takes three chats."""
    async with service.client(await service.site()) as client:
        pools = [(await client.create_pool(pool, roster.Pool())).name for pool in ("first", "second")]
        await hire(client, {"bea": person("I keep honey bees.", most=3, pools=pools[:1])})
        yield client


async def refusal(call: object) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that must fail."""
    with pytest.raises(MatcherCallError) as failed:
        await call  # type: ignore[misc]
    return failed.value.code, failed.value.reason


async def test_who_moves_to_another_pool_keeps_what_is_held(desk: MatcherClient) -> None:
    """The talk and the offer of the old pool go on and end by its terms; new contacts come from the new pool only."""
    talk = (await desk.route(BEES, pool="first", auto_accept=True)).reservation
    offer = (await desk.route(BEES, pool="first", contact_id="c-1")).reservation
    await desk.update_agent(roster.Agent(name="bea", pools=[desk.name("pools", "second")]), ["pools"])
    assert (await desk.route(BEES, pool="first")).unmatched.reason == pb.CONSTRAINT_POOL
    assert (await desk.accept(offer.name)).pool == desk.name("pools", "first")
    new = (await desk.route(BEES, pool="second", auto_accept=True)).reservation
    assert (new.agent, await loads(desk, ["bea"])) == (desk.name("agents", "bea"), {"bea": 3})
    assert (await desk.route(BEES, pool="second")).unmatched.reason == pb.CONSTRAINT_CAPACITY
    for one in (talk, offer, new):
        assert (await desk.complete(one.name)).state == pb.COMPLETED


async def test_a_pool_is_removed_only_when_nobody_is_in_it_or_waits_in_it(desk: MatcherClient) -> None:
    """With an agent, or a contact in line, it stays; a talk that began in it ends by the usual terms."""
    talk = (await desk.route(BEES, pool="first", auto_accept=True)).reservation
    assert await refusal(desk.delete_pool("first")) == (FAILED, "POOL_IN_USE")
    await desk.update_agent(roster.Agent(name="bea", pools=[desk.name("pools", "second")]), ["pools"])
    await desk.route(BEES, pool="first", contact_id="c-1", wait=True)
    assert await refusal(desk.delete_pool("first")) == (FAILED, "POOL_HAS_WAITING")
    await desk.cancel_contact("c-1")
    await desk.delete_pool("first")
    assert (await desk.reservation(talk.name)).state == pb.ACCEPTED
    assert (await desk.renew(talk.name)).state == pb.ACCEPTED
    assert (await desk.complete(talk.name)).state == pb.COMPLETED


async def test_a_capacity_below_what_is_held_takes_nothing_away(desk: MatcherClient) -> None:
    """What is held stays held and offers can be accepted; nothing new comes until there is room by the new measure."""
    held = [(await desk.route(BEES, pool="first")).reservation for _ in range(3)]
    less = person("I keep honey bees.", most=1).capacity
    lowered = await desk.update_agent(roster.Agent(name="bea", capacity=less), ["capacity"])
    assert lowered.capacity.total == 1
    assert await loads(desk, ["bea"]) == {"bea": 3}
    for one in held:
        assert (await desk.accept(one.name)).state == pb.ACCEPTED
    for one in held:
        assert (await desk.route(BEES, pool="first")).unmatched.reason == pb.CONSTRAINT_CAPACITY
        await desk.complete(one.name)
    assert (await desk.route(BEES, pool="first")).reservation.agent == desk.name("agents", "bea")


async def test_an_agent_is_removed_amid_talks_only_by_force(desk: MatcherClient) -> None:
    """By force the talk is canceled, the offer goes on to somebody else, and each says that the agent was removed."""
    talk = (await desk.route(BEES, pool="first", contact_id="talk", auto_accept=True)).reservation
    await desk.route(BEES, pool="first", contact_id="offer", wait=True)
    assert await refusal(desk.delete_agent("bea")) == (FAILED, "AGENT_HAS_HOLDS")
    await desk.delete_agent("bea", force=True)
    ended = await desk.contact("talk")
    assert (ended.state, ended.cause) == (pb.CONTACT_CANCELED, pb.CAUSE_AGENT_REMOVED)
    assert (await desk.reservation(talk.name)).state == pb.CANCELED
    waits = await desk.contact("offer")
    assert (waits.state, waits.cause) == (pb.CONTACT_QUEUED, pb.CAUSE_AGENT_REMOVED)
    assert waits.queued.position == 1
    await hire(desk, {"ben": person("I keep honey bees.", pools=[desk.name("pools", "first")])})
    async for step in desk.watch_contact("offer", after_sequence=waits.sequence):
        assert (step.state, step.agent) == (pb.CONTACT_RESERVED, desk.name("agents", "ben"))
        break


async def test_an_agent_of_three_pools_has_one_capacity(desk: MatcherClient) -> None:
    """What one pool takes is not there for the others, also where they wait; what it gives back is there for all."""
    await desk.create_pool("third", roster.Pool())
    pools = [desk.name("pools", pool) for pool in ("first", "second", "third")]
    await hire(desk, {"bea": person("I keep honey bees.", most=2, pools=pools)})
    first = (await desk.route(BEES, pool="first", auto_accept=True)).reservation
    await desk.route(BEES, pool="second", auto_accept=True)
    assert (await desk.route(BEES, pool="third")).unmatched.reason == pb.CONSTRAINT_CAPACITY
    waits = await desk.route(BEES, pool="third", contact_id="c-3", wait=True)
    assert waits.queued.position == 1
    await desk.complete(first.name)
    async for step in desk.watch_contact("c-3"):
        if step.state == pb.CONTACT_RESERVED:
            break
    assert await loads(desk, ["bea"]) == {"bea": 2}
