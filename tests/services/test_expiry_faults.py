"""Deadlines go on: one broken record, an unknown timer or an unexpected reply costs no other deadline."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Store

BEES = "The smoker for my bees has a dent."


async def test_an_unknown_timer_and_a_broken_reservation_stop_no_other_deadline(
    launch: StartServer, store: Store
) -> None:
    """Beside an unknown timer, a broken reservation and deadlines of nothing, an offer still lapses and goes on."""
    server = await launch({"MATCHER_STORE_URL": store.url})
    server.declare("a deadline cannot be written")
    site = await server.site()
    keys = Keys(site)
    async with server.client(site) as client, store.client() as redis:
        await client.update_pool(roster.Pool(name="default", offer_duration=Duration(seconds=1)), ["offer_duration"])
        await hire(client, {"bea": person("I keep honey bees."), "tom": person("I keep honey bees too.")})
        await redis.zadd(keys.timers, {"newer-kind|x": 1})
        await redis.hset(
            keys.reservation("broken"), mapping={"agent": b"\xff\xfe", "contact": "c-0", "pool": "default"}
        )
        await redis.zadd(keys.due, {"broken": 1, "names nothing": 1})
        await redis.zadd(keys.due, {b"\xff": 1})
        first = (await client.route(BEES, contact_id="c-1", wait=True)).reservation

        async def offered_to_the_other() -> bool:
            contact = await client.contact("c-1")
            return contact.state == pb.CONTACT_RESERVED and contact.reservation != first.name

        await wait_until(offered_to_the_other, "the offer lapses and goes on to the other agent")
        await redis.zrem(keys.due, "broken", "names nothing", b"\xff")
        await redis.delete(keys.reservation("broken"))
        await client.delete_site(site, force=True)
