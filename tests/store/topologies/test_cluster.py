"""Two servers on a cluster of three: each site lies on one shard, and every server serves them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, health
from tests.store.access import PASSWORD
from tests.store.topologies.nodes import Cluster

TEXT = "My hive tool has not arrived, and the bees are swarming."


@pytest.fixture
async def servers(cluster: Cluster, launch: StartServer) -> AsyncIterator[tuple[Server, Server]]:
    """Give two servers on the cluster; neither may log the store's password."""
    one, other = await asyncio.gather(*(launch({"MATCHER_STORE_URL": cluster.url}) for _ in range(2)))
    yield one, other
    assert [PASSWORD for server in (one, other) if f":{PASSWORD}@" in server.log()] == []


async def free_again(client: MatcherClient) -> pb.RouteMessageResponse:
    """Route until a slot is known to be free."""
    while True:
        answer = await client.route(TEXT)
        if answer.HasField("reservation"):
            return answer
        await asyncio.sleep(0.01)


async def refused(server: Server, site: str) -> MatcherCallError:
    """Return how a route fails that nobody repeats."""
    request = pb.RouteMessageRequest(parent=f"sites/{site}", message=pb.Message(text=TEXT))
    async with grpc.aio.insecure_channel(server.target, options=[("grpc.enable_retries", 0)]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await routing_pb2_grpc.RoutingServiceStub(channel).RouteMessage(request, timeout=30)
    return MatcherCallError.of_call(failed.value)


async def live(site: str, one: Server, other: Server) -> None:
    """Route, accept, wait, complete and be offered at two servers by turns, one slot in all."""
    async with one.client(site) as here, other.client(site) as there:
        held = (await free_again(there)).reservation
        assert (await here.route(TEXT)).unmatched.reason == pb.CONSTRAINT_CAPACITY
        await here.accept(held.name, fence=held.fence)
        waiting = (await here.route(TEXT, wait=True)).contact
        await there.complete(held.name, fence=held.fence)

        async def is_offered() -> bool:
            return (await there.contact(waiting)).state == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the contact that waits is offered to who is free again")
        again = await here.reservation((await there.contact(waiting)).reservation)
        assert again.fence > held.fence
        assert [found.name async for found in there.reservations()] == [again.name]
        await there.cancel(again.name)


async def test_sites_on_every_shard_are_served_by_every_server(
    cluster: Cluster, servers: tuple[Server, Server]
) -> None:
    """Six sites on three shards live at two servers at once; what is deleted of one site is nothing of another's.

    Each site's keys lie on its shard alone. When a shard is killed the other sites are served on and health says so;
    its own sites are UNAVAILABLE until it is back, and then go on with what they held.
    """
    one, other = servers
    sites = [cluster.site_on(shard, f"six-{n}-") for shard in range(3) for n in range(2)]
    async with one.client() as client:
        for site in sites:
            await client.create_site(site)
            async with other.client(site) as there:
                await hire(there, {"maya": person("I keep honey bees.")})
        assert {found.name.removeprefix("sites/") async for found in client.sites()} >= {*sites, "default"}
    await asyncio.gather(*(live(site, one, other) for site in sites))
    lie = [
        {site for site in sites for key in await cluster.keys_on(node) if f"{{{site}}}" in key}
        for node in cluster.primaries
    ]
    assert lie == [set(sites[0:2]), set(sites[2:4]), set(sites[4:6])]

    async with other.client() as client:
        await client.delete_site(sites[0], force=True)
    assert [key for node in cluster.nodes for key in await cluster.keys_on(node) if f"{{{sites[0]}}}" in key] == []
    await live(sites[1], one, other)

    lost, served = sites[2], sites[4]
    async with one.client(lost) as client:
        held = (await free_again(client)).reservation
    await cluster.primaries[1].kill()
    for server in servers:
        failure = await refused(server, lost)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert failure.retry_after is not None
    await live(served, one, other)
    assert [await health(server.target) for server in servers] == [True, True]
    await cluster.primaries[1].start()
    async with other.client(lost) as client:

        async def back() -> bool:
            try:
                return (await client.reservation(held.name)).fence == held.fence
            except MatcherCallError:
                return False

        await wait_until(back, "the shard's sites are served again")
        await client.cancel(held.name)
    await live(lost, one, other)
