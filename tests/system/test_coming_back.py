"""Contacts that come back from an agent who is removed or never answers, as a platform and another server see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Store, start_server
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."
CANARY = "dented smoker canary"


def lawyer(*interests: str) -> roster.Agent:
    """Return an agent with a skill."""
    agent = person(*interests)
    agent.skills.append(roster.Skill(skill="law", level=3))
    return agent


async def in_state(client: MatcherClient, contact: str, state: pb.ContactState.ValueType) -> pb.Contact:
    """Wait until a contact is in a state."""

    async def is_so() -> bool:
        return (await client.contact(contact)).state == state

    await wait_until(is_so, f"{contact} is {pb.ContactState.Name(state)}")
    return await client.contact(contact)


@pytest.fixture
async def both(pair: Pair) -> AsyncIterator[tuple[MatcherClient, MatcherClient]]:
    """Give clients of one new site at both servers."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        yield one, other


async def test_a_removed_agents_customer_waits_on_and_is_offered_by_what_was_required(
    both: tuple[MatcherClient, MatcherClient],
) -> None:
    """The conversation is not over: the contact waits at its old age, and goes to who meets its requirements."""
    one, other = both
    await hire(one, {"bea": lawyer("I keep honey bees."), "tom": person("I keep honey bees, too.")})
    first = await one.route(BEES, contact_id="c", wait=True, required_skills={"law": 2}, auto_accept=True)
    assert first.reservation.agent == one.name("agents", "bea")
    born = (await one.contact("c")).create_time
    await one.delete_agent("bea", force=True)
    back = await in_state(other, "c", pb.CONTACT_QUEUED)
    assert (back.cause, back.create_time, back.queued.position) == (pb.CAUSE_AGENT_REMOVED, born, 1)
    assert (await other.reservation(first.reservation.name)).state == pb.CANCELED
    assert (await one.agent("tom")).load == 0
    await hire(other, {"zoe": lawyer("I sit in silence.")})
    held = await in_state(one, "c", pb.CONTACT_ASSIGNED)
    again = await other.reservation(held.reservation)
    assert (again.agent, again.basis, again.state) == (one.name("agents", "zoe"), pb.FALLBACK, pb.ACCEPTED)
    assert (await one.decision(again.decision)).units == 0


async def test_a_contact_that_came_back_may_be_given_its_text_again(both: tuple[MatcherClient, MatcherClient]) -> None:
    """Routed under its id it keeps its age and goes to the agent whom the text meets."""
    one, other = both
    await hire(one, {"bea": person("I keep honey bees."), "uma": person("I collect stamps.")})
    await one.route(BEES, contact_id="c", wait=True, auto_accept=True)
    await one.route(TRAINS, contact_id="busy", auto_accept=True)
    await one.delete_agent("bea", force=True)
    back = await in_state(other, "c", pb.CONTACT_QUEUED)
    answer = await other.route(TRAINS, contact_id="c", wait=True)
    assert answer.WhichOneof("outcome") == "queued"
    await hire(one, {"tom": person("I photograph steam trains.", most=2)})
    held = await in_state(one, "c", pb.CONTACT_RESERVED)
    assert held.create_time == back.create_time
    offer = await one.reservation(held.reservation)
    assert (offer.agent, offer.basis) == (one.name("agents", "tom"), pb.AFFINITY)


