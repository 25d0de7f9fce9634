"""Two servers of the service on three shards: each site lies on one shard, and each server serves every site."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

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
    """Give two servers of the service on the cluster; neither may log the store's password."""
    one, other = await asyncio.gather(*(launch({"MATCHER_STORE_URL": cluster.url}) for _ in range(2)))
    yield one, other
    assert [PASSWORD for server in (one, other) if f":{PASSWORD}@" in server.log()] == []


async def route_until_held(client: MatcherClient) -> pb.RouteMessageResponse:
    """Route until a reservation is made: the server learns of released capacity by an event."""
    while True:
        answer = await client.route(TEXT)
        if answer.HasField("reservation"):
            return answer
        await asyncio.sleep(0.01)


async def route_failure(server: Server, site: str) -> MatcherCallError:
    """Return the failure of a route without retries."""
    request = pb.RouteMessageRequest(parent=f"sites/{site}", message=pb.Message(text=TEXT))
    async with grpc.aio.insecure_channel(server.target, options=[("grpc.enable_retries", 0)]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await routing_pb2_grpc.RoutingServiceStub(channel).RouteMessage(request, timeout=30)
    return MatcherCallError.of_call(failed.value)


async def use_site(site: str, one: Server, other: Server) -> None:
    """Route, accept, wait, complete and offer, alternately at two servers; the site has capacity for one contact."""
    async with one.client(site) as here, other.client(site) as there:
        held = (await route_until_held(there)).reservation
        assert (await here.route(TEXT)).unmatched.reason == pb.CONSTRAINT_CAPACITY
        await here.accept(held.name, fence=held.fence)
        waiting = (await here.route(TEXT, wait=True)).contact
        await there.complete(held.name, fence=held.fence)

        async def is_offered() -> bool:
            return (await there.contact(waiting)).state == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the waiting contact is offered to the agent who is free again")
        again = await here.reservation((await there.contact(waiting)).reservation)
        assert again.fence > held.fence
        assert [reservation.name async for reservation in there.reservations()] == [again.name]
        await there.cancel(again.name)


async def test_sites_on_every_shard_are_served_by_every_server(
    cluster: Cluster, servers: tuple[Server, Server]
) -> None:
    """Six sites on three shards are used at two servers at once; a deleted site takes no key of another site with it.

    Each site's keys lie on its shard alone. When a shard is killed the other sites are still served and health says
    so; the shard's sites are UNAVAILABLE until it is back, and then go on with their reservations.
    """
    one, other = servers
    sites = [cluster.site_on(shard, f"six-{n}-") for shard in range(3) for n in range(2)]
    async with one.client() as client:
        for site in sites:
            await client.create_site(site)
            async with other.client(site) as there:
                await hire(there, {"maya": person("I keep honey bees.")})
        assert {site.name.removeprefix("sites/") async for site in client.sites()} >= {*sites, "default"}
    await asyncio.gather(*(use_site(site, one, other) for site in sites))
    sites_by_shard = [
        {site for site in sites for key in await cluster.keys_on(node) if f"{{{site}}}" in key}
        for node in cluster.primaries
    ]
    assert sites_by_shard == [set(sites[0:2]), set(sites[2:4]), set(sites[4:6])]

    async with other.client() as client:
        await client.delete_site(sites[0], force=True)
    assert [key for node in cluster.nodes for key in await cluster.keys_on(node) if f"{{{sites[0]}}}" in key] == []
    await use_site(sites[1], one, other)

    down, served = sites[2], sites[4]
    async with one.client(down) as client:
        held = (await route_until_held(client)).reservation
    await cluster.primaries[1].kill()
    for server in servers:
        failure = await route_failure(server, down)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert failure.retry_after is not None
    await use_site(served, one, other)
    assert [await health(server.target) for server in servers] == [True, True]
    for server in servers:
        await wait_until(partial(serves_not, server.target, down), "health names the site that is not served")
        await wait_until(partial(health, server.target, f"sites/{served}"), "another shard's site is served")
    await cluster.primaries[1].start()
    async with other.client(down) as client:

        async def back() -> bool:
            try:
                return (await client.reservation(held.name)).fence == held.fence
            except MatcherCallError:
                return False

        await wait_until(back, "the shard's sites are served again")
        await client.cancel(held.name)
    await use_site(down, one, other)


async def test_health_names_the_sites_of_a_shard_that_refuses_writes(
    cluster: Cluster, servers: tuple[Server, Server]
) -> None:
    """Each server says so without a call, and says when the shard takes writes again; the others' sites are served.

    Of a site that nobody has opened, and of one that does not exist, health tells what it tells of the service.
    """
    one, _ = servers
    refusing, taking = cluster.site_on(0, "refusing-"), cluster.site_on(1, "taking-")
    async with one.client() as client:
        for site in (refusing, taking):
            await client.create_site(site)
    for server in servers:
        for site in (refusing, taking):
            async with server.client(site) as client:
                await client.list_agents()
    await cluster.primaries[0].ask("CONFIG", "SET", "min-replicas-to-write", 3)
    for server in servers:
        await wait_until(partial(serves_not, server.target, refusing), "the shard's site is not served")
        for name in (f"sites/{taking}", "", f"sites/{cluster.site_on(0, 'unknown-')}"):
            await wait_until(partial(health, server.target, name), f"health says that {name or 'the service'} serves")
    await cluster.primaries[0].ask("CONFIG", "SET", "min-replicas-to-write", 0)
    for server in servers:
        await wait_until(partial(health, server.target, f"sites/{refusing}"), "the shard's site is served again")


async def serves_not(target: str, site: str) -> bool:
    """Return whether a server says that it does not serve a site."""
    return not await health(target, f"sites/{site}")
