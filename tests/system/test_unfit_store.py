"""A primary that is not fit for the data takes over: the service says so and is not ready, until the primary is fit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.conftest import StartServer
from tests.people import wait_until
from tests.processes import Store, health


async def test_a_primary_that_took_over_is_checked_as_at_the_start(launch: StartServer) -> None:
    """It evicts keys, so it would lose what is acknowledged: NOT_SERVING with the reason, until that is mended."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            server = await launch({"MATCHER_STORE_URL": store.url})

            async def serves() -> bool:
                return await health(server.target)

            async def serves_not() -> bool:
                return not await serves()

            await wait_until(serves, "the service serves")
            async with store.client() as redis:
                await redis.config_set("maxmemory-policy", "allkeys-lru")
                # As in a failover behind one name: the connections are lost, and the next ones find this server.
                await redis.client_kill_filter(_type="normal")
                await wait_until(serves_not, "the service does not trust the server")
                assert "maxmemory-policy is allkeys-lru; it must be noeviction" in server.log()
                await redis.config_set("maxmemory-policy", "noeviction")
            await wait_until(serves, "the service serves again")
            await server.stop()
        finally:
            await store.end()


async def test_a_store_that_refuses_what_is_written_turns_the_health(launch: StartServer) -> None:
    """It answers every question and takes nothing: NOT_SERVING with its reason, until it takes writes again."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            server = await launch({"MATCHER_STORE_URL": store.url})

            async def serves() -> bool:
                return await health(server.target)

            async def serves_not() -> bool:
                return not await serves()

            await wait_until(serves, "the service serves")
            async with store.client() as redis:
                await redis.config_set("min-replicas-to-write", 1)
                await wait_until(serves_not, "the service does not serve where nothing can be written")
                assert "the store refuses what is written: NOREPLICAS" in server.log()
                await redis.config_set("min-replicas-to-write", 0)
            await wait_until(serves, "the service serves again")
            await server.stop()
        finally:
            await store.end()
