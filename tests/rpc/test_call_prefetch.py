"""The doors at which gRPC lets calls in, and the calls that are asked for ahead."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2

from matcher.rpc.call_prefetch import BUSIEST, MOST_PREFETCHED, REGISTERED, Prefetch
from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service

CROWD: Final = 1_500
SECONDS_TO_ARRIVE: Final = 1.0
SERVED = {pb.DESCRIPTOR.package, health_pb2.DESCRIPTOR.package}


class Core:
    """Stands for gRPC's core: answers those who ask for a call, in their order, when the test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[int]] = []

    async def ask(self) -> int:
        """Ask for the next call."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.asked.append(future)
        return await future

    async def let_in(self, *numbers: int) -> None:
        """Answer the first who ask."""
        for number in numbers:
            self.asked.pop(0).set_result(number)
        await settle()


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(4):
        await asyncio.sleep(0)


def test_every_door_leads_to_a_method_that_is_served() -> None:
    """A method that was renamed would lose its door without a word, and stand in line with all others."""
    for door in REGISTERED:
        service, _, name = door.removeprefix("/").partition("/")
        method = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        assert method.containing_service.file.package in SERVED


async def test_several_calls_are_asked_for_and_handed_out_in_the_order_of_coming() -> None:
    """Of three that come at once the first is handed out at once, the others without asking; never more are asked."""
    core = Core()
    ahead = Prefetch(core.ask, 4)
    first = ahead.next()
    await settle()
    assert len(core.asked) == 4
    await core.let_in(1, 2, 3)
    assert first.result() == 1
    assert ahead.arrived == 2
    second, third, fourth = ahead.next(), ahead.next(), ahead.next()
    await settle()
    assert (second.result(), third.result(), fourth.done()) == (2, 3, False)
    assert len(core.asked) == 4


async def test_a_failure_is_handed_out_and_the_next_is_asked_for_anew() -> None:
    """Who waits for a call hears that asking failed; nobody hears of a failure while nobody waits."""
    core = Core()
    ahead = Prefetch(core.ask, 2)
    waiting = ahead.next()
    await settle()
    core.asked.pop(0).set_exception(RuntimeError("away"))
    core.asked.pop(0).set_exception(RuntimeError("away"))
    await settle()
    with pytest.raises(RuntimeError, match="away"):
        waiting.result()
    again = ahead.next()
    await settle()
    assert len(core.asked) == 2
    await core.let_in(7)
    assert again.result() == 7


async def test_a_stop_asks_for_no_more_and_forgets_what_comes_later() -> None:
    """Closed, what has come is still handed out; dropped, a call that comes is kept by nobody."""
    core = Core()
    ahead = Prefetch(core.ask, 3)
    ahead.next()
    await settle()
    await core.let_in(1, 2)
    ahead.close()
    assert ahead.next().result() == 2
    ahead.next().cancel()
    assert len(core.asked) == 1
    ahead.drop()
    await core.let_in(3)
    assert ahead.arrived == 0


async def test_the_server_asks_ahead_for_routes(service: Service) -> None:
    """With the grpcio that is installed: a version that asks otherwise is noticed here, and serves one by one."""
    inner: Any = service.server
    ahead = inner._server.prefetch
    assert len(ahead._requested) + ahead.arrived == MOST_PREFETCHED


async def test_a_crowd_that_comes_while_nobody_takes_calls_up_is_answered_to_the_last(service: Service) -> None:
    """Above 1,000 that wait gRPC's own limit ended calls CANCELLED, and nobody learned why."""
    request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="I climb.")).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        route: Any = channel.unary_unary(BUSIEST)
        calls = [route.future(request) for _ in range(CROWD)]
        time.sleep(SECONDS_TO_ARRIVE)  # noqa: ASYNC251 - the loop is to stand, while gRPC's threads go on
        codes = await asyncio.to_thread(lambda: {call.code() for call in calls})
    assert codes == {grpc.StatusCode.OK}
