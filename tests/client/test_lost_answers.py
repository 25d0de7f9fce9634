"""Answers that are lost on their way, and how a caller finds what the service did."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import lines, matcher
from tests.people import hire, person
from tests.processes import Server
from tests.tcp_proxy import TcpProxy

BEES = "My bees swarm in May."
SLOTS = 16
LATE = 30.0
"""Seconds by which each byte comes too late for any caller here."""
BATCH = lines([{"text": BEES, "contact_id": "c-7"}])


async def test_the_holds_of_routes_that_timed_out_are_found_by_their_request_ids(service: Server) -> None:
    """Of 60 routes no answer came back in time, and 16 may have an agent: repeated, they name all that is held."""
    site = await service.site()
    async with TcpProxy(service.target) as proxy, service.client(site) as client:
        await hire(client, {"bea": person("I keep bees.", most=SLOTS)})
        async with MatcherClient(proxy.address, site=site) as far:
            await far.agent("bea")
            proxy.delay = 0.4
            routes = (far.route(BEES, contact_id=f"c-{number}", deadline=0.7) for number in range(60))
            lost = await asyncio.gather(*routes, return_exceptions=True)
        repeated = [
            await client.route(BEES, contact_id=f"c-{number}", request_id=error.request_id)
            for number, error in enumerate(lost)
            if isinstance(error, MatcherCallError)
        ]
        held = {reservation.name async for reservation in client.reservations()}
    assert len(repeated) == 60
    assert {answer.reservation.name for answer in repeated if answer.HasField("reservation")} == held
    assert len(held) == SLOTS


async def test_a_lost_batch_names_the_ids_of_its_lines(service: Server) -> None:
    """The client made the ids: its error has them, by contact, and the same call with them holds nobody twice."""
    site = await service.site()
    async with TcpProxy(service.target) as proxy, service.client(site) as client:
        await hire(client, {"bea": person("I keep bees.", most=SLOTS)})
        requests = [
            pb.RouteMessageRequest(contact_id=f"c-{number}", message=pb.Message(text=BEES)) for number in range(3)
        ]
        async with MatcherClient(proxy.address, site=site) as far:
            await far.agent("bea")
            proxy.delay = LATE
            with pytest.raises(MatcherCallError) as failed:
                await far.route_many(requests, deadline=0.3)
        assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert failed.value.request_ids.keys() == {"c-0", "c-1", "c-2"}
        for request in requests:
            request.request_id = failed.value.request_ids[request.contact_id]
        first, again = [
            [result.response.reservation.name for result in await client.route_many(requests)] for _ in range(2)
        ]
        assert first == again
        assert (await client.agent("bea")).load == 3


@pytest.mark.parametrize("with_etag", [False, True], ids=["without etag", "with etag"])
async def test_an_update_whose_answer_is_lost_is_repeated_where_that_is_safe(service: Server, with_etag: bool) -> None:
    """Without an etag the caller gets the changed agent; where the lost attempt used the etag up, the call fails."""
    site = await service.site()
    async with TcpProxy(service.target) as proxy, service.client(site) as client:
        await hire(client, {"bea": person("I keep bees.", most=SLOTS)})
        async with MatcherClient(proxy.address, site=site) as far:
            before = await far.agent("bea")
            change = roster.Agent(name="bea", display_name="Bea", etag=before.etag if with_etag else "")
            proxy.delay = 1.0
            update = asyncio.create_task(far.update_agent(change, ["display_name"]))
            while (await client.agent("bea")).display_name != "Bea":  # noqa: ASYNC110 - the change is another process's
                await asyncio.sleep(0.01)
            proxy.delay = 0.0
            await proxy.cut()
            if with_etag:
                with pytest.raises(MatcherCallError) as failed:
                    await update
                assert failed.value.code is grpc.StatusCode.UNAVAILABLE
            else:
                assert (await update).display_name == "Bea"


async def test_the_terminal_says_how_to_find_what_a_lost_call_did(service: Server) -> None:
    """The error of a route names the option, that of many routes the ids for each line; with --json both are fields."""
    site = await service.site()
    async with TcpProxy(service.target) as proxy:
        proxy.delay = LATE
        options = ("--server", proxy.address, "--site", site, "--timeout", "0.3")
        one, many, parsed = await asyncio.gather(
            matcher("route", BEES, *options),
            matcher("route-many", "-", *options, stdin=BATCH),
            matcher("route-many", "-", *options, "--json", stdin=BATCH),
        )
    assert one.code == 1
    assert "did not answer in time" in one.err
    assert "the same command with --request-id " in one.err
    assert '{"contact_id": "c-7", "request_id": "' in many.err
    assert '"request_ids": {"c-7": "' in parsed.err
