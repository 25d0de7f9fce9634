"""A watcher that does not read is cut off, and no other watcher notices."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.conftest import StartServer
from tests.people import person
from tests.processes import metric

BEES = "The smoker for my bees arrived with a dent."
NARROW = (("grpc.http2.lookahead_bytes", 1_024), ("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
"""A client that buffers little before it reads."""
LIVES = 1_000


async def test_a_watcher_that_does_not_read_is_cut_off_and_delays_no_other(launch: StartServer) -> None:
    """It gets ABORTED once it reads again, and resumes; other watchers miss nothing; a stop waits for no watcher."""
    server = await launch({"MATCHER_DRAIN_SECONDS": "600"})
    async with (
        server.client() as client,
        grpc.aio.insecure_channel(server.target, options=NARROW) as channel,
        aclosing(client.watch_events()) as stream,
    ):
        await client.create_agent("bea", person("I keep honey bees.", most=100_000))
        await anext(stream)
        stub: Any = routing_pb2_grpc.RoutingServiceStub(channel)
        slow = stub.WatchEvents(pb.WatchEventsRequest(parent="sites/default"))
        frozen = stub.WatchEvents(pb.WatchEventsRequest(parent="sites/default"))
        last = await slow.read()
        await frozen.read()

        async def life(number: int) -> None:
            held = await client.route(BEES, contact_id=f"c-{number}", auto_accept=True)
            await client.complete(held.reservation.name)

        heard: list[pb.ContactEvent] = []
        for start in range(0, LIVES, 100):
            await asyncio.gather(*(life(number) for number in range(start, start + 100)))
            async with asyncio.timeout(30):
                while len(heard) < 2 * (start + 100):
                    answer = await anext(stream)
                    if answer.HasField("event"):
                        heard.append(answer.event)
        assert len({(one.contact, one.sequence) for one in heard}) == 2 * LIVES
        assert await metric(server, "matcher_watchers_cut_off_total") == 2

        late: list[pb.ContactEvent] = []

        async def read_on() -> None:
            nonlocal last
            while (answer := await slow.read()) is not grpc.aio.EOF:
                last = answer
                late.append(answer.event)

        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await read_on()
        assert failed.value.code() is grpc.StatusCode.ABORTED
        again = stub.WatchEvents(pb.WatchEventsRequest(parent="sites/default", resume_token=last.resume_token))
        await again.read()
        while len(late) < 2 * LIVES:
            late.append((await again.read()).event)
        assert late == heard
        # `frozen` never reads, and delays nothing.
        assert await server.stop() == 0
