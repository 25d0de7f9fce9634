"""A full store: new work is refused with a reason, and what ends work goes on, so that the store empties itself."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from matcher.client import MatcherCallError
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.v1 import routing_pb2 as pb
from matcher.v1.customers_pb2 import Customer
from tests.conftest import StartServer
from tests.people import hire, person, wait_until

BEES = "The smoker for my bees has a dent."
MEGABYTE = 1 << 20


async def fill(redis: Redis, first: int) -> list[str]:
    """Write until the store refuses, with keys numbered from `first` on; return the keys."""
    keys = list[str]()
    for size in (MEGABYTE, MEGABYTE // 64, MEGABYTE // 4096):
        for number in range(first, first + 1000):
            try:
                await redis.set(f"m:test:{size}:{number}", b"x" * size, ex=600)
            except OutOfMemoryError:
                break
            keys.append(f"m:test:{size}:{number}")
    return keys


async def test_a_full_store_refuses_new_work_and_lets_work_end(launch: StartServer) -> None:
    """A route is refused with STORE_FULL; what ends or deletes anything goes on, a whole site too, and later routes."""
    server = await launch({"MATCHER_STORE_MEMORY_MB": "32"})
    async with server.client(await server.site()) as client:
        await hire(
            client, {"bea": person("I keep honey bees.", most=3), "tom": person("I keep honey bees too.", most=3)}
        )
        other = await client.create_site("other")
        jo = await client.put_customer(Customer(handles=["jo"]))
        talks = (await client.route(BEES, auto_accept=True)).reservation
        declines = (await client.route(BEES)).reservation
        accepts = (await client.route(BEES)).reservation
        embedded = await EmbeddedStore.open(EmbeddedSettings(server.data_dir))
        redis = Redis.from_url(embedded.url)
        try:
            assert int((await redis.info("memory"))["maxmemory"]) == 32 * MEGABYTE
            filled = list[str]()

            async def routes_until_refused() -> None:
                for _ in range(50):
                    # The server frees the buffers of idle connections: what they leave is filled again.
                    filled.extend(await fill(redis, len(filled)))
                    await client.route(BEES, excluded_agents=["bea", "tom"], wait=True)

            with pytest.raises(MatcherCallError) as refused:
                await routes_until_refused()
            assert (refused.value.reason, refused.value.retry_after is not None) == ("STORE_FULL", True)
            assert (await client.complete(talks.name)).state == pb.COMPLETED
            assert (await client.decline(declines.name)).state == pb.DECLINED
            assert (await client.accept(accepts.name)).state == pb.ACCEPTED
            await client.delete_agent("tom", force=True)
            await client.forget_agent("tom")
            await client.forget_customer(jo.name)
            await redis.config_set("maxmemory", MEGABYTE)  # less than is used: whatever was freed, the store is full
            await client.delete_site(other.name)
            await redis.config_set("maxmemory", 32 * MEGABYTE)
            assert not server.faults()
            await redis.delete(*filled)

            async def bea_is_reserved() -> bool:
                # For some seconds her capacity is kept for the contacts that wait, though they exclude her.
                return (await client.route(BEES)).reservation.agent == client.name("agents", "bea")

            await wait_until(bea_is_reserved, "a new message gets an agent again")
        finally:
            await redis.aclose()
            await embedded.close()
