"""The event hub of a site: each event once and in order, and a slow watcher delays no other."""

from __future__ import annotations

import pytest

from matcher.errors import SiteNotFound, WatcherTooSlow
from matcher.model import ContactEvent, StreamPlace
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.event_hub import EventHub, EventHubs, Gap, HoldChanged, HubMessage, Topic, Watcher

AT_ONCE = 0.0


def event(number: int, contact: str = "c-1", pool: str = "default") -> ContactEvent:
    """Return an event of a contact, with this number in the stream."""
    return ContactEvent(contact, pool, number, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", 1_000 + number, number)


async def unread(watcher: Watcher) -> list[HubMessage]:
    """Read all messages of a watcher."""
    messages = []
    while (message := await watcher.next(AT_ONCE)) is not None:
        messages.append(message)
    return messages


async def test_an_event_that_two_replicas_publish_is_passed_on_once() -> None:
    """During a change of the model two replicas follow the site, one a little behind the other."""
    hub = EventHub("acme")
    with hub.watch(Topic.SITE) as watcher:
        for ahead in range(1, 6):
            hub.publish(event(ahead))
            hub.publish(event(max(1, ahead - 2)))
        assert await unread(watcher) == [event(number) for number in range(1, 6)]
    assert hub.place == StreamPlace(5, 1_005)


async def test_a_watcher_gets_the_messages_of_its_topic_only() -> None:
    """A watcher of a pool, one of a contact, and one of an agent."""
    hub = EventHub("acme")
    with (
        hub.watch(Topic.POOL, "bills") as pool,
        hub.watch(Topic.CONTACT, "c-2") as contact,
        hub.watch(Topic.AGENT, "bea") as desk,
    ):
        hub.publish(event(1, "c-1", "bills"))
        hub.publish(event(2, "c-2", "default"))
        hub.publish_hold_change("bea", "r-1")
        hub.publish_hold_change("tom", "r-2")
        assert await unread(pool) == [event(1, "c-1", "bills")]
        assert await unread(contact) == [event(2, "c-2", "default")]
        assert await unread(desk) == [HoldChanged("bea", "r-1")]


async def test_only_the_watcher_that_does_not_read_is_cut_off() -> None:
    """With too many unread messages a watcher loses them all and gets WatcherTooSlow; the other one gets all."""
    counted: list[int] = []
    cut_off: list[None] = []
    hub = EventHub("acme", most_unread=3, on_watcher=counted.append, on_cut_off=lambda: cut_off.append(None))
    with hub.watch(Topic.SITE) as slow, hub.watch(Topic.SITE) as quick:
        received = []
        for number in range(1, 8):
            hub.publish(event(number))
            received += await unread(quick)
        assert received == [event(number) for number in range(1, 8)]
        with pytest.raises(WatcherTooSlow):
            await slow.next(AT_ONCE)
    assert (len(cut_off), counted) == (1, [1, 1, -1, -1])


async def test_a_site_that_is_read_again_is_a_gap() -> None:
    """The gap replaces the unread messages; numbers may begin again; the hub has no place until the next event."""
    hub = EventHub("acme")
    with hub.watch(Topic.SITE) as watcher:
        hub.publish(event(7))
        hub.publish_gap(2)
        assert hub.place is None
        hub.publish(event(2))
        hub.publish(event(3))
        assert await unread(watcher) == [Gap.MISSED, event(3)]


async def test_a_removed_site_ends_its_watchers_and_has_another_hub_when_created_again() -> None:
    """A watcher gets its unread messages, then SiteNotFound; the events of the new site begin at number 1."""
    hubs = EventHubs()
    hub = hubs.of("acme")
    with hub.watch(Topic.SITE) as watcher:
        hub.publish(event(9))
        hub.end()
        assert await watcher.next(AT_ONCE) == event(9)
        with pytest.raises(SiteNotFound):
            await watcher.next(AT_ONCE)
    new = hubs.of("acme")
    assert new is not hub
    assert hubs.of("acme") is new
    with new.watch(Topic.SITE) as watcher:
        new.publish(event(1))
        assert await unread(watcher) == [event(1)]
