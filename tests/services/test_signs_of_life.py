"""Signs of life of a silent watch, each with the place to resume from."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from matcher.client import Deadlines
from matcher.client.connection import CHANNEL_OPTIONS
from matcher.model import ContactEvent, StreamPlace
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.event_hub import EventHub
from matcher.rpc.server import KEEPALIVE_OPTIONS
from matcher.services.watch import SIGN_SECONDS, WatchService
from matcher.store.contact_events import Steps
from tests.processes import ROOT

NGINX_SECONDS = 60.0
"""After so long without a byte from the service nginx ends a stream, by default (grpc_read_timeout)."""
START = StreamPlace(5, 1_005)


@dataclass
class Stand:
    """Stands for the registry, a replica, its pools and the store of a site whose stream ends at 5."""

    site: str = "acme"
    hub: EventHub = field(default_factory=lambda: EventHub("acme"))

    async def replica(self, _site: str) -> Stand:
        """Stand for the registry: return the replica."""
        return self

    @property
    def pools(self) -> Stand:
        """Stand for the replica: return its pools."""
        return self

    async def pool(self, _pool: str) -> None:
        """Stand for the pools: know every pool."""

    async def end(self, _site: str) -> StreamPlace:
        """Stand for the store: return the end of the stream."""
        return START

    async def after(self, _site: str, place: StreamPlace, _most: int) -> Steps:
        """Stand for the store: return no event after any place."""
        return Steps((), place, more=False)

    def watch(self) -> WatchService:
        """Return a service whose streams send a sign of life at once in every silence."""
        doubles: Any = self
        return WatchService(doubles, doubles, doubles, doubles, doubles, doubles, sign_seconds=0.0)


def event(number: int, pool: str) -> ContactEvent:
    """Return an event of a contact of a pool, with this number in the stream."""
    return ContactEvent("c-1", pool, number, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", 1_000 + number, number)


async def test_a_sign_of_life_has_the_place_of_the_latest_event_of_the_site() -> None:
    """The token of a quiet pool follows the busy site, so that its events are not trimmed when it is used."""
    stand = Stand()
    async with aclosing(stand.watch().events("acme", "quiet", None)) as stream:
        assert await anext(stream) == (None, START)
        assert await anext(stream) == (None, START)
        stand.hub.publish(event(6, "busy"))
        assert await anext(stream) == (None, StreamPlace(6, 1_006))
        stand.hub.publish(event(7, "quiet"))
        assert await anext(stream) == (event(7, "quiet"), StreamPlace(7, 1_007))
        # Event 7 is published again, and was sent.
        stand.hub.publish_gap(5)
        stand.hub.publish(event(7, "quiet"))
        stand.hub.publish(event(8, "quiet"))
        sent = [await anext(stream) for _ in range(3)]
    assert [message for message, _ in sent if message] == [event(8, "quiet")]


def test_the_periods_of_signs_pings_and_patience_fit_together() -> None:
    """Signs and pings come three times before nginx loses patience, and the client reconnects after two lost signs."""
    service, client = dict(KEEPALIVE_OPTIONS), dict(CHANNEL_OPTIONS)
    assert SIGN_SECONDS * 3 <= NGINX_SECONDS
    assert service["grpc.keepalive_time_ms"] <= SIGN_SECONDS * 1_000
    assert 2 * SIGN_SECONDS < Deadlines().watch_silence < 3 * SIGN_SECONDS
    # An answer to a ping has this long only with both: gRPC's own limit is a minute.
    assert [options["grpc.http2.ping_timeout_ms"] for options in (client, service)] == [10_000, 20_000]
    assert client["grpc.keepalive_time_ms"] >= service["grpc.http2.min_ping_interval_without_data_ms"]
    proto = "".join(file.read_text("utf-8") for file in (ROOT / "proto/matcher/v1").glob("ro*.proto"))
    assert proto.count(f"after {SIGN_SECONDS:g} s") == 3
