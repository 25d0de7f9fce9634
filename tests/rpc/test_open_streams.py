"""Bounds of open streams, of imports and of lists: what one caller cannot take from all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from matcher.model import ContactEvent, Page, StreamPlace
from matcher.rpc import import_agents
from matcher.rpc.health import Health
from matcher.rpc.open_streams import LISTS_AT_ONCE, MOST_CONCURRENT, MOST_IMPORTS_OF_SITE, OpenStreams
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import roster_pb2, roster_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.rpc.conftest import failure
from tests.rpc.doubles import Doubles, WatchDouble


class SilentWatch(WatchDouble):
    """A watch that sends a sign of life and then nothing."""

    async def events(self, *_: Any) -> AsyncGenerator[tuple[ContactEvent | None, StreamPlace], None]:
        """Stay open."""
        yield None, StreamPlace(1, 1)
        await asyncio.Event().wait()


@dataclass
class Served:
    """A real server with few places."""

    routing: Any
    people: Any
    streams: OpenStreams
    doubles: Doubles
    address: str

    async def watch(self, site: str) -> Any:
        """Open a stream, and wait until it is open."""
        call = self.routing.WatchEvents(routing_pb2.WatchEventsRequest(parent=f"sites/{site}"))
        assert await call.read() is not grpc.aio.EOF
        return call

    async def refused(self, site: str) -> tuple[grpc.StatusCode, str, dict[str, str], float | None]:
        """Open a stream that is refused."""
        refusal = await failure(self.routing.WatchEvents(routing_pb2.WatchEventsRequest(parent=f"sites/{site}")))
        return refusal.code, refusal.reason, refusal.metadata, refusal.retry_seconds

    async def until_open(self, streams: int) -> None:
        """Wait until so many streams are open."""
        async with asyncio.timeout(30):
            while self.streams.open != streams:  # noqa: ASYNC110 - a place has no event
                await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(most: int, most_of_site: int, calls: int = MOST_CONCURRENT) -> AsyncIterator[Served]:
    """Serve with so many places, and so many calls a connection."""
    doubles, telemetry, streams = Doubles(watch=SilentWatch()), Telemetry(), OpenStreams(most, most_of_site)
    server = build_server(doubles.services, Health(telemetry), telemetry, streams=streams, calls_per_connection=calls)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        routing, people = routing_pb2_grpc.RoutingServiceStub(channel), roster_pb2_grpc.RosterServiceStub(channel)
        yield Served(routing, people, streams, doubles, f"127.0.0.1:{port}")
    await server.stop(None)


async def test_a_site_has_only_its_own_places() -> None:
    """The third stream of a site is refused with the reason, another site's is opened; a stream that ends gives way."""
    async with serving(10, 2) as served:
        first = await served.watch("a")
        await served.watch("a")
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", {"of": "site", "limit": "2"}, 1.0)
        assert await served.refused("a") == exhausted
        await served.watch("b")
        first.cancel()
        await served.until_open(2)
        await served.watch("a")


async def test_the_process_has_a_bound_for_all_sites() -> None:
    """However many sites share it."""
    async with serving(3, 2) as served:
        for site in "abc":
            await served.watch(site)
        exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", {"of": "process", "limit": "3"}, 1.0)
        assert await served.refused("d") == exhausted
        answer = await served.routing.GetContact(routing_pb2.GetContactRequest(name="sites/d/contacts/c-1"))
        assert answer.name  # calls that are no streams have their own bounds


async def test_a_connection_has_a_bound_of_open_calls() -> None:
    """With 16 streams open the next call of a connection waits until one ends; that of another connection does not."""
    async with serving(100, 100, calls=16) as served:
        streams = [await served.watch("north") for _ in range(16)]
        waiting = asyncio.create_task(served.watch("north"))
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(served.address, options) as other:
            watch = routing_pb2_grpc.RoutingServiceStub(other).WatchEvents(
                routing_pb2.WatchEventsRequest(parent="sites/north")
            )
            assert await watch.read() is not grpc.aio.EOF
            await served.until_open(17)
            assert not waiting.done()
            streams[0].cancel()
            await waiting
            await served.until_open(17)


async def test_a_site_has_a_few_imports_at_once() -> None:
    """Those beyond are refused, and nothing of them is imported; those that run are not disturbed."""
    async with serving(100, 100) as served:
        config = roster_pb2.ImportAgentsRequest(config=roster_pb2.ImportConfig(parent="sites/default"))
        row = roster_pb2.ImportRow(row=1, agent_id="maya", agent=roster_pb2.Agent(interests=["I sail."]))
        running = [served.people.ImportAgents() for _ in range(MOST_IMPORTS_OF_SITE)]
        for call in running:
            await call.write(config)
            await call.write(roster_pb2.ImportAgentsRequest(row=row))
            assert (await call.read()).row == 1
        one_more = served.people.ImportAgents()
        await one_more.write(config)
        refusal = await failure(one_more)
        assert (refusal.reason, refusal.metadata["of"]) == ("TOO_MANY_STREAMS", "site")
        for call in running:
            await call.write(roster_pb2.ImportAgentsRequest(end=roster_pb2.ImportEnd()))
            await call.done_writing()
            while await call.read() is not grpc.aio.EOF:
                pass
            assert await call.code() is grpc.StatusCode.OK


async def test_an_import_that_never_begins_gives_its_place_back(monkeypatch: Any) -> None:
    """A caller who opens the stream and sends nothing gets the reason, and no other import is kept out for ever."""
    monkeypatch.setattr(import_agents, "CONFIG_SECONDS", 0.05)
    async with serving(100, 100) as served:
        refusal = await failure(served.people.ImportAgents())
        assert refusal.violations == {"config": "did not come within 0.05 s"}
        assert served.streams.imports.open == 0


async def test_an_import_that_never_goes_on_gives_its_place_back(monkeypatch: Any) -> None:
    """A caller who sends the site and nothing more gets the reason."""
    monkeypatch.setattr(import_agents, "SILENT_SECONDS", 0.05)
    async with serving(100, 100) as served:
        silent = served.people.ImportAgents()
        await silent.write(roster_pb2.ImportAgentsRequest(config=roster_pb2.ImportConfig(parent="sites/default")))
        refusal = await failure(silent)
        assert refusal.violations == {"step": "did not come within 0.05 s"}
        assert served.streams.imports.open == 0


async def test_only_a_few_lists_are_made_at_once(monkeypatch: Any) -> None:
    """A page can be large: the others wait, and each is answered."""
    async with serving(10, 10) as served:
        now, most, go_on = 0, 0, asyncio.Event()

        async def agents(*_: Any, **__: Any) -> Page[Any]:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await go_on.wait()
            now -= 1
            return Page((), "")

        monkeypatch.setattr(served.doubles.agents, "agents", agents)
        request = roster_pb2.ListAgentsRequest(parent="sites/default")
        calls = [served.people.ListAgents(request) for _ in range(4 * LISTS_AT_ONCE)]
        async with asyncio.timeout(30):
            while now < LISTS_AT_ONCE:  # noqa: ASYNC110 - the double has no event for its callers
                await asyncio.sleep(0.001)
        # A call that does not wait for a place comes after all of these, and is answered.
        assert (await served.people.GetAgent(roster_pb2.GetAgentRequest(name="sites/default/agents/maya"))).name
        go_on.set()
        await asyncio.gather(*calls)
        assert most == LISTS_AT_ONCE
