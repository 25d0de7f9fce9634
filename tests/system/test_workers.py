"""Several workers on one port."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from typing import Any

import grpc

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2, routing_pb2
from tests.conftest import StartServer
from tests.people import wait_until


async def test_calls_of_the_client_reach_every_worker_equally(launch: StartServer) -> None:
    """Eight channels, two workers: four channels and 200 of 400 calls each."""
    server = await launch({"MATCHER_WORKERS": "2"})
    async with MatcherClient(server.target, channels=8) as client:
        served: Counter[str] = Counter()
        for _ in range(400):
            served[await _worker(client)] += 1
        assert len(client._channels) == 8
    assert served == {"1/2": 200, "2/2": 200}


async def test_a_killed_worker_is_replaced_and_its_reservations_stay(launch: StartServer) -> None:
    """One worker is killed: the other one and its successor have its reservation."""
    server = await launch({"MATCHER_WORKERS": "2"})
    async with MatcherClient(server.target, channels=2) as client:
        await client.create_agent("ann", roster_pb2.Agent(interests=["I keep bees."], status=roster_pb2.ONLINE))
        held = (await client.route("My bees have swarmed.", auto_accept=True)).reservation
        first = re.search(r'"process": (\d+)', server.log())
        assert first is not None
        os.kill(int(first[1]), signal.SIGKILL)

        async def replaced() -> bool:
            return server.log().count("worker serves") == 3

        await wait_until(replaced, "the dead worker's successor serves")
    async with MatcherClient(server.target, channels=2) as client:
        for _ in range(2):
            assert (await client.reservation(held.name)).state == routing_pb2.ACCEPTED


async def _worker(client: MatcherClient) -> str:
    """Return the worker that answers a call, also one that fails."""
    call: Any = client._routing.GetContact(routing_pb2.GetContactRequest(name="sites/default/contacts/none"))
    assert await call.code() is grpc.StatusCode.NOT_FOUND
    return str(dict(await call.trailing_metadata())["matcher-worker"])
