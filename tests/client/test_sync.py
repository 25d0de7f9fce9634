"""The blocking client: the same calls, answers and errors, without an event loop of the caller's."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from matcher.client import MatcherCallError
from matcher.client import MatcherClient as AsynchronousClient
from matcher.client.sync import MatcherClient
from matcher.v1 import roster_pb2
from matcher.v1 import routing_pb2 as pb
from tests.client.sync_types import FILE, shape, types, with_context
from tests.processes import Server

BEES = "My bees swarm in May."
BEA = roster_pb2.Agent(display_name="Bea", interests=["I keep bees."], status=roster_pb2.ONLINE)


async def test_a_contact_is_routed_watched_and_ended(service: Server) -> None:
    """By a program without asyncio, in a thread of its own."""

    def program(site: str) -> list[pb.Cause.ValueType]:
        with MatcherClient(service.target, site=site) as client:
            client.create_agent("bea", BEA)
            held = client.route(BEES, contact_id="c-1", auto_accept=True)
            assert held.candidate.display_name == "Bea"
            with client.watch_contact("c-1") as events:
                causes = [next(events).cause]
                client.complete(held.reservation.name)
                causes += [event.cause for event in events]
            assert [agent.display_name for agent in client.agents()] == ["Bea"]
            assert client.parent == f"sites/{site}"
            return causes

    causes = await asyncio.to_thread(program, await service.site())
    assert causes == [pb.CAUSE_ACCEPTED, pb.CAUSE_COMPLETED]


async def test_an_error_is_raised_as_it_is(service: Server) -> None:
    """With its reason, also by a stream; and the client goes on."""

    def program(site: str) -> None:
        with MatcherClient(service.target, site=site) as client:
            for call in (lambda: client.agent("nobody"), lambda: list(client.watch_contact("nobody"))):
                with pytest.raises(MatcherCallError) as raised:
                    call()
                assert raised.value.reason in ("AGENT_NOT_FOUND", "CONTACT_NOT_FOUND")
            assert list(client.agents()) == []

    await asyncio.to_thread(program, await service.site())


async def test_threads_share_a_client(service: Server) -> None:
    """Each gets the answer of its own call."""

    def program(site: str) -> None:
        with MatcherClient(service.target, site=site) as client, ThreadPoolExecutor(8) as threads:
            names = [f"a-{number}" for number in range(24)]
            made = threads.map(lambda name: client.create_agent(name, BEA), names)
            assert [agent.name for agent in made] == [client.name("agents", name) for name in names]

    await asyncio.to_thread(program, await service.site())


async def test_a_stream_is_ended_from_another_thread_and_left_alone_in_a_loop(service: Server) -> None:
    """A reader that waits for the next event goes on after its loop; a stream that is dropped ends at the service."""

    def program(site: str) -> int:
        with MatcherClient(service.target, site=site) as client:
            stream = client.watch_events()
            next(stream)
            reading = threading.Timer(0.2, stream.close)
            reading.start()
            heard = sum(1 for answer in stream if answer.HasField("event"))
            reading.join()
            for _ in client.watch_events():
                break
            return heard

    assert await asyncio.to_thread(program, await service.site()) == 0


async def test_an_import_takes_a_generator_and_raises_what_it_raises(service: Server) -> None:
    """A row that calls the client would wait for itself: it is told so, and the rows before it are imported."""

    def program(site: str) -> list[str]:
        with MatcherClient(service.target, site=site) as client:

            def rows() -> Iterator[roster_pb2.ImportRow]:
                yield roster_pb2.ImportRow(agent=roster_pb2.Agent(name=client.name("agents", "bea")))
                client.agent("bea")

            with pytest.raises(RuntimeError, match="would wait for itself"):
                list(client.import_agents(rows()))
            return [agent.name for agent in client.agents()]

    assert len(await asyncio.to_thread(program, await service.site())) <= 1


async def test_a_closed_client_says_so(service: Server) -> None:
    """Before it is opened, and after it is closed, once or twice; it can be opened again."""

    def program() -> None:
        client = MatcherClient(service.target)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="closed"):
                client.list_sites()
            with client:
                client.open()
                assert client.list_sites().sites
                stream = client.watch_events()
                next(stream)
            with pytest.raises(RuntimeError, match="closed"):
                next(stream)
            client.close()

    await asyncio.to_thread(program)


def test_nothing_of_the_asynchronous_client_is_missing() -> None:
    """Each public method is there with its words and its arguments, and none is a coroutine."""
    for name, method in inspect.getmembers(AsynchronousClient, inspect.isfunction):
        if name.startswith("_") or name in ("open", "close"):
            continue
        own = getattr(MatcherClient, name)
        assert not inspect.iscoroutinefunction(own)
        assert (own.__doc__, inspect.signature(own)) == (method.__doc__, inspect.signature(method))


def test_the_types_are_those_of_the_asynchronous_client() -> None:
    """sync.pyi is what `python -m tests.client.sync_types` writes."""
    text = FILE.read_text("utf-8")
    assert shape(text) == shape(with_context(types()))
