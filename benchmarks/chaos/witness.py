"""The witness of an attack: asks each replica, past the proxies, whether it decides and what it says of its health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.chaos import history as h
from benchmarks.chaos.habits import POOL
from benchmarks.chaos.processes import until
from benchmarks.chaos.wire import Line, line_to, reason_of
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

LOOK_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 2.0
SITE: Final = "probes"


async def let_in(addresses: Sequence[str], key: str) -> None:
    """Wait until each replica knows an access key that was just made; raise TimeoutError after half a minute."""
    for number, address in enumerate(addresses):
        line = line_to(number, address, key)

        async def known(line: Line = line) -> bool:
            try:
                await line.roster.ListSites(roster.ListSitesRequest())
            except grpc.aio.AioRpcError:
                return False
            return True

        try:
            await until(known)
        finally:
            await line.channel.close()


async def open_probes(address: str, key: str) -> None:
    """Create the site of the probes: one agent whom nothing fills, and a pool whose conversations last a second."""
    line = line_to(0, address, key)
    try:
        await line.roster.CreateSite(roster.CreateSiteRequest(site_id=SITE))
        pool = roster.Pool()
        pool.accepted_duration.FromSeconds(1)
        await line.roster.CreatePool(roster.CreatePoolRequest(parent=f"sites/{SITE}", pool_id=POOL, pool=pool))
        capacity = roster.Capacity(total=1_000_000, channels=[roster.ChannelCapacity(channel="chat", cost=1)])
        agent = roster.Agent(
            display_name="probe", interests=["probes"], pools=[f"sites/{SITE}/pools/{POOL}"], status=roster.ONLINE,
            capacity=capacity,
        )  # fmt: skip
        await line.roster.CreateAgent(roster.CreateAgentRequest(parent=f"sites/{SITE}", agent_id="probe", agent=agent))
    finally:
        await line.channel.close()


async def look(replica: int, address: str, key: str, history: h.History, *, whole: bool) -> None:
    """Look at a replica twice a second: a route that reserves the agent of the probes, and the health of their site.

    whole: also the health of the service as a whole. On a cluster the probes speak for one of its servers alone.
    """
    names = ("", f"sites/{SITE}") if whole else (f"sites/{SITE}",)
    line = line_to(replica, address, key)
    health: Any = health_pb2_grpc.HealthStub(line.channel)
    try:
        while True:
            request = pb.RouteMessageRequest(
                parent=f"sites/{SITE}",
                pool=f"sites/{SITE}/pools/{POOL}",
                message=pb.Message(text="probe"),
                auto_accept=True,
            )
            await asyncio.gather(
                _probe(line, replica, request, history),
                *(_check(health, replica, name, history) for name in names),
                asyncio.sleep(LOOK_SECONDS),
            )
    finally:
        await line.channel.close()


async def _probe(line: Any, replica: int, request: pb.RouteMessageRequest, history: h.History) -> None:
    began, reason = time.time(), ""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await line.routing.RouteMessage(request)
    except grpc.aio.AioRpcError as error:
        reason = reason_of(error)
    except TimeoutError:
        reason = "NO_ANSWER"
    history.add(h.Probe(replica=replica, began=began, ended=time.time(), able=not reason, reason=reason))


async def _check(health: Any, replica: int, name: str, history: h.History) -> None:
    began, serving = time.time(), None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    except (grpc.aio.AioRpcError, TimeoutError):
        pass
    history.add(
        h.Health(replica=replica, site=name.removeprefix("sites/"), began=began, ended=time.time(), serving=serving)
    )
