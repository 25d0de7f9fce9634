"""What watchers cost, counted: an event is kept and encoded once, and only a few watchers are told in one pass."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from matcher.model import ContactEvent, StreamPlace
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.deliveries import Deliveries
from matcher.replica.event_hub import LOOKS, EventHub, HubMessage, Topic, Watcher
from matcher.rpc.encoded_events import EncodedEvents
from matcher.v1 import routing_pb2

WATCHERS = 500
EVENTS = 40
PATIENCE = 60.0


def event(number: int, contact: str = "c-1") -> ContactEvent:
    """Return an event of a contact, with this number in the stream."""
    return ContactEvent(contact, "default", number, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", number, number)


async def test_an_event_is_encoded_once_for_all_watchers() -> None:
    """Five hundred watchers of a site get every event, in order, and each event is encoded once."""
    hub, encoded = EventHub("acme"), EncodedEvents()
    with ExitStack() as stack:
        watchers = [stack.enter_context(hub.watch(Topic.SITE)) for _ in range(WATCHERS)]

        async def told(watcher: Watcher) -> list[bytes]:
            answers = []
            for _ in range(EVENTS):
                message = await watcher.next(PATIENCE)
                assert isinstance(message, ContactEvent)
                answers.append(encoded.answer("acme", message, StreamPlace(message.number, message.at_ms)))
            return answers

        telling = [asyncio.create_task(told(watcher)) for watcher in watchers]
        for number in range(1, EVENTS + 1):
            hub.publish(event(number))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*telling)
    assert encoded.encoded == EVENTS
    assert all(one == answers[0] for one in answers)
    read = [routing_pb2.WatchEventsResponse.FromString(answer) for answer in answers[0]]
    assert [answer.event.sequence for answer in read] == list(range(1, EVENTS + 1))
    assert len({answer.resume_token for answer in read}) == EVENTS


async def test_the_same_place_in_another_life_of_a_site_is_another_answer() -> None:
    """A site that was deleted and created again counts its events from the beginning."""
    encoded, place = EncodedEvents(), StreamPlace(1, 1)
    first = encoded.answer("acme", event(1, "c-1"), place)
    assert encoded.answer("acme", event(1, "c-1"), place) == first
    assert encoded.answer("acme", event(1, "c-2"), place) != first
    assert encoded.answer("other", event(1, "c-1"), place) != first
    assert encoded.answer("acme", None, place) != first
    assert encoded.encoded == 3


async def test_publishing_looks_at_no_watcher_of_another_topic_and_rarely_at_its_own() -> None:
    """The cost of an event does not grow with the watchers: of contacts that it does not concern, or of the site."""
    looks: list[Watcher] = []

    class Counted(Watcher):
        def look(self) -> None:
            looks.append(self)
            super().look()

    hub = EventHub("acme", most_unread=8 * LOOKS)
    with ExitStack() as stack:
        for number in range(WATCHERS):
            watcher = stack.enter_context(hub.watch(Topic.CONTACT, f"c-{number}"))
            watcher.__class__ = Counted
            watcher = stack.enter_context(hub.watch(Topic.SITE))
            watcher.__class__ = Counted
        for number in range(1, 8):
            hub.publish(event(number))
        assert looks == []
        hub.publish(event(8))
        assert len(looks) == WATCHERS + 1  # those of the site and of the contact, once in eight events


async def test_only_a_few_watchers_have_their_turn_in_one_pass_of_the_loop() -> None:
    """Other work of the loop comes between any two groups of watchers, and every watcher has its turn."""
    at_once, told, groups = 4, list[HubMessage | None](), list[int]()
    hub = EventHub("acme", Deliveries(at_once))
    with ExitStack() as stack:
        watchers = [stack.enter_context(hub.watch(Topic.SITE)) for _ in range(40)]

        async def tell(watcher: Watcher) -> None:
            told.append(await watcher.next(PATIENCE))

        telling = [asyncio.create_task(tell(watcher)) for watcher in watchers]
        await asyncio.sleep(0)
        hub.publish(event(1))
        while len(told) < len(watchers):
            before = len(told)
            await asyncio.sleep(0)
            groups.append(len(told) - before)
        await asyncio.gather(*telling)
    assert max(groups) == at_once
    assert sum(groups) == len(watchers)
    assert set(told) == {event(1)}


async def test_a_watcher_that_ends_while_it_waits_for_its_turn_takes_no_turn_from_others() -> None:
    """A caller who goes is skipped."""
    hub = EventHub("acme", Deliveries(1))
    with hub.watch(Topic.SITE) as first, hub.watch(Topic.SITE) as gone, hub.watch(Topic.SITE) as last:
        telling = [asyncio.create_task(watcher.next(PATIENCE)) for watcher in (first, gone, last)]
        await asyncio.sleep(0)
        hub.publish(event(1))
        telling[1].cancel()
        assert await telling[0] == event(1)
        assert await telling[2] == event(1)


async def test_a_desk_hears_of_an_offer_before_the_watchers_of_the_site() -> None:
    """An agent does not wait for the many who watch everything."""
    hub, told = EventHub("acme", Deliveries(2)), list[str]()
    with ExitStack() as stack:
        many = [stack.enter_context(hub.watch(Topic.SITE)) for _ in range(20)]
        desk = stack.enter_context(hub.watch(Topic.AGENT, "bea"))

        async def tell(watcher: Watcher, name: str) -> None:
            await watcher.next(PATIENCE)
            told.append(name)

        telling = [asyncio.create_task(tell(watcher, "site")) for watcher in many]
        telling.append(asyncio.create_task(tell(desk, "desk")))
        await asyncio.sleep(0)
        hub.publish(event(1))
        hub.publish_hold_change("bea", "r-1")
        await asyncio.gather(*telling)
    assert told.index("desk") == 2  # two watchers of the site had their turn already
