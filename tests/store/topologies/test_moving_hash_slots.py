"""Hash slots that move, shards that fail over, and servers without the verbs: calls reach the right server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.crc import key_slot

from matcher.errors import StoreUnavailable
from matcher.store.change_stream import ChangeStream
from matcher.store.keys import SITES
from matcher.store.redis.client import StoreClient
from tests.store.stage import Stage
from tests.store.topologies.nodes import HOST, Cluster, Node, until

WAIT_SECONDS = 0.3


@pytest.fixture
async def connection(cluster: Cluster) -> AsyncIterator[StoreClient]:
    """Give a client as the service opens it."""
    connection = StoreClient(cluster.url)
    await connection.start()
    yield connection
    await connection.close()


async def staged(connection: StoreClient, site: str) -> Stage:
    """Give a site with two agents."""
    stage = Stage(connection, site)
    await stage.set_up()
    for agent in ("ann", "bob"):
        await stage.put(agent, 9)
    return stage


async def node_id(node: Node) -> str:
    """Return a server's id in the cluster."""
    return str((await node.ask("CLUSTER", "MYID")).decode())


class Move:
    """The move of a hash slot from one server to another, step by step."""

    def __init__(self, hash_slot: int, source: Node, target: Node) -> None:
        self.hash_slot, self.source, self.target = hash_slot, source, target

    async def begin(self) -> None:
        """Mark the hash slot as importing on the target and as migrating on the source."""
        await self.target.ask("CLUSTER", "SETSLOT", self.hash_slot, "IMPORTING", await node_id(self.source))
        await self.source.ask("CLUSTER", "SETSLOT", self.hash_slot, "MIGRATING", await node_id(self.target))

    async def carry(self, *keys: str) -> None:
        """Move keys."""
        await self.source.ask("MIGRATE", HOST, self.target.port, "", 0, 5000, "KEYS", *keys)

    async def end(self) -> None:
        """Move the remaining keys, and assign the hash slot to the target."""
        while keys := await self.source.ask("CLUSTER", "GETKEYSINSLOT", self.hash_slot, 100):
            await self.carry(*(key.decode() for key in keys))
        for node in (self.target, self.source):
            await node.ask("CLUSTER", "SETSLOT", self.hash_slot, "NODE", await node_id(self.target))


async def test_a_site_is_served_while_its_hash_slot_moves(cluster: Cluster, connection: StoreClient) -> None:
    """Reads find each key on either server; a verb whose keys are apart waits, and runs once when they are together."""
    site = cluster.site_on(2, "moving")
    stage = await staged(connection, site)
    held = await stage.hold("ann")
    move = Move(key_slot(stage.keys.due.encode()), cluster.primaries[2], cluster.primaries[1])
    await move.begin()
    await move.carry(stage.keys.agent("ann"))
    assert (await stage.agent("ann")).holds == (await stage.agent("ann")).holds != ()
    assert [agent and agent.id for agent in await stage.roster.agents(site, ["ann", "bob"])] == ["ann", "bob"]

    with pytest.raises(StoreUnavailable):
        await stage.hold("ann")
    waiting = asyncio.create_task(stage.hold("ann"))
    await asyncio.sleep(WAIT_SECONDS)
    await move.end()
    later = await waiting
    assert later.fence > held.fence
    assert await stage.held_by("ann") == sorted([held.id, later.id])

    before = connection.round_trips
    await stage.hold("bob")
    assert connection.round_trips == before + 1
    reader = Stage(StoreClient(cluster.url), site)
    assert await reader.held_by("ann") == sorted([held.id, later.id])
    await reader.connection.close()
    await stage.clear()


async def test_a_pipeline_over_several_shards_keeps_its_order(cluster: Cluster, connection: StoreClient) -> None:
    """Answers come in the order of the commands, wherever the keys lie."""
    sites = [cluster.site_on(shard, "pipeline") for shard in (2, 0, 1)]
    stages = [await staged(connection, site) for site in sites]
    commands = [("ZCARD", stage.keys.agents) for stage in stages]
    await stages[1].put("cleo")
    assert await connection.pipeline([("ZSCORE", SITES, sites[0]), *commands]) == [0.0, 2, 3, 2]
    for stage in stages:
        await stage.clear()


async def test_each_site_s_clock_is_its_shard_s(cluster: Cluster, connection: StoreClient) -> None:
    """A deadline is compared with the clock that wrote it, though the shards' clocks differ."""
    stages = [await staged(connection, cluster.site_on(shard, "clock")) for shard in range(3)]
    for number, server in enumerate(await connection._servers.primaries()):
        server.clock.set(1_000_000 * number, 0.0, 0.0)
    ahead = [connection.of(stage.site).now_ms() for stage in stages]
    assert [round((later - ahead[0]) / 1_000_000) for later in ahead] == [0, 1, 2]
    for stage in stages:
        await stage.clear()


async def test_a_shard_that_lost_the_verbs_gets_them_again(cluster: Cluster, connection: StoreClient) -> None:
    """A server that was added empty gets the verbs at the first call there."""
    stage = await staged(connection, cluster.site_on(1, "verbs"))
    await cluster.primaries[1].ask("FUNCTION FLUSH")
    assert (await stage.hold("ann")).agent == "ann"
    await stage.clear()


async def test_a_shard_that_fails_over_is_followed(cluster: Cluster, connection: StoreClient) -> None:
    """The replica takes the shard over while calls go on: each call is answered, and each reservation is made once."""
    stage = await staged(connection, cluster.site_on(0, "over"))
    position = await ChangeStream(connection, stage.site).end()
    first, second = cluster.primaries[0], cluster.replica

    async def rotate(new: Node, old: Node) -> list[str]:
        held: list[str] = []
        await new.ask("CLUSTER", "FAILOVER")

        async def taken_over() -> bool:
            reservation = await stage.hold("ann", "bob", hold_ms=60_000)
            held.append(reservation.id)
            await stage.routing.cancel(stage.reference(reservation), reservation.fence)
            return await new.role() == "master" and await old.role() == "slave"

        await until(taken_over)
        return held

    held = await rotate(second, first)
    assert {(await stage.reservation(reservation)).state for reservation in held} == {"CANCELED"}
    assert not await ChangeStream(connection, stage.site).unbroken(position)
    await rotate(first, second)
    await stage.clear()
