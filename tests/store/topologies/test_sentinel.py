"""Two servers of the service on a primary and a replica that a Sentinel watches: the primary is killed."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, loads, person, wait_until
from tests.processes import health
from tests.store.topologies.nodes import Watched

TEXT = "My hive tool has not arrived, and the bees are swarming."
AGENTS = [f"agent-{number}" for number in range(20)]
MOST = 3


async def route(client: MatcherClient, times: int) -> list[pb.Reservation]:
    """Route messages one after another; each must get a reservation."""
    reservations = [(await client.route(TEXT, deadline=30)).reservation for _ in range(times)]
    assert all(reservation.name for reservation in reservations)
    return reservations


async def test_a_killed_primary_is_replaced_and_its_unreplicated_writes_are_noticed(
    watched: Watched, launch: StartServer
) -> None:
    """The service goes on without help, with every decision that was replicated.

    Decisions that only the killed primary had are lost, and the service says so: their reservations are NOT_FOUND at
    both servers, which read the site again and log it, and their capacity is free. No agent has more contacts than
    their capacity, and no fence is given twice.
    """
    one, other = await asyncio.gather(*(launch({"MATCHER_STORE_URL": watched.url}) for _ in range(2)))
    async with one.client() as here, other.client() as there:
        await hire(here, {agent: person("I keep honey bees.", most=MOST) for agent in AGENTS})
        kept = await route(here, 5) + await route(there, 5)
        waiting = (await here.route(TEXT, required_skills={"bees": 1}, wait=True)).contact
        await watched.replicate()
        await watched.cut_off_replica()
        lost = await route(here, 3) + await route(there, 3)
        assert sum((await loads(here, AGENTS)).values()) == len(kept + lost)

        started = time.monotonic()
        await watched.primary.kill()
        watched.replica.send(signal.SIGCONT)
        first = await route(here, 1)
        seconds = time.monotonic() - started
        print(f"a decision {seconds:.2f} s after the primary was killed")  # noqa: T201 - shown with pytest -s
        first += await route(there, 1)
        assert await watched.replica.role() == "master"

        for client in (here, there):
            assert (await client.contact(waiting)).state == pb.CONTACT_QUEUED
            assert [(await client.reservation(held.name)).fence for held in kept] == [held.fence for held in kept]
            for held in lost:
                with pytest.raises(MatcherCallError) as missing:
                    await client.accept(held.name, fence=held.fence)
                assert missing.value.reason == "RESERVATION_NOT_FOUND"

        since = [*first]
        for client in (here, there) * (len(AGENTS) * MOST):
            answer = await client.route(TEXT)
            if not answer.HasField("reservation"):
                break
            since.append(answer.reservation)
        assert len(kept + since) == len(AGENTS) * MOST
        assert await loads(there, AGENTS) == dict.fromkeys(AGENTS, MOST)
        fences: dict[str, int] = {}
        for reservation in kept + lost + since:
            assert reservation.fence > fences.get(reservation.agent, 0)
            fences[reservation.agent] = reservation.fence
        await watched.primary.start()
        await here.cancel(since[-1].name)
        # A server learns of released capacity by an event.
        while not (answer := await here.route(TEXT)).HasField("reservation"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        since[-1] = answer.reservation
        assert (await there.reservation(since[-1].name)).fence == since[-1].fence
        for server in (one, other):
            assert "another server answers for the site" in server.log()

            async def serving(target: str = server.target) -> bool:
                return await health(target)

            await wait_until(serving, "health says that the store is back")
