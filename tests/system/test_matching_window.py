"""A pool's matching window, as platforms see it: calls that come together are decided together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, loads, person
from tests.processes import Server, metric

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."
CREW = {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")}


async def open_window(client: MatcherClient, milliseconds: int) -> None:
    """Hire the two, and let the default pool gather calls for so long."""
    await hire(client, CREW)
    window = Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
    await client.update_pool(roster.Pool(name="default", matching_window=window), ["matching_window"])


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site whose pool gathers calls for half a second."""
    async with service.client(await service.site()) as client:
        await open_window(client, 500)
        yield client


async def test_calls_that_come_together_are_parted_as_it_pays_in_sum(desk: MatcherClient) -> None:
    """The first would do with either agent, the second needs the bee keeper: both get who meets them."""
    either, bees = await asyncio.gather(desk.route(f"{BEES} {TRAINS}"), desk.route(BEES))
    assert either.reservation.agent == desk.name("agents", "tom")
    assert bees.reservation.agent == desk.name("agents", "bea")
    assert (either.reservation.basis, bees.reservation.basis) == (pb.AFFINITY, pb.AFFINITY)


async def test_a_call_alone_in_its_window_is_routed_as_ever(desk: MatcherClient) -> None:
    """One call, one answer, at the end of the window; the same request again replays it."""
    first = await desk.route(BEES, request_id="r-1")
    assert first.reservation.agent == desk.name("agents", "bea")
    again = await desk.route(BEES, request_id="r-1")
    assert (again.replayed, again.reservation.name) == (True, first.reservation.name)


async def test_a_call_in_a_hurry_does_not_wait_for_the_window(service: Server) -> None:
    """A second's window and calls that give up after 600 ms: twelve in a row are answered in time."""
    async with service.client(await service.site()) as client:
        await open_window(client, 1000)
        for _ in range(12):
            held = await client.route(BEES, deadline=0.6)
            await client.cancel(held.reservation.name)


async def test_more_calls_wait_for_a_window_than_are_worked_on_at_once(launch: StartServer) -> None:
    """With two routes in flight, sixty calls of one window are gathered together and decided at its end."""
    server = await launch({"MATCHER_ROUTES_IN_FLIGHT": "2"})
    async with server.client() as client:
        await open_window(client, 500)
        answers = await asyncio.gather(*(client.route(BEES) for _ in range(60)))
        assert sum(answer.HasField("reservation") for answer in answers) == 2
        assert await loads(client, CREW) == {"bea": 1, "tom": 1}
        # Each batch of two at most would have taken half a second: the calls would have been refused on the way.
        assert await metric(server, "matcher_routes_refused_total") == 0


async def test_stopping_answers_whoever_was_gathered(launch: StartServer) -> None:
    """A server is told to stop while calls wait for the window's end: each is answered, and the end is clean."""
    server = await launch({})
    async with server.client() as client:
        await open_window(client, 1000)
        gathered = [asyncio.create_task(client.route(text)) for text in (BEES, TRAINS)]
        # What comes after them on the same connection, and is answered: they have come in.
        await client.suggest(BEES)
        assert await server.stop() == 0
        answers = [await call for call in gathered]
        assert sorted(answer.reservation.agent.rpartition("/")[2] for answer in answers) == ["bea", "tom"]
