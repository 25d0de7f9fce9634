"""Streams behind a real nginx, which ends a stream after 60 s without a byte from the service."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest

from matcher.client import MatcherCallError
from matcher.v1 import routing_pb2 as pb
from matcher.v1 import routing_pb2_grpc
from tests.nginx import nginx
from tests.people import hire, person
from tests.processes import Server
from tests.services.test_signs_of_life import NGINX_SECONDS
from tests.state_machine.pair import Pair
from tests.streams.quick_service import QUICKER, quick_service
from tests.streams.test_dead_connections import steps_of_now
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.nginx

PATIENCE = f"grpc_read_timeout {round(NGINX_SECONDS / QUICKER)}s;"
LONGER = NGINX_SECONDS / QUICKER + 2.0


def plain_watch(channel: grpc.aio.Channel, contact: str, *, include_progress: bool = False) -> Any:
    """Watch a contact as a plain gRPC client does."""
    stub: routing_pb2_grpc.RoutingServiceAsyncStub = routing_pb2_grpc.RoutingServiceStub(channel)
    return stub.WatchContact(pb.WatchContactRequest(name=contact, include_progress=include_progress))


async def test_quiet_streams_live_longer_than_nginx_waits(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of the client by the signs of life, and a plain WatchContact by the pings of the service."""
    async with quick_service(pair, monkeypatch) as service, nginx(service.target, tmp_path, PATIENCE) as address:
        await service.line_up("c-0")
        async with (
            service.client(address) as client,
            service.streams(client) as streams,
            grpc.aio.insecure_channel(address) as channel,
        ):
            plain = plain_watch(channel, f"sites/{pair.site}/contacts/c-0")
            assert (await plain.read()).sequence == 1
            await asyncio.sleep(LONGER)
            await steps_of_now(service, streams)
            assert [(await plain.read()).sequence for _ in range(2)] == [2, 3]
            assert await plain.read() is grpc.aio.EOF
    assert service.breaks == []


async def test_signs_alone_and_pings_alone_keep_a_stream_open_and_nothing_does_not(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The test waits long enough: nginx ends a stream without both, as it ended every quiet one before."""
    kinds = ((True, False), (False, True), (False, False))
    async with AsyncExitStack() as stack:
        watches = []
        for has_signs, has_pings in kinds:
            folder = tmp_path / f"{has_signs}-{has_pings}"
            folder.mkdir()
            service = await stack.enter_async_context(
                quick_service(pair, monkeypatch, has_signs=has_signs, has_pings=has_pings)
            )
            address = await stack.enter_async_context(nginx(service.target, folder, PATIENCE))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            await service.line_up(folder.name)
            watches.append(plain_watch(channel, f"sites/{pair.site}/contacts/{folder.name}", include_progress=True))
        broke = await asyncio.gather(*map(_broke, watches))
    assert broke == [None, None, grpc.StatusCode.INTERNAL]


async def _broke(watch: Any) -> grpc.StatusCode | None:
    """Read a stream for longer than nginx waits in silence; return the code of its break, None: it stayed open."""
    try:
        async with asyncio.timeout(LONGER):
            while await watch.read() is not grpc.aio.EOF:
                pass
    except TimeoutError:
        return None
    except grpc.aio.AioRpcError as error:
        return error.code()
    raise AssertionError("the stream has ended")


async def test_a_service_that_dies_behind_nginx_is_noticed_by_the_missing_signs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The client is not warned, since nginx answers its pings; it opens the streams again, and misses nothing."""
    async with (
        quick_service(pair, monkeypatch) as service,
        TcpProxy(service.target) as proxy,
        nginx(proxy.address, tmp_path, "grpc_read_timeout 1h;") as address,
    ):
        await service.line_up("c-0")
        async with service.client(address) as client, service.streams(client) as streams:
            proxy.freeze()
            await steps_of_now(service, streams)
    assert {error.code for error in service.breaks} == {grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_a_minute_of_silence_with_the_defaults_of_all(service: Server, tmp_path: Path) -> None:
    """The streams of a real service live behind nginx's defaults; an idle channel that pings is not sent away."""
    site = await service.site()
    breaks: list[MatcherCallError] = []
    pings = (("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1))
    direct = (*pings, ("grpc.http2.max_pings_without_data", 0), ("grpc.use_local_subchannel_pool", 1))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        client = await enter(service.client(site))
        await hire(client, {"bea": person("I keep honey bees.")})
        contact = (await client.route("My bees swarm.", contact_id="c-1", auto_accept=True)).contact
        behind = type(client)(address := await enter(nginx(service.target, tmp_path)), site=site)
        await enter(behind)
        events = await enter(aclosing(behind.watch_events(on_break=breaks.append)))
        desk = await enter(aclosing(behind.watch_reservations("bea", on_break=breaks.append)))
        await anext(events)
        await anext(desk)
        plain = plain_watch(await enter(grpc.aio.insecure_channel(address)), contact)
        assert (await plain.read()).sequence == 1
        idle = await enter(grpc.aio.insecure_channel(service.target, options=direct))
        await idle.channel_ready()
        state = idle.get_state()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(NGINX_SECONDS + 5.0):
                await idle.wait_for_state_change(state)
        await client.cancel_contact("c-1")
        causes = [answer.event.cause async for answer in _until_event(events)]
        assert causes == [pb.CAUSE_CANCELED]
        assert (await plain.read()).cause == pb.CAUSE_CANCELED
    assert breaks == []


async def _until_event(events: Any) -> Any:
    async for answer in events:
        if answer.HasField("event"):
            yield answer
            return
