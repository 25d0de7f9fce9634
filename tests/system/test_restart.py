"""Restarts and crashes: what was acknowledged is there afterwards, and no interest is encoded a second time."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.embedded.files import StoreFiles
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import PASTIMES, hire, person
from tests.processes import Server, metric, start_server

TEXT = "My parcel is late, they say because of the volcano and its eruption."
CROWD = 1_000


@dataclass
class World:
    """A service on its data directory, and the writes that it has acknowledged."""

    folder: Path
    server: Server
    texts_encoded: float
    crashed_under: list[pb.RouteMessageResponse] = field(default_factory=list)

    @property
    def store_pid(self) -> int:
        """Return the process id of the embedded store."""
        return int(StoreFiles(self.server.data_dir).address()[1])

    async def stop(self) -> None:
        """Stop the service, which stops the store."""
        assert await self.server.stop() == 0

    async def crash_service(self) -> None:
        """Kill the service; its store keeps running."""
        await self.server.kill()

    async def crash_both(self) -> None:
        """Kill the service and the store while calls are answered; record the answers."""
        busy = asyncio.Event()

        async def call(number: int) -> None:
            with_id = client.route("Where is my order?", request_id=f"crash-{number}", pool="sturdy", deadline=20)
            self.crashed_under.append(await with_id)
            if len(self.crashed_under) == 50:
                busy.set()

        async with self.server.client() as client:
            calls = [asyncio.create_task(call(number)) for number in range(300)]
            await busy.wait()
            os.kill(self.store_pid, signal.SIGKILL)
            await self.server.kill()
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(end is None or isinstance(end, MatcherCallError) for end in ends)

    async def start(self) -> None:
        """Start the service again on the same data."""
        self.server = await start_server(self.folder, {})


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    """Give a service with 1,000 agents, and with reservations in every state."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        server = await start_server(Path(name), {})
        world = World(Path(name), server, await texts_encoded(server))
        try:
            async with server.client() as client:
                await populate(client)
            yield world
            assert await world.server.stop() == 0
            assert world.server.faults() == []
        finally:
            await world.server.clear()


async def texts_encoded(server: Server) -> float:
    """Return how many texts the server has encoded since its start."""
    return await metric(server, "matcher_encoder_batch_size_sum")


async def populate(client: MatcherClient) -> None:
    """Write agents, and route messages to every state a reservation can have."""
    sturdy = await client.create_pool("sturdy", roster.Pool(offer_duration=Duration(seconds=3600)))
    volcanoes = "I study volcanoes and their eruptions."
    people = {f"crowd-{n}": person(f"I love {PASTIMES[n % 20]}, in village {n}.") for n in range(CROWD)}
    people["vera"] = person(volcanoes, most=2)
    people["otto"] = person(volcanoes, status=roster.OFFLINE)
    people["ines"] = person(volcanoes, most=50)
    people["helen"] = person("I help with orders.", most=10_000, pools=[sturdy.name])
    await hire(client, people)
    others = ["ines", "otto"]
    accepted = await client.route(TEXT, excluded_agents=others, contact_id="c-1", request_id="r-1")
    assert accepted.reservation.agent == client.name("agents", "vera")
    await client.accept(accepted.reservation.name)
    await client.route(TEXT, excluded_agents=others, contact_id="c-2", request_id="r-2", auto_accept=True)
    await client.route("Where is my order?", pool="sturdy", contact_id="c-3", request_id="r-3")
    declined = await client.route(TEXT, contact_id="c-4", request_id="r-4")
    await client.decline(declined.reservation.name, reason="at lunch")
    completed = await client.route(TEXT, contact_id="c-5", request_id="r-5", auto_accept=True)
    await client.complete(completed.reservation.name)


async def read_all(client: MatcherClient) -> dict[str, Message]:
    """Return all the answers of the service about the written agents and reservations."""
    answers: dict[str, Message] = {agent.name: agent async for agent in client.agents()}
    answers |= {pool.name: pool async for pool in client.pools()}
    answers |= {f"holds of {agent}": await client.agent(agent) for agent in ("vera", "otto", "ines")}
    for number in range(1, 6):
        contact = await client.contact(f"c-{number}")
        reservation = await client.reservation(contact.reservation)
        answers |= {contact.name: contact, reservation.name: reservation}
        answers[reservation.decision] = await client.decision(reservation.decision)
    return answers


@pytest.mark.parametrize("end", [World.stop, World.crash_service, World.crash_both])
async def test_everything_acknowledged_is_there_after(world: World, end: Callable[[World], Awaitable[None]]) -> None:
    """After any end the first route is right, all acknowledged writes are there, and no profile was encoded."""
    async with world.server.client() as client:
        before = await read_all(client)
    assert len(before) == CROWD + 4 + 2 + 3 + 15
    await end(world)
    await world.start()
    assert await texts_encoded(world.server) == world.texts_encoded
    assert "interests encoded" not in world.server.log()
    assert f'"adopted": {"true" if end is World.crash_service else "false"}' in world.server.log()
    async with world.server.client() as client:
        # Vera is full and Otto is AWAY: only a server that knows both finds Ines.
        first = await client.route(TEXT)
        assert first.reservation.agent == client.name("agents", "ines")
        await client.cancel(first.reservation.name)
        assert await read_all(client) == before
        replays = {
            "r-1": await client.route(TEXT, excluded_agents=["ines", "otto"], contact_id="c-1", request_id="r-1"),
            "r-3": await client.route("Where is my order?", pool="sturdy", contact_id="c-3", request_id="r-3"),
        }
        assert [answer.replayed for answer in replays.values()] == [True, True]
        assert replays["r-1"].reservation == before[replays["r-1"].reservation.name]

        for answer in world.crashed_under:
            assert await client.reservation(answer.reservation.name) == answer.reservation
        held = [reservation.name async for reservation in client.reservations(agent="helen")]
        assert {answer.reservation.name for answer in world.crashed_under} <= set(held)
        assert (await client.agent("helen")).load == len(held)
