"""Lost replies of the store to a reserve: one reservation is made, and a repetition returns it."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import loads, person
from tests.proxy import DECLINE, LossyProxy
from tests.system.conftest import Pair

TEXT = "My hive tool has not arrived, and the bees are swarming."


async def test_a_reply_lost_with_its_server_is_found_by_the_next_server(
    pair: Pair, launch: StartServer, folder: Path
) -> None:
    """The store reserves, the reply is lost, the server is killed: the next server returns the same reservation."""
    site, request_id = await pair.other.site(), uuid.uuid4().hex
    async with (
        LossyProxy(pair.store.socket, folder / "lossy-1") as proxy,
        pair.other.client(site) as other,
    ):
        await other.create_agent("maya", person("I keep honey bees.", most=5))
        doomed = await launch({"MATCHER_STORE_URL": proxy.url})
        proxy.lose, proxy.hold = 1, True
        # One client that knows both servers, as a platform behind a load balancer does; it calls the first one first.
        async with MatcherClient(f"ipv4:{doomed.target},{pair.other.target}", site=site) as client:
            under_way = asyncio.create_task(client.route(TEXT, request_id=request_id))
            await proxy.lost.wait()
            await doomed.kill()
            answer = await under_way
        assert proxy.executed == 1
        assert answer.replayed
        again = await other.route(TEXT, request_id=request_id)
        assert again.reservation == answer.reservation
        assert [held.name async for held in other.reservations()] == [answer.reservation.name]
        assert await loads(other, ["maya"]) == {"maya": 1}


async def test_a_repeated_reserve_makes_one_reservation(pair: Pair, launch: StartServer, folder: Path) -> None:
    """The client of the store repeats a reserve whose reply was cut off; the call succeeds with one reservation.

    If every reply is cut off, the caller is asked to try again, and then gets the reservation of the first call.
    """
    site = await pair.other.site()
    async with (
        LossyProxy(pair.store.socket, folder / "lossy-2") as proxy,
        pair.other.client(site) as other,
    ):
        await other.create_agent("maya", person("I keep honey bees.", most=5))
        server = await launch({"MATCHER_STORE_URL": proxy.url})
        async with server.client(site) as client:
            proxy.lose = 1
            first = await client.route(TEXT)
            assert first.reservation.agent == client.name("agents", "maya")
            assert proxy.executed == 2
            assert await loads(client, ["maya"]) == {"maya": 1}

            proxy.lose = 1_000
            with pytest.raises(MatcherCallError) as failed:
                await client.route(TEXT, request_id="cut-off")
            assert failed.value.code is grpc.StatusCode.UNAVAILABLE
            assert failed.value.reason == "STORE_UNAVAILABLE"
            assert failed.value.retry_after is not None
            assert proxy.executed > 4
            assert await loads(client, ["maya"]) == {"maya": 2}

            proxy.lose = 0
            second = await client.route(TEXT, request_id="cut-off")
            assert second.replayed
            assert {held.name async for held in client.reservations()} == {
                first.reservation.name,
                second.reservation.name,
            }
            assert await loads(client, ["maya"]) == {"maya": 2}


async def test_a_repeat_of_the_decline_whose_reply_was_lost_withdraws_the_other_offers(
    pair: Pair, launch: StartServer, folder: Path
) -> None:
    """Maya is AWAY after one declined offer, and nobody hears of it: the repeat lets her other offer go on."""
    site = await pair.other.site()
    async with LossyProxy(pair.store.socket, folder / "lossy-3", DECLINE) as proxy:
        server = await launch({"MATCHER_STORE_URL": proxy.url})
        async with server.client(site) as client:
            await client.update_pool(roster.Pool(name="default", max_declined=1), ["max_declined"])
            await client.create_agent("maya", person("I keep honey bees.", most=5))
            declined = (await client.route(TEXT)).reservation
            await client.route(TEXT, contact_id="other", wait=True)
            proxy.lose = 1_000
            with pytest.raises(MatcherCallError):
                await client.decline(declined.name)
            assert (await client.agent("maya")).status == roster.AWAY
            assert (await client.contact("other")).state == pb.CONTACT_RESERVED
            proxy.lose = 0
            await client.decline(declined.name)
            other = await client.contact("other")
            assert (other.state, other.cause) == (pb.CONTACT_QUEUED, pb.CAUSE_AGENT_LEFT)
