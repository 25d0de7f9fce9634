"""Outages of the store, and the message of a server that cannot start."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from matcher.client import MatcherCallError
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, ServerDidNotStart, Store, health, start_server

TEXT = "My telescope shows the moons of Jupiter upside down."


@pytest.fixture
async def fragile() -> AsyncIterator[Store]:
    """Give a store that a test may freeze and kill."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            yield store
        finally:
            await store.end(signal.SIGKILL)


async def refused(server: Server) -> MatcherCallError:
    """Return the error of a route that the client does not repeat."""
    request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text=TEXT))
    async with grpc.aio.insecure_channel(server.target, options=[("grpc.enable_retries", 0)]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await routing_pb2_grpc.RoutingServiceStub(channel).RouteMessage(request, timeout=30)
    return MatcherCallError.of_call(failed.value)


async def test_a_server_reports_that_its_store_is_away_and_recovers(fragile: Store, launch: StartServer) -> None:
    """A frozen and a killed store: NOT_SERVING and UNAVAILABLE; once it is back, SERVING and the right agent."""
    server = await launch({"MATCHER_STORE_URL": fragile.url, "MATCHER_STORE_TIMEOUT_SECONDS": "1"})

    async def serving() -> bool:
        return await health(server.target)

    async def not_serving() -> bool:
        return not await health(server.target)

    async with server.client() as client:
        await hire(client, {name: person("I watch the moons of Jupiter.") for name in ("anna", "boris", "carla")})
        taken = {(await client.route(TEXT)).reservation.agent}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            fragile.send(number)
            seconds = await wait_until(not_serving, "health says that the store is away")
            print(f"{number.name}: NOT_SERVING after {seconds:.2f} s")  # noqa: T201 - figures for a run with -s
            failure = await refused(server)
            assert failure.code is grpc.StatusCode.UNAVAILABLE
            assert failure.reason == "STORE_UNAVAILABLE"
            assert failure.retry_after is not None
            assert str(fragile.socket) not in failure.message
            if number is signal.SIGSTOP:
                fragile.send(signal.SIGCONT)
            else:
                await fragile.start()
            await wait_until(serving, "health says that the store is back")
            answer = await client.route(TEXT)
            assert answer.reservation.agent not in taken
            taken.add(answer.reservation.agent)
        assert taken == {client.name("agents", name) for name in ("anna", "boris", "carla")}
        assert (await client.route(TEXT)).unmatched.reason == pb.CONSTRAINT_CAPACITY


async def test_a_server_that_cannot_start_reports_why_in_one_line(tmp_path: Path) -> None:
    """A store that does not answer, an unknown setting and a wrong one: one line and an exit code that is not 0."""
    hopeless = {
        "the store at redis://127.0.0.1:1/0 does not answer": {"MATCHER_STORE_URL": "redis://:s3cret@127.0.0.1:1/0"},
        "unknown setting MATCHER_STOER_URL": {"MATCHER_STOER_URL": "redis://127.0.0.1"},
        "MATCHER_STORE_CALLS": {"MATCHER_STORE_CALLS": "many"},
        "MATCHER_BEYOND_LOOPBACK=true": {"MATCHER_LISTEN": "0.0.0.0:0"},
        "MATCHER_UNAUTHENTICATED=true": {"MATCHER_LISTEN": "0.0.0.0:0", "MATCHER_BEYOND_LOOPBACK": "true"},
        "MATCHER_AUTH": {"MATCHER_AUTH": "passwords"},
    }
    ends = await asyncio.gather(
        *(start_server(tmp_path, settings) for settings in hopeless.values()), return_exceptions=True
    )
    for why, end in zip(hopeless, ends, strict=True):
        assert isinstance(end, ServerDidNotStart)
        assert end.code == 1
        said = [line for line in end.output.splitlines() if not line.startswith("{")]
        assert [line.startswith("matcher: ") and why in line for line in said] == [True], end.output
        assert "s3cret" not in end.output
        for line in end.output.splitlines():
            assert line in said or json.loads(line)["level"] == "info"
