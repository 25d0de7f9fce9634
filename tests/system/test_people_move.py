"""Agents that are moved, get less capacity or are removed while they serve: one outcome each (docs/contacts.md)."""

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
    """Give a client of a new site with two pools, and a bee keeper with three chats in the first pool."""
    async with service.client(await service.site()) as client:
        pools = [(await client.create_pool(pool, roster.Pool())).name for pool in ("first", "second")]
        await hire(client, {"bea": person("I keep honey bees.", most=3, pools=pools[:1])})
        yield client


async def refusal(call: object) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that must fail."""
    with pytest.raises(MatcherCallError) as failed:
        await call  # type: ignore[misc]
    return failed.value.code, failed.value.reason


async def test_an_agent_who_moves_to_another_pool_keeps_the_reservations(desk: MatcherClient) -> None:
    """The conversation and the offer of the old pool continue by its policy; new contacts are of the new pool only."""
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


async def test_a_pool_with_agents_or_waiting_contacts_is_not_removed(desk: MatcherClient) -> None:
    """The pool stays while it has an agent or a waiting contact; later its conversation ends by the default policy."""
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


async def test_a_capacity_below_the_holds_ends_no_reservation(desk: MatcherClient) -> None:
    """Reservations stay and offers can be accepted; no new contact comes until the new capacity allows it."""
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


async def test_an_agent_with_conversations_is_removed_only_by_force(desk: MatcherClient) -> None:
    """By force the conversation and the offer go back, and both name the removal as cause."""
    talk = (await desk.route(BEES, pool="first", contact_id="talk", auto_accept=True)).reservation
    await desk.route(BEES, pool="first", contact_id="offer", wait=True)
    assert await refusal(desk.delete_agent("bea")) == (FAILED, "AGENT_HAS_HOLDS")
    await desk.delete_agent("bea", force=True)
    returned = await desk.contact("talk")
    assert (returned.state, returned.cause) == (pb.CONTACT_RETURNED, pb.CAUSE_AGENT_REMOVED)
    assert (await desk.reservation(talk.name)).state == pb.CANCELED
    waits = await desk.contact("offer")
    assert (waits.state, waits.cause) == (pb.CONTACT_QUEUED, pb.CAUSE_AGENT_REMOVED)
    assert waits.queued.position == 1
    await hire(desk, {"ben": person("I keep honey bees.", pools=[desk.name("pools", "first")])})
    async for step in desk.watch_contact("offer", after_sequence=waits.sequence):
        assert (step.state, step.agent) == (pb.CONTACT_RESERVED, desk.name("agents", "ben"))
        break


async def test_an_agent_of_three_pools_has_one_capacity(desk: MatcherClient) -> None:
    """Capacity that one pool holds is not free for the others, queues included; once released it is free for all."""
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
