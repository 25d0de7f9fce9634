"""Health of sites: what a stranger, a load balancer and a monitor are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.rpc.health import NOT_SERVING, SERVING, Health
from matcher.telemetry import Telemetry


@asynccontextmanager
async def telling(health: Health) -> AsyncIterator[Any]:
    """Serve health, and give a stub."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await server.stop(None)


def named(name: str) -> health_pb2.HealthCheckRequest:
    """Return a request for a service or a site."""
    return health_pb2.HealthCheckRequest(service=name)


async def test_a_watch_of_a_site_is_told_what_becomes_of_the_site_and_never_whether_it_exists() -> None:
    """Not opened yet, served, out of reach, closed: a site that is not open has the health of the process."""
    health = Health(Telemetry())
    await health.set(True, "all is well")
    async with telling(health) as stub:
        watch = stub.Watch(named("sites/north"))
        heard = [(await watch.read()).status]
        await health.set(True, "all is well", {"north": True, "south": True})
        await health.set(True, "a shard is away", {"north": False, "south": True})
        heard.append((await watch.read()).status)
        statuses = [
            (await stub.Check(named(name))).status for name in ("sites/north", "sites/south", "sites/nowhere", "")
        ]
        await health.set(True, "all is well", {"south": True})
        heard.append((await watch.read()).status)
        await health.set(False, "the store is silent")
        heard.append((await watch.read()).status)
        after = [(await stub.Check(named(name))).status for name in ("sites/north", "sites/south", "sites/nowhere", "")]
        watch.cancel()
    assert heard == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    assert statuses == [NOT_SERVING, SERVING, SERVING, SERVING]
    assert after == [NOT_SERVING] * 4


async def test_a_site_that_is_closed_and_not_watched_is_forgotten() -> None:
    """Sites come and go for years, and their names are not kept."""
    health = Health(Telemetry())
    for number in range(50):
        await health.set(True, "all is well", {f"site-{number}": True})
    assert [name for name in health.servicer._server_status if name.startswith("sites/")] == ["sites/site-49"]
