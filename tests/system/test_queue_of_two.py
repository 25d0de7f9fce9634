"""One queue and several servers: no contact is lost, overtaken or served twice, even if a server is killed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import PASTIMES, hire, loads, person, wait_until
from tests.processes import Store
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."


async def state_of(client: MatcherClient, contact: str) -> int:
    """Return the state of a contact."""
    return (await client.contact(contact)).state


async def test_two_servers_serve_one_queue_and_no_contact_twice(pair: Pair) -> None:
    """200 contacts that two servers queued, 10 agents: each contact is offered once, until all are served."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        agents = {f"a{number}": person(f"I like {PASTIMES[number]}.") for number in range(10)}
        await hire(one, agents)
        answers = await asyncio.gather(
            *(
                (one, other)[number % 2].route(f"I am {PASTIMES[number % 20]}.", contact_id=f"c{number}", wait=True)
                for number in range(200)
            )
        )
        assert max(answer.queued.position for answer in answers if answer.HasField("queued")) <= 190
        served: dict[str, str] = {}

        async def desk(agent: str, client: MatcherClient) -> None:
            while len(served) < 200:
                async for offer in client.reservations(agent=agent):
                    if offer.state == pb.PENDING:
                        await client.accept(offer.name)
                        assert offer.contact not in served
                        served[offer.contact] = agent
                        await client.complete(offer.name)
                await asyncio.sleep(0.01)

        async with asyncio.timeout(300):
            await asyncio.gather(*(desk(agent, (one, other)[len(agent) % 2]) for agent in agents))
        assert len(served) == 200
        assert set((await loads(one, agents)).values()) == {0}


async def test_a_new_message_does_not_get_the_agent_that_is_free_for_a_waiting_contact(pair: Pair) -> None:
    """However many messages come at that moment, to either server, the waiting contact gets the agent."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"bea": person("I keep honey bees.")})
        held = (await one.route(BEES, auto_accept=True)).reservation.name
        for number in range(20):
            waiting = f"waits-{number}"
            await one.route(BEES, contact_id=waiting, wait=True)
            _, *late = await asyncio.gather(
                one.complete(held),
                *((one, other)[turn % 2].route(BEES, auto_accept=True) for turn in range(10)),
            )
            assert [answer.WhichOneof("outcome") for answer in late] == ["unmatched"] * 10

            async def is_offered(contact: str = waiting) -> bool:
                return await state_of(one, contact) == pb.CONTACT_RESERVED

            await wait_until(is_offered, "the contact that waited is offered")
            held = (await one.contact(waiting)).reservation
            await one.accept(held)


async def test_a_contact_older_by_more_than_a_second_is_not_overtaken(pair: Pair) -> None:
    """With a wait_weight of 1 a contact that is more than a second older comes first, whatever the affinity."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"bea": person("I keep honey bees.")})
        pool = roster.Pool(name=one.name("pools", "default"), wait_weight=1.0)
        await one.update_pool(pool, ["wait_weight"])
        held = (await one.route(BEES, auto_accept=True)).reservation.name
        await other.route("Something about taxes.", contact_id="older", wait=True)
        await asyncio.sleep(1.1)
        await one.route(BEES, contact_id="younger", wait=True)
        await one.complete(held)

        async def is_offered() -> bool:
            return await state_of(one, "older") == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the older contact is offered")
        assert await state_of(one, "younger") == pb.CONTACT_QUEUED


async def test_a_head_start_is_the_pools_and_counts_in_seconds(pair: Pair) -> None:
    """Of two pools with the same agent, that with a head start is served first, though its contact came later."""
    site = await pair.one.site()
    async with pair.one.client(site) as one:
        for name, seconds in (("calm", 0), ("urgent", 3600)):
            await one.create_pool(name, roster.Pool(head_start=Duration(seconds=seconds)))
        pools = [one.name("pools", name) for name in ("default", "calm", "urgent")]
        await hire(one, {"bea": person("I keep honey bees.", pools=pools)})
        held = (await one.route(BEES, auto_accept=True)).reservation.name
        await one.route(BEES, pool="calm", contact_id="calm", wait=True)
        await one.route(BEES, pool="urgent", contact_id="urgent", wait=True)
        await one.complete(held)

        async def is_offered() -> bool:
            return await state_of(one, "urgent") == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the contact with the head start is offered")
        assert await state_of(one, "calm") == pb.CONTACT_QUEUED


async def test_the_queue_outlives_the_server_that_queued_the_contact(launch: StartServer, store: Store) -> None:
    """The process with the leader lease is killed; the other one serves the queue, later contacts too."""
    doomed = await launch({"MATCHER_STORE_URL": store.url})
    heir = await launch({"MATCHER_STORE_URL": store.url})
    site = await doomed.site()
    async with doomed.client(site) as before, heir.client(site) as after:
        await hire(before, {"bea": person("I keep honey bees.")})
        held = (await before.route(BEES, auto_accept=True)).reservation.name
        answer = await before.route(BEES, contact_id="c", wait=True, wait_duration=timedelta(hours=1))
        assert answer.queued.position == 1
        await doomed.kill()
        await after.complete(held)

        async def is_offered() -> bool:
            return await state_of(after, "c") == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the contact is offered by the other server")
        assert (await after.route(BEES, contact_id="d", wait=True)).queued.position == 1
