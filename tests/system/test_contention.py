"""Many calls at once for few free agents, at two servers on one store."""

from __future__ import annotations

import asyncio
from collections import Counter

from google.protobuf.duration_pb2 import Duration

from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import PASTIMES, hire, loads, person
from tests.processes import Server, metric
from tests.system.conftest import Pair


async def crowd(pair: Pair, site: str, calls: int) -> list[pb.RouteMessageResponse]:
    """Route messages all at once, half of them at each server."""

    async def half(server: Server) -> list[pb.RouteMessageResponse]:
        async with server.client(site, channels=4) as client:
            return await asyncio.gather(
                *(
                    client.route(f"My order is late, I wanted it for {PASTIMES[n % 20]}.", deadline=90)
                    for n in range(calls // 2)
                )
            )

    one, other = await asyncio.gather(half(pair.one), half(pair.other))
    return one + other


async def test_a_thousand_calls_reserve_fifty_agents_exactly(pair: Pair) -> None:
    """Of 1,000 calls at once for 50 agents with one chat each, 50 get an agent, each another, and 950 none."""
    site = await pair.one.site()
    agents = {f"agent-{n}": person(f"I love {PASTIMES[n % 20]} with team {n}.") for n in range(50)}
    async with pair.one.client(site) as client:
        # On a busy machine the last call may come after 30 s, when the first offers have lapsed.
        patient = roster.Pool(name="default", offer_duration=Duration(seconds=3600))
        await client.update_pool(patient, ["offer_duration"])
        await hire(client, agents)
        answers = await crowd(pair, site, 1000)
        assert Counter(answer.WhichOneof("outcome") for answer in answers) == {"reservation": 50, "unmatched": 950}
        assert Counter(answer.reservation.agent for answer in answers if answer.HasField("reservation")) == {
            client.name("agents", agent): 1 for agent in agents
        }
        assert {answer.unmatched.reason for answer in answers if answer.HasField("unmatched")} == {
            pb.CONSTRAINT_CAPACITY
        }
        assert await loads(client, agents) == dict.fromkeys(agents, 1)


async def test_two_hundred_calls_reserve_the_five_chats_of_one_agent(pair: Pair) -> None:
    """Of 200 calls at once for one agent who takes five chats, five get the agent and 195 are unmatched."""
    site = await pair.one.site()
    async with pair.one.client(site) as client:
        await client.create_agent("maya", person("I keep honey bees.", most=5))
        answers = await crowd(pair, site, 200)
        assert Counter(answer.WhichOneof("outcome") for answer in answers) == {"reservation": 5, "unmatched": 195}
        assert await loads(client, ["maya"]) == {"maya": 5}
        held = {answer.reservation.fence for answer in answers if answer.HasField("reservation")}
        assert len(held) == 5


async def test_messages_without_affinity_call_the_store_once_each_however_many_come_at_once(pair: Pair) -> None:
    """Each of 60 greetings at once gets an idle agent by one call to the store: none names an agent that others get."""
    site = await pair.one.site()
    async with pair.one.client(site, channels=4) as client:
        await hire(client, {f"agent-{n}": person(f"I love {PASTIMES[n % 20]} with team {n}.") for n in range(60)})
        await client.route("Hello", deadline=90)
        before = await metric(pair.one, "matcher_store_round_trips_total", verb="reserve")
        answers = await asyncio.gather(*(client.route("Hello", deadline=90) for _ in range(59)))
        after = await metric(pair.one, "matcher_store_round_trips_total", verb="reserve")
    assert {answer.reservation.basis for answer in answers} == {pb.FALLBACK}
    assert len({answer.reservation.agent for answer in answers}) == 59
    assert after - before == 59
