"""A service whose signs of life, pings and patience are all shorter than the real ones, by the same factor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from matcher.client import Deadlines, MatcherCallError, MatcherClient, connection
from matcher.errors import AgentExists
from matcher.model import Message, Requirements, Wait
from matcher.model.requests import RouteRequest
from matcher.rpc import server
from matcher.rpc.health import Health
from matcher.services.watch import SIGN_SECONDS, WatchService
from matcher.store.contact_events import EventStore
from matcher.store.roster import RosterStore
from matcher.telemetry import Telemetry
from matcher.v1 import routing_pb2 as pb
from tests.rpc.doubles import Doubles
from tests.state_machine.pair import Pair
from tests.state_machine.service_instance import EVENTS_KEPT
from tests.store.stage import LONG_MS

QUICKER: Final = 10.0
"""A sign of life comes every 2 s, and nginx, whose patience is 60 s, has 6 s."""
ANSWER_QUICKER: Final = 4.0
"""An answer to a ping may take longer, so that a busy machine is not taken for a dead one."""
_FACTORS: Final = {
    "grpc.keepalive_time_ms": QUICKER,
    "grpc.keepalive_timeout_ms": ANSWER_QUICKER,
    "grpc.http2.ping_timeout_ms": ANSWER_QUICKER,
    "grpc.http2.min_ping_interval_without_data_ms": QUICKER,
}
SERVER_OPTIONS: Final = server.KEEPALIVE_OPTIONS
CLIENT_OPTIONS: Final = connection.CHANNEL_OPTIONS


def quicker(options: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return options of gRPC with shorter times of its pings."""
    return tuple((name, round(value / _FACTORS.get(name, 1.0))) for name, value in options)


@dataclass
class QuickService:
    """A gRPC server on loopback with real watches on a real store."""

    target: str
    pair: Pair
    breaks: list[MatcherCallError] = field(default_factory=list)

    def client(self, target: str) -> MatcherClient:
        """Return a client that loses patience as much sooner as the signs of life come sooner."""
        silence = Deadlines().watch_silence / QUICKER
        return MatcherClient(target, site=self.pair.site, deadlines=replace(Deadlines(), watch_silence=silence))

    async def line_up(self, contact: str) -> None:
        """Let a contact wait, or be offered to an agent who is free."""
        request = RouteRequest(Message("roses", "", Requirements()), contact_id=contact, wait=Wait(LONG_MS))
        await self.pair.slow.router.route(self.pair.site, request)

    @asynccontextmanager
    async def streams(self, client: MatcherClient) -> AsyncIterator[Streams]:
        """Open the three streams of a contact c-0, which is offered to ana, and read what they begin with."""
        async with AsyncExitStack() as stack:
            enter, told = stack.enter_async_context, self.breaks.append
            contact = await enter(aclosing(client.watch_contact("c-0", on_break=told)))
            events = await enter(aclosing(client.watch_events(on_break=told)))
            desk = await enter(aclosing(client.watch_reservations("ana", on_break=told)))
            streams = Streams(contact, events, desk)
            assert (await anext(contact)).cause == pb.CAUSE_OFFERED
            assert not (await anext(events)).HasField("event")
            assert (await streams.next_reservation()).state == pb.PENDING
            yield streams


@dataclass
class Streams:
    """The three streams of a client, which leave the signs of life out."""

    contact: AsyncGenerator[pb.ContactEvent, None]
    events: AsyncGenerator[pb.WatchEventsResponse, None]
    desk: AsyncGenerator[Any, None]

    async def next_event(self) -> pb.ContactEvent:
        """Return the next event of the site."""
        async for answer in self.events:
            if answer.HasField("event"):
                return answer.event
        raise AssertionError

    async def next_reservation(self) -> pb.Reservation:
        """Return the next reservation of the desk."""
        async for answer in self.desk:
            if answer.HasField("reservation"):
                reservation: pb.Reservation = answer.reservation
                return reservation
        raise AssertionError


@asynccontextmanager
async def quick_service(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, *, has_signs: bool = True, has_pings: bool = True
) -> AsyncIterator[QuickService]:
    """Serve during the block; without signs or pings as a service that has none."""
    monkeypatch.setattr(server, "KEEPALIVE_OPTIONS", quicker(SERVER_OPTIONS) if has_pings else ())
    monkeypatch.setattr(connection, "CHANNEL_OPTIONS", quicker(CLIENT_OPTIONS))
    instance, store = pair.slow, pair.connection
    watch = WatchService(
        instance.sites,
        instance.queue,
        EventStore(store),
        instance.routing,
        RosterStore(store, EVENTS_KEPT),
        instance.clock,
        sign_seconds=SIGN_SECONDS / QUICKER if has_signs else 1_000.0,
    )
    telemetry = Telemetry()
    services = replace(Doubles().services, watch=watch, reservations=instance.reservations)
    serving = server.build_server(services, Health(telemetry), telemetry)
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    with suppress(AgentExists):
        await pair.create("ana", capacity=100)
    await pair.catch_up()
    try:
        yield QuickService(f"127.0.0.1:{port}", pair)
    finally:
        await serving.stop(None)
