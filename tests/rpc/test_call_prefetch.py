"""Registered methods, and calls that the server requests ahead of time."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2

from matcher.rpc import call_prefetch
from matcher.rpc.call_prefetch import BUSIEST, MOST_PREFETCHED, REGISTERED, Prefetch
from matcher.rpc.health import Health
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from tests.rpc.conftest import Service
from tests.rpc.doubles import Doubles

CROWD: Final = 1_500
SECONDS_TO_ARRIVE: Final = 1.0
SERVED = {pb.DESCRIPTOR.package, health_pb2.DESCRIPTOR.package}


class Core:
    """Stands for gRPC's core: answers the requests for a call, in their order, when the test says so."""

    def __init__(self) -> None:
        self.requested: list[asyncio.Future[int]] = []

    async def request(self) -> int:
        """Request the next call."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.requested.append(future)
        return await future

    async def deliver(self, *numbers: int) -> None:
        """Answer the oldest requests with these calls."""
        for number in numbers:
            self.requested.pop(0).set_result(number)
        await settle()


async def settle() -> None:
    """Run everything that is ready."""
    for _ in range(4):
        await asyncio.sleep(0)


def test_every_registered_method_exists() -> None:
    """A method that was renamed would silently lose its registration, and share one request with all others."""
    for path in REGISTERED:
        service, _, name = path.removeprefix("/").partition("/")
        method = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
        assert method.containing_service.file.package in SERVED


async def test_several_calls_are_requested_and_handed_out_in_the_order_of_their_arrival() -> None:
    """Of three calls that arrive together each is handed out at once; the number of requests never grows."""
    core = Core()
    prefetch = Prefetch(core.request, 4)
    first = prefetch.next()
    await settle()
    assert len(core.requested) == 4
    await core.deliver(1, 2, 3)
    assert first.result() == 1
    assert prefetch.arrived == 2
    second, third, fourth = prefetch.next(), prefetch.next(), prefetch.next()
    await settle()
    assert (second.result(), third.result(), fourth.done()) == (2, 3, False)
    assert len(core.requested) == 4


async def test_a_failure_is_handed_out_and_the_next_call_is_requested_again() -> None:
    """A failed request fails the waiting `next`; a failure while no `next` waits is ignored."""
    core = Core()
    prefetch = Prefetch(core.request, 2)
    waiting = prefetch.next()
    await settle()
    core.requested.pop(0).set_exception(RuntimeError("away"))
    core.requested.pop(0).set_exception(RuntimeError("away"))
    await settle()
    with pytest.raises(RuntimeError, match="away"):
        waiting.result()
    again = prefetch.next()
    await settle()
    assert len(core.requested) == 2
    await core.deliver(7)
    assert again.result() == 7


async def test_a_stop_requests_no_more_calls_and_drops_later_ones() -> None:
    """After `close` the calls that have arrived are still handed out; after `drop` a call that arrives is dropped."""
    core = Core()
    prefetch = Prefetch(core.request, 3)
    prefetch.next()
    await settle()
    await core.deliver(1, 2)
    prefetch.close()
    assert prefetch.next().result() == 2
    prefetch.next().cancel()
    assert len(core.requested) == 1
    prefetch.drop()
    await core.deliver(3)
    assert prefetch.arrived == 0


async def test_the_server_prefetches_calls_of_route_message(service: Service) -> None:
    """A version of grpcio that works differently fails this test; with it, calls are accepted one by one."""
    inner: Any = service.server
    prefetch = inner._server.prefetch
    assert len(prefetch._requested) + prefetch.arrived == MOST_PREFETCHED


async def test_a_grpc_without_its_private_parts_serves_by_the_public_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls are accepted one at a time then, and each is answered."""
    monkeypatch.setattr(call_prefetch, "prefetch_fits", lambda: False)
    telemetry = Telemetry()
    server = build_server(Doubles().services, Health(telemetry), telemetry)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        route: Any = channel.unary_unary(BUSIEST, response_deserializer=pb.RouteMessageResponse.FromString)
        request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="I climb."))
        answers = await asyncio.gather(*(route(request.SerializeToString()) for _ in range(20)))
    assert all(answer.HasField("reservation") for answer in answers)
    inner: Any = server
    assert not hasattr(inner._server, "prefetch")
    await server.stop(0)


async def test_every_call_of_a_crowd_that_arrives_while_the_loop_is_blocked_is_answered(service: Service) -> None:
    """Above 1,000 waiting calls gRPC's default limit ended calls with CANCELLED and no reason."""
    request = pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text="I climb.")).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        route: Any = channel.unary_unary(BUSIEST)
        calls = [route.future(request) for _ in range(CROWD)]
        time.sleep(SECONDS_TO_ARRIVE)  # noqa: ASYNC251 - the loop must block while gRPC's threads go on
        codes = await asyncio.to_thread(lambda: {call.code() for call in calls})
    assert codes == {grpc.StatusCode.OK}
