"""Watches while the store is killed and started again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, Store, health, metric

BEES = "The smoker for my bees arrived with a dent."
OFFER_SECONDS = 1


async def heard(stream: AsyncGenerator[pb.WatchEventsResponse, None], count: int) -> list[tuple[str, int, str]]:
    """Read so many events, as contact, sequence number and cause."""
    found: list[tuple[str, int, str]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            answer = await anext(stream)
            if answer.HasField("event"):
                step = answer.event
                cause = pb.Cause.Name(step.cause).removeprefix("CAUSE_")
                found.append((step.contact.rpartition("/")[2], step.sequence, cause))
    return found


async def test_watchers_miss_nothing_while_the_store_is_killed_and_restarted(
    launch: StartServer, tmp_path: Path
) -> None:
    """The same stream continues with each event once; a deadline that passed meanwhile delays nothing."""
    (tmp_path / "store").mkdir()
    store = Store(tmp_path / "store")
    await store.start()
    try:
        server = await launch({"MATCHER_STORE_URL": store.url})
        await watch_through_an_outage(server, store)
        await server.stop()
    finally:
        await store.end()


async def watch_through_an_outage(server: Server, store: Store) -> None:
    """Watch a pool and a contact while the store is killed, and started again after an offer's deadline."""
    async with server.client() as client:
        pool = await client.create_pool("quick", roster.Pool(offer_duration=Duration(seconds=OFFER_SECONDS)))
        await hire(client, {"bea": person("I keep honey bees.", most=5, pools=[pool.name])})
        async with aclosing(client.watch_events(pool="quick")) as stream, aclosing(client.watch_contact("c-1")) as one:
            await anext(stream)
            held = await client.route(BEES, pool="quick", contact_id="c-0", auto_accept=True)
            await client.route(BEES, pool="quick", contact_id="c-1")
            assert await heard(stream, 2) == [("c-0", 1, "ACCEPTED"), ("c-1", 1, "OFFERED")]
            assert (await anext(one)).sequence == 1
            assert await metric(server, "matcher_watchers") == 2
            await store.end(signal.SIGKILL)

            async def away() -> bool:
                return not await health(server.target)

            await wait_until(away, "the server says that the store is away")
            await asyncio.sleep(OFFER_SECONDS)
            # The offer's deadline has passed by now, and the server answers.
            with pytest.raises(MatcherCallError) as failed:
                await client.reservation(held.reservation.name, deadline=20)
            assert failed.value.code is grpc.StatusCode.UNAVAILABLE
            await store.start()

            async def back() -> bool:
                return await health(server.target)

            await wait_until(back, "the server serves again")
            await client.complete(held.reservation.name)
            after = await heard(stream, 2)
            assert sorted(after) == [("c-0", 2, "COMPLETED"), ("c-1", 2, "OFFER_EXPIRED")]
            assert (await anext(one)).cause == pb.CAUSE_OFFER_EXPIRED
            await client.cancel_contact("c-1")
            assert [step.cause async for step in one] == [pb.CAUSE_CANCELED]
