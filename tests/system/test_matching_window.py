"""A pool's matching window as platforms see it: calls that come within it are decided together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, loads, person, wait_until
from tests.processes import Server, metric

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."
CREW = {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")}


async def open_window(client: MatcherClient, milliseconds: int) -> None:
    """Create the two agents, and set the window of the default pool."""
    await hire(client, CREW)
    window = Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
    await client.update_pool(roster.Pool(name="default", matching_window=window), ["matching_window"])


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a new site whose pool has a window of half a second."""
    async with service.client(await service.site()) as client:
        await open_window(client, 500)
        yield client


async def test_calls_of_one_window_get_the_agents_with_the_greatest_sum(desk: MatcherClient) -> None:
    """The first fits both agents, the second only the bee keeper: each gets an agent that fits."""
    either, bees = await asyncio.gather(desk.route(f"{BEES} {TRAINS}"), desk.route(BEES))
    assert either.reservation.agent == desk.name("agents", "tom")
    assert bees.reservation.agent == desk.name("agents", "bea")
    assert (either.reservation.basis, bees.reservation.basis) == (pb.AFFINITY, pb.AFFINITY)


async def test_a_single_call_in_a_window_is_routed_as_without_one(desk: MatcherClient) -> None:
    """One call is answered at the end of the window; a repeated request replays the answer."""
    first = await desk.route(BEES, request_id="r-1")
    assert first.reservation.agent == desk.name("agents", "bea")
    again = await desk.route(BEES, request_id="r-1")
    assert (again.replayed, again.reservation.name) == (True, first.reservation.name)


async def test_a_call_with_a_short_deadline_does_not_wait_for_the_window(service: Server) -> None:
    """With a window of one second, twelve calls with a deadline of 600 ms are answered before the window is over.

    A call that waited for the window would never be in time; on a busy machine a call may be late for another reason.
    """
    async with service.client(await service.site()) as client:
        await open_window(client, 1000)
        answered = 0
        for number in range(200):
            try:
                held = await client.route(BEES, contact_id=f"c-{number}", deadline=0.6)
                await client.cancel(held.reservation.name)
                answered += 1
            except MatcherCallError as late:
                assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017 - one of many calls
                with suppress(MatcherCallError):
                    # It may have been decided all the same.
                    await client.cancel_contact(f"c-{number}")
            if answered == 12:
                return
        raise AssertionError(f"{answered} calls were answered in time")


async def test_more_calls_may_wait_for_a_window_than_be_in_progress(launch: StartServer) -> None:
    """With at most two routes in progress, sixty calls of one window wait together and are decided at its end."""
    server = await launch({"MATCHER_ROUTES_IN_FLIGHT": "2"})
    async with server.client() as client:
        await open_window(client, 500)
        answers = await asyncio.gather(*(client.route(BEES) for _ in range(60)))
        assert sum(answer.HasField("reservation") for answer in answers) == 2
        assert await loads(client, CREW) == {"bea": 1, "tom": 1}
        # In batches of two, each half a second long, some calls would have been refused.
        assert await metric(server, "matcher_routes_refused_total") == 0


async def test_a_stop_answers_the_calls_that_wait_for_a_window(launch: StartServer) -> None:
    """A server stops while calls wait for the window's end: each call is answered, and the exit code is 0."""
    server = await launch({})
    async with server.client() as client:
        await open_window(client, 1000)
        gathered = [asyncio.create_task(client.route(text)) for text in (BEES, TRAINS)]

        async def received() -> bool:
            return await metric(server, "grpc_server_started_total", grpc_method="RouteMessage") == 2

        await wait_until(received, "the server has received both calls")
        assert await server.stop() == 0
        answers = [await call for call in gathered]
        assert sorted(answer.reservation.agent.rpartition("/")[2] for answer in answers) == ["bea", "tom"]
