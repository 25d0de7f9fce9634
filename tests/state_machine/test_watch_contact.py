"""A watch of a contact: every step from the beginning, or an answer that says that the first steps are forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

import pytest

from matcher.errors import EventsForgotten
from matcher.model import ContactEvent, ContactSign, Message, Queued, Requirements, Wait
from matcher.model.lifecycle import ContactState
from matcher.model.requests import RouteRequest
from matcher.services.watch import WatchService
from matcher.store.contact_events import EventStore
from matcher.store.keys import Keys
from matcher.store.roster import RosterStore
from tests.state_machine.pair import Pair
from tests.state_machine.service_instance import EVENTS_KEPT
from tests.store.stage import LONG_MS


def watch_service(pair: Pair, *, sign_seconds: float = 1.0, place_seconds: float = 1.0) -> WatchService:
    """Return the watches of the slow server."""
    server, connection = pair.slow, pair.connection
    return WatchService(
        server.sites,
        server.queue,
        EventStore(connection),
        server.routing,
        RosterStore(connection, EVENTS_KEPT),
        server.clock,
        sign_seconds=sign_seconds,
        place_seconds=place_seconds,
    )


async def watched(pair: Pair, after_sequence: int) -> list[ContactEvent]:
    """Watch the contact c after a step until it has ended."""
    told = watch_service(pair).contact(pair.site, "c", after_sequence)
    return [event async for event in told if isinstance(event, ContactEvent)]


async def test_a_watcher_of_a_very_long_contact_is_told_what_is_forgotten(pair: Pair) -> None:
    """From the beginning: EVENTS_FORGOTTEN with the first step there is; from that step on all steps come."""
    await pair.slow.router.route(
        pair.site, RouteRequest(Message("roses", "", Requirements()), contact_id="c", wait=Wait(LONG_MS))
    )
    long = "".join(f"{number}|QUEUED|NOBODY_FREE|{'r' * 32}||1764505800000;" for number in range(1, 1_001))
    await pair.connection.run("HSET", Keys(pair.site).contact("c"), "history", long, "sequence", 1_000)
    await pair.slow.contacts.cancel(pair.site, "c")
    with pytest.raises(EventsForgotten) as forgotten:
        await watched(pair, 0)
    metadata = forgotten.value.metadata
    assert metadata["contact"] == f"sites/{pair.site}/contacts/c"
    oldest = int(metadata["oldest"])
    steps = await watched(pair, oldest - 1)
    assert [step.sequence for step in steps] == list(range(oldest, 1_002))


async def test_watchers_are_told_their_places_which_are_computed_once_a_second(pair: Pair) -> None:
    """Twenty customers see their places, and the next places when the first one leaves; no watcher computes a place."""
    server, contacts = pair.slow, [f"c-{number:02}" for number in range(20)]
    for contact in contacts:
        await server.router.route(
            pair.site, RouteRequest(Message("roses", "", Requirements()), contact_id=contact, wait=Wait(LONG_MS))
        )
    queue = (await server.sites.replica(pair.site)).queue
    began = time.monotonic()
    watches = watch_service(pair, place_seconds=0.5)
    async with AsyncExitStack() as stack:
        told = [
            await stack.enter_async_context(aclosing(watches.contact(pair.site, contact, 0, progress=True)))
            for contact in contacts
        ]
        assert [(await place_told(stream)).position for stream in told] == [*range(1, 21)]
        await server.contacts.cancel(pair.site, contacts[0])
        places = [await place_told(stream) for stream in told[1:]]
        assert [place.position for place in places] == [*range(1, 20)]
        assert {place.estimated_ms for place in places} == {None}
        last = await server.contacts.contact(pair.site, contacts[-1])
        assert (last.queued, last.waits_until_ms) == (places[-1], places[-1].expire_ms)
    assert 0 < queue.told_computed <= time.monotonic() - began + 1


async def test_a_contact_that_does_not_wait_sends_signs_without_a_place(pair: Pair) -> None:
    """The first sign follows the steps at once, and repeats the last of them; later signs come in every silence."""
    await pair.create("ana")
    await pair.catch_up()
    message = Message("roses", "", Requirements())
    await pair.slow.router.route(pair.site, RouteRequest(message, contact_id="c"))
    async with aclosing(watch_service(pair, sign_seconds=0.05).contact(pair.site, "c", 1, progress=True)) as stream:
        signs = [await anext(stream) for _ in range(3)]
    assert all(isinstance(sign, ContactSign) for sign in signs)
    assert {(sign.last.sequence, sign.last.state, sign.queued) for sign in signs if isinstance(sign, ContactSign)} == {
        (1, ContactState.RESERVED, None)
    }


async def test_a_contact_without_any_step_is_looked_at_once_in_a_silence(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to tell of such a record; its watcher does not read the store again and again."""
    message = Message("roses", "", Requirements())
    await pair.slow.router.route(pair.site, RouteRequest(message, contact_id="c", wait=Wait(LONG_MS)))
    await pair.connection.run("HDEL", Keys(pair.site).contact("c"), "history")
    reads = 0
    history = pair.slow.queue.history

    async def counted(site: str, contact: str) -> list[ContactEvent]:
        nonlocal reads
        reads += 1
        return await history(site, contact)

    monkeypatch.setattr(pair.slow.queue, "history", counted)
    await pair.catch_up()
    async with aclosing(watch_service(pair, sign_seconds=30.0).contact(pair.site, "c", 0, progress=True)) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.3)
    assert reads == 1


async def place_told(stream: AsyncGenerator[ContactEvent | ContactSign, None]) -> Queued:
    """Return the next place in the queue that a watcher is told."""
    async with asyncio.timeout(30):
        async for told in stream:
            if isinstance(told, ContactSign) and told.queued is not None:
                return told.queued
    raise AssertionError
