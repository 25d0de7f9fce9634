"""The hub of a site: each step once whoever tells it, in order, and nobody's slowness is another's."""

from __future__ import annotations

import pytest

from matcher.errors import SiteNotFound, WatcherTooSlow
from matcher.model import ContactEvent, StreamPlace
from matcher.model.lifecycle import Cause, ContactState
from matcher.replica.event_hub import EventHub, EventHubs, Gap, HoldChanged, HubMessage, Topic, Watcher

AT_ONCE = 0.0


def step(number: int, contact: str = "c-1", pool: str = "default") -> ContactEvent:
    """Return a step, the stream's event of this number."""
    return ContactEvent(contact, pool, number, ContactState.QUEUED, Cause.NOBODY_FREE, "", "", 1_000 + number, number)


async def unread(watcher: Watcher) -> list[HubMessage]:
    """Read what a watcher was told."""
    found = []
    while (told := await watcher.next(AT_ONCE)) is not None:
        found.append(told)
    return found


async def test_what_two_replicas_tell_is_handed_on_once() -> None:
    """While the model is changed both follow the site, one a little behind the other."""
    hub = EventHub("acme")
    with hub.watch(Topic.SITE) as watcher:
        for ahead in range(1, 6):
            hub.publish(step(ahead))
            hub.publish(step(max(1, ahead - 2)))
        assert await unread(watcher) == [step(number) for number in range(1, 6)]
    assert hub.place == StreamPlace(5, 1_005)


async def test_everybody_hears_of_their_own_topic_only() -> None:
    """A pool's watcher, a contact's, and a desk."""
    hub = EventHub("acme")
    with (
        hub.watch(Topic.POOL, "bills") as pool,
        hub.watch(Topic.CONTACT, "c-2") as contact,
        hub.watch(Topic.AGENT, "bea") as desk,
    ):
        hub.publish(step(1, "c-1", "bills"))
        hub.publish(step(2, "c-2", "default"))
        hub.publish_hold_change("bea", "r-1")
        hub.publish_hold_change("tom", "r-2")
        assert await unread(pool) == [step(1, "c-1", "bills")]
        assert await unread(contact) == [step(2, "c-2", "default")]
        assert await unread(desk) == [HoldChanged("bea", "r-1")]


async def test_who_does_not_read_is_cut_off_alone() -> None:
    """Once more waits than may, all of it is dropped and the watcher is refused; the other one has everything."""
    counted: list[int] = []
    cut_off: list[None] = []
    hub = EventHub("acme", most_unread=3, on_watcher=counted.append, on_cut_off=lambda: cut_off.append(None))
    with hub.watch(Topic.SITE) as slow, hub.watch(Topic.SITE) as quick:
        heard = []
        for number in range(1, 8):
            hub.publish(step(number))
            heard += await unread(quick)
        assert heard == [step(number) for number in range(1, 8)]
        with pytest.raises(WatcherTooSlow):
            await slow.next(AT_ONCE)
    assert (len(cut_off), counted) == (1, [1, 1, -1, -1])


async def test_a_site_read_anew_leaves_a_gap_for_the_store_to_fill() -> None:
    """What was not read is dropped for it, and numbers may begin anew; no place is claimed until a step has one."""
    hub = EventHub("acme")
    with hub.watch(Topic.SITE) as watcher:
        hub.publish(step(7))
        hub.publish_gap(2)
        assert hub.place is None
        hub.publish(step(2))
        hub.publish(step(3))
        assert await unread(watcher) == [Gap.MISSED, step(3)]


async def test_a_site_that_is_gone_ends_its_watchers_and_comes_back_with_another_hub() -> None:
    """Who watches hears what was told before, then that there is no such site; a new life begins at number 1."""
    hubs = EventHubs()
    hub = hubs.of("acme")
    with hub.watch(Topic.SITE) as watcher:
        hub.publish(step(9))
        hub.end()
        assert await watcher.next(AT_ONCE) == step(9)
        with pytest.raises(SiteNotFound):
            await watcher.next(AT_ONCE)
    again = hubs.of("acme")
    assert again is not hub
    assert hubs.of("acme") is again
    with again.watch(Topic.SITE) as watcher:
        again.publish(step(1))
        assert await unread(watcher) == [step(1)]
