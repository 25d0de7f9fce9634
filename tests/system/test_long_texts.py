"""Many long messages at once, where only a few of them may wait for the encoder."""

from __future__ import annotations

import asyncio
from typing import Final

from matcher.client import MatcherCallError
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import metric

LONG: Final = "The smoker for my bees arrived with a dent, and the queen has left the hive. " * 26
"""2,002 letters, some 500 tokens."""
NARROW: Final = {"MATCHER_ENCODER_QUEUE_TOKENS": "1024"}
"""Two such messages fill the queue of the encoder."""
MESSAGES: Final = 8
MANY: Final = 30


async def test_every_message_of_a_batch_of_long_ones_is_decided(launch: StartServer) -> None:
    """They are encoded a few at a time: none is refused for the others of its own batch."""
    server = await launch(NARROW)
    async with server.client() as client:
        await hire(client, {"bea": person("I keep honey bees.", most=MESSAGES)})
        requests = [
            pb.RouteMessageRequest(contact_id=f"c-{number}", message=pb.Message(text=f"{number} {LONG}"))
            for number in range(MESSAGES)
        ]
        results = await client.route_many(requests, deadline=120)
    assert [result.status.message for result in results] == [""] * MESSAGES
    assert all(result.response.WhichOneof("outcome") == "reservation" for result in results)


async def test_a_pool_that_falls_back_refuses_nobody_when_the_encoder_is_full(launch: StartServer) -> None:
    """Of many long messages at once the default pool refuses some; the other pool serves all, and says of which."""
    server = await launch({**NARROW, "MATCHER_ROUTES_IN_FLIGHT": "1000"})
    async with server.client() as client:
        policy = roster.Pool(affinity_floor=0.0, when_overloaded=roster.WHEN_OVERLOADED_FALLBACK)
        pool = (await client.create_pool("urgent", policy)).name
        pools = (pool, client.name("pools", "default"))
        await hire(client, {"bea": person("I keep honey bees.", most=4 * MANY, pools=pools)})

        async def together(pool: str) -> list[pb.RouteMessageResponse | BaseException]:
            calls = (client.route(f"{number} {LONG}", pool=pool, deadline=120) for number in range(MANY))
            return await asyncio.gather(*calls, return_exceptions=True)

        refused = [one.reason for one in await together("default") if isinstance(one, MatcherCallError)]
        assert set(refused) == {"ENCODER_OVERLOADED"}
        answers = [one for one in await together("urgent") if isinstance(one, pb.RouteMessageResponse)]
        assert len(answers) == MANY
        degraded = [one for one in answers if one.degraded]
        assert {(one.degraded, one.reservation.basis) for one in degraded} == {(pb.ENCODER_FULL, pb.FALLBACK)}
        assert all(one.reservation.basis == pb.AFFINITY for one in answers if not one.degraded)
        assert (await client.decision(degraded[0].decision)).degraded == pb.ENCODER_FULL
        assert await metric(server, "matcher_routes_degraded_total", why="ENCODER_FULL") == len(degraded)


async def test_a_queue_of_long_messages_is_served_after_a_restart(launch: StartServer) -> None:
    """The contacts that a new process finds are encoded a few at a time: all at once they are refused, for ever."""
    server = await launch(NARROW)
    async with server.client() as client:
        for number in range(MESSAGES):
            answer = await client.route(f"{number} {LONG}", contact_id=f"c-{number}", wait=True, deadline=60)
            assert answer.WhichOneof("outcome") == "queued"
    await server.stop()
    server = await launch(NARROW)
    async with server.client() as client:
        await client.create_agent("bea", person("I keep honey bees.", most=MESSAGES))

        async def all_offered() -> bool:
            return [one async for one in client.contacts(state=pb.CONTACT_QUEUED)] == []

        await wait_until(all_offered, "every contact is offered")
