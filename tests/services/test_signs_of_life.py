"""A stream in which nothing happens: it says that it lives, and where to go on."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from matcher.model import ContactEvent, StreamPlace
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.event_hub import EventHub
from matcher.services.watch import WatchService
from matcher.store.contact_events import Steps

START = StreamPlace(5, 1_005)


@dataclass
class House:
    """A site whose stream ends at 5, and a store that has nothing after any place."""

    site: str = "acme"
    hub: EventHub = field(default_factory=lambda: EventHub("acme"))

    async def replica(self, _site: str) -> House:
        """Be the sites."""
        return self

    @property
    def pools(self) -> House:
        """Be a replica."""
        return self

    async def pool(self, _pool: str) -> None:
        """Have every pool."""

    async def end(self, _site: str) -> StreamPlace:
        """Be the store: tell where the stream ends."""
        return START

    async def after(self, _site: str, place: StreamPlace, _most: int) -> Steps:
        """Be the store: tell what followed."""
        return Steps((), place, more=False)

    def streams(self) -> WatchService:
        """Give streams that send a sign of life at once in every silence."""
        doubles: Any = self
        return WatchService(doubles, doubles, doubles, doubles, doubles, doubles, sign_seconds=0.0)


def step(number: int, pool: str) -> ContactEvent:
    """Return a step of a contact of a pool, the stream's event of this number."""
    return ContactEvent("c-1", pool, number, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", 1_000 + number, number)


async def test_a_sign_of_life_moves_on_with_what_happens_elsewhere() -> None:
    """A quiet pool's token follows the busy site, so that it is not too old when it is needed."""
    house = House()
    async with aclosing(house.streams().events("acme", "quiet", None)) as stream:
        assert await anext(stream) == (None, START)
        assert await anext(stream) == (None, START)
        house.hub.publish(step(6, "busy"))
        assert await anext(stream) == (None, StreamPlace(6, 1_006))
        house.hub.publish(step(7, "quiet"))
        assert await anext(stream) == (step(7, "quiet"), StreamPlace(7, 1_007))
        # What the hub tells again was told.
        house.hub.publish_gap(5)
        house.hub.publish(step(7, "quiet"))
        house.hub.publish(step(8, "quiet"))
        told = [await anext(stream) for _ in range(3)]
    assert [event for event, _ in told if event] == [step(8, "quiet")]
