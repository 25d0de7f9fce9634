"""The client's streams through connections that die without a word, that are late, and that are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from matcher.v1 import routing_pb2 as pb
from tests.state_machine.pair import Pair
from tests.streams.quick_service import QuickService, Streams, quick_service
from tests.tcp_proxy import TcpProxy


async def steps_of_now(service: QuickService, streams: Streams) -> None:
    """Let the contact be accepted and canceled: every stream tells both steps, each once."""
    pair = service.pair
    (held,) = (await pair.slow.reservations.reservations(pair.site, "ana", 10, "")).items
    await pair.slow.reservations.accept(pair.site, held.id, 0)
    await pair.slow.contacts.cancel(pair.site, "c-0")
    async with asyncio.timeout(60):
        assert [(await streams.next_event()).cause for _ in range(2)] == [pb.CAUSE_ACCEPTED, pb.CAUSE_CANCELED]
        assert [step.sequence async for step in streams.contact] == [2, 3]
        while (state := (await streams.next_reservation()).state) != pb.CANCELED:
            assert state == pb.ACCEPTED


async def test_a_dead_connection_is_noticed_and_every_stream_goes_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes through any more, and no end is told: the client opens another connection, and misses nothing."""
    async with quick_service(pair, monkeypatch) as service, TcpProxy(service.target) as proxy:
        await service.line_up("c-0")
        async with service.client(proxy.address) as client, service.streams(client) as streams:
            proxy.freeze()
            await steps_of_now(service, streams)
    assert len(service.breaks) >= 3


async def test_streams_over_a_slow_connection_stay_open(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes is late by a fifth of the time that a sign of life has: the client does not lose patience."""
    async with quick_service(pair, monkeypatch) as service, TcpProxy(service.target) as proxy:
        proxy.delay = 0.2
        await service.line_up("c-0")
        async with service.client(proxy.address) as client, service.streams(client) as streams:
            await steps_of_now(service, streams)
    assert service.breaks == []


async def test_a_contact_is_watched_on_though_the_stream_broke_before_its_first_step(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who knows all steps hears of none at first; a cut then is no reason to give up."""
    async with quick_service(pair, monkeypatch) as service, TcpProxy(service.target) as proxy:
        await service.line_up("c-0")
        broke = asyncio.Event()
        async with service.client(proxy.address) as client:
            stream = client.watch_contact("c-0", after_sequence=1, on_break=lambda _: broke.set())
            step = asyncio.ensure_future(anext(stream))
            async with asyncio.timeout(60):
                while (
                    not broke.is_set()
                ):  # the first attempt must have been answered, and the caller hears nothing of it
                    await asyncio.sleep(0.5)
                    await proxy.cut()
                await pair.slow.contacts.cancel(pair.site, "c-0")
                assert (await step).cause == pb.CAUSE_CANCELED
            await stream.aclose()


async def test_an_idle_channel_that_pings_is_not_sent_away(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain client pings every second and calls nothing; a server with the defaults of gRPC sends it away."""
    async with (
        quick_service(pair, monkeypatch) as ours,
        quick_service(pair, monkeypatch, has_pings=False) as default,
        idle_channel(ours) as kept,
        idle_channel(default) as sent_away,
    ):
        async with asyncio.timeout(60):
            await sent_away.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert kept.get_state() is grpc.ChannelConnectivity.READY


@asynccontextmanager
async def idle_channel(service: QuickService) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel that is connected and pings every second."""
    options = (
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    )
    async with grpc.aio.insecure_channel(service.target, options=options) as channel:
        await channel.channel_ready()
        yield channel
