"""The upgrade of a store of several shards: one schema for all, libraries and connections on every primary."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from matcher.services.store_upgrade import StoreUpgrade
from matcher.store.keys import MIGRATIONS, PROCESSES, SCHEMA
from matcher.store.processes import ProcessIdentity
from matcher.store.redis import functions
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST, OLDEST
from tests.store.topologies.nodes import Cluster, until

OTHER = "matcher_00000000"


def test_the_registry_lies_beside_the_schema() -> None:
    """One verb reads the processes and writes the schema: another shard could not."""
    assert {key_slot(key.encode()) for key in (SCHEMA, PROCESSES, MIGRATIONS)} == {key_slot(SCHEMA.encode())}


@pytest.mark.parametrize("stranger", [False, True])
async def test_a_cluster_is_upgraded_when_no_shard_has_an_unknown_connection(cluster: Cluster, stranger: bool) -> None:
    """A process of the version before the registry holds the schema, whichever shard it is connected to."""
    connection, before = StoreClient(cluster.url), StoreClient(cluster.url)
    try:
        await connection.start()
        await connection.run("SET", SCHEMA, OLDEST)
        for node in cluster.primaries:
            await node.ask("FUNCTION LOAD", f"#!lua name={OTHER}\nredis.register_function('f', function() end)")

        async def alone() -> bool:
            return await connection.connected_clients() == connection.open_connections

        # Servers keep the connection by which they moved keys to each other, in an earlier test, for 10 s.
        await until(alone)
        if stranger:
            await before.run("GET", f"m:{{{cluster.site_on(2, 's-')}}}:pools")
        upgrade = StoreUpgrade(connection, ProcessIdentity(id="m", version="1", host="here", pid=1, started_ms=0))
        done, turns = False, 0
        while not done and turns < (10 if stranger else 1_000):
            await upgrade.register()
            turns += 1
            done = await upgrade.turn(60.0 * turns)
        libraries = await connection.libraries()
        if stranger:
            assert (done, await connection.run("GET", SCHEMA)) == (False, str(OLDEST).encode())
            assert libraries == {OTHER, functions.library()}
        else:
            assert (done, await connection.run("GET", SCHEMA)) == (True, str(NEWEST).encode())
            assert libraries == {functions.library()}
        await upgrade.leave()
    finally:
        await connection.run("SET", SCHEMA, NEWEST)
        await connection.unload_library(OTHER)
        await before.close()
        await connection.close()