async def test_a_removed_agents_customer_who_may_not_wait_is_routed_again(
    both: tuple[MatcherClient, MatcherClient],
) -> None:
    """The contact is RETURNED, not ended; nobody waits; the other server routes it under its id."""
    one, other = both
    await hire(one, {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")})
    await one.route(BEES, contact_id="c", auto_accept=True)
    await one.delete_agent("bea", force=True)
    back = await in_state(other, "c", pb.CONTACT_RETURNED)
    assert (back.cause, back.HasField("queued")) == (pb.CAUSE_AGENT_REMOVED, False)
    assert (await other.pool("default")).waiting == 0
    again = await other.route(TRAINS, contact_id="c")
    assert again.reservation.agent == one.name("agents", "tom")
    steps = [(step.state, step.cause) async for step in _until(one, "c", pb.CONTACT_RESERVED)]
    assert steps == [
        (pb.CONTACT_ASSIGNED, pb.CAUSE_ACCEPTED),
        (pb.CONTACT_RETURNED, pb.CAUSE_AGENT_REMOVED),
        (pb.CONTACT_RESERVED, pb.CAUSE_OFFERED),
    ]


async def test_who_accepts_and_never_answers_loses_the_contact(both: tuple[MatcherClient, MatcherClient]) -> None:
    """The next agent is offered the contact by its text, at its old age; the first one is free, and not asked again."""
    one, other = both
    quick = roster.Pool(first_response_duration=Duration(seconds=1))
    pool = (await one.create_pool("quick", quick)).name
    await hire(one, {"bea": person("I keep honey bees.", pools=[pool])})
    offer = (await one.route(BEES, pool="quick", contact_id="c", wait=True)).reservation
    talk = await one.accept(offer.name)
    assert (talk.state, talk.first_response_due) == (pb.ACCEPTED, True)
    born = (await one.contact("c")).create_time
    back = await in_state(other, "c", pb.CONTACT_QUEUED)
    assert (back.cause, back.create_time) == (pb.CAUSE_NO_FIRST_RESPONSE, born)
    assert list(back.excluded_agents) == [one.name("agents", "bea")]
    assert (await other.reservation(offer.name)).state == pb.EXPIRED
    assert (await one.agent("bea")).load == 0
    with pytest.raises(MatcherCallError) as late:
        await one.touch(offer.name)
    assert late.value.reason == "RESERVATION_LAPSED"
    await hire(one, {"tom": person("My bees swarm.", pools=[pool])})
    held = await in_state(one, "c", pb.CONTACT_RESERVED)
    again = await other.reservation(held.reservation)
    assert (again.agent, again.basis) == (one.name("agents", "tom"), pb.AFFINITY)
    await one.accept(again.name)
    touched = await other.touch(again.name)
    assert (touched.state, touched.first_response_due) == (pb.ACCEPTED, False)
    assert touched.expire_time.seconds - touched.accept_time.seconds == 4 * 3600


async def test_text_is_kept_until_the_first_answer_only_where_the_pool_demands_one(
    pair: Pair, both: tuple[MatcherClient, MatcherClient]
) -> None:
    """In every other pool it goes when the contact is accepted, as ever."""
    one, _ = both
    demands = (await one.create_pool("demands", roster.Pool(first_response_duration=Duration(seconds=3600)))).name
    await hire(one, {"bea": person("I keep honey bees.", most=9, pools=[demands, one.name("pools", "default")])})
    async with pair.store.client() as redis:

        async def is_kept(contact: str) -> bool:
            return bool(await redis.hexists(Keys(one.site).contact(contact), "sealed"))

        for pool, kept in (("demands", True), ("default", False)):
            for auto_accept in (True, False):
                contact = f"{pool}-{auto_accept}"
                answer = await one.route(BEES, pool=pool, contact_id=contact, wait=True, auto_accept=auto_accept)
                if not auto_accept:
                    assert await is_kept(contact)
                    await one.accept(answer.reservation.name)
                assert await is_kept(contact) is kept
                await one.touch(answer.reservation.name)
                assert not await is_kept(contact)


async def test_a_killed_server_loses_no_contact_that_came_back(tmp_path: Path) -> None:
    """After kill -9 the next server offers the contact by its requirements; no word of the customer is in the store."""
    store = Store(tmp_path)
    await store.start()
    try:
        server = await start_server(tmp_path, {"MATCHER_STORE_URL": store.url})
        async with server.client() as client:
            await hire(client, {"bea": lawyer("I keep honey bees.")})
            skills = {"law": 2}
            await client.route(f"{BEES} {CANARY}", contact_id="c", wait=True, required_skills=skills, auto_accept=True)
            await client.delete_agent("bea", force=True)
        await server.kill()
        async with store.client() as redis:
            record = await redis.hgetall(Keys("default").contact("c"))
        assert (record[b"state"], b"needs" in record, b"sealed" in record) == (b"QUEUED", True, False)
        assert not any(CANARY.encode() in value for value in record.values())
        server = await start_server(tmp_path, {"MATCHER_STORE_URL": store.url})
        try:
            async with server.client() as client:
                await hire(client, {"tom": person("I keep honey bees."), "zoe": lawyer("I sit in silence.")})
                held = await in_state(client, "c", pb.CONTACT_ASSIGNED)
                assert (await client.reservation(held.reservation)).agent == client.name("agents", "zoe")
            assert await server.stop() == 0
            assert server.faults() == []
        finally:
            await server.kill()
    finally:
        await store.end()


async def _until(
    client: MatcherClient, contact: str, state: pb.ContactState.ValueType
) -> AsyncIterator[pb.ContactEvent]:
    """Yield the steps of a contact up to the first in a state."""
    async for step in client.watch_contact(contact):
        yield step
        if step.state == state:
            return
