"""Stops of a server while it serves calls."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from matcher.client import MatcherClient
from matcher.store.embedded.files import StoreFiles, open_lock, try_lock_exclusive
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import loads, person, wait_until
from tests.processes import metric
from tests.system.conftest import Pair

CALLS = 400


async def test_a_stop_loses_no_call(pair: Pair, launch: StartServer) -> None:
    """A client of two servers gets all its answers while one of them stops, and every agent is reserved once."""
    site = await pair.other.site()
    stopping = await launch({"MATCHER_STORE_URL": pair.store.url, "MATCHER_ENCODER_QUEUE_TOKENS": "4000000"})
    async with (
        pair.other.client(site) as other,
        MatcherClient(f"ipv4:{stopping.target},{pair.other.target}", site=site) as client,
        grpc.aio.insecure_channel(stopping.target) as channel,
    ):
        await other.create_agent("maya", person("I keep honey bees.", most=10_000))
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        statuses = [(await watch.read()).status]
        answers: list[pb.RouteMessageResponse] = []
        busy = asyncio.Event()

        async def call(number: int) -> None:
            answers.append(await client.route("The lid of my hive is warped.", request_id=f"r-{number}", deadline=60))
            if len(answers) == CALLS // 10:
                busy.set()

        calls = [asyncio.create_task(call(number)) for number in range(CALLS)]
        await busy.wait()
        stopping.send(signal.SIGTERM)
        statuses.append((await watch.read()).status)
        await asyncio.gather(*calls)
        assert await stopping.ended() == 0
        assert statuses == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
        assert len({answer.reservation.name for answer in answers}) == CALLS
        assert await loads(other, ["maya"]) == {"maya": CALLS}


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)])
async def test_a_call_in_flight_is_answered_before_the_end(
    launch: StartServer, tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    """SIGTERM, or Ctrl-C and SIGTERM: calls in flight are answered, the store is stopped, the exit code is 0."""
    server = await launch({})
    files = StoreFiles(tmp_path / "data")
    store = int(files.address()[1])
    async with server.client() as client:
        await client.create_agent("maya", person("I keep honey bees."))
        os.kill(store, signal.SIGSTOP)
        try:
            under_way = asyncio.create_task(client.route("The lid of my hive is warped."))

            async def begun() -> bool:
                return await metric(server, "grpc_server_started_total", grpc_method="RouteMessage") == 1

            await wait_until(begun, "the call is under way")
            for number in signals:
                server.send(number)

                async def stopping() -> bool:
                    return '"stopping"' in server.log()

                await wait_until(stopping, "the server stops")
        finally:
            os.kill(store, signal.SIGCONT)
        assert (await under_way).reservation.agent == client.name("agents", "maya")
    assert await server.ended() == 0
    lock = open_lock(files.lock)
    assert try_lock_exclusive(lock), "the embedded store still runs"
    os.close(lock)
