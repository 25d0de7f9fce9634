"""The waker of sites: which sites a process follows without a call, and how much it asks of the store for that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from matcher.errors import StoreUnavailable
from matcher.replica.site_registry import SiteRegistry
from matcher.services import site_waker
from matcher.services.site_removal import SiteRemoval
from matcher.services.site_waker import SiteWaker
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.redis.client import StoreClient
from matcher.store.sites import SiteStore
from tests.people import wait_until
from tests.store.stage import Stage

SITES = 1_000


class FollowedSite:
    """A replica without content."""

    def __init__(self, site: str) -> None:
        self.site, self.removed, self.caught_up, self.away, self.life = site, False, True, None, ""
        self.hub = self
        self.closed = False

    def end(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


@dataclass
class Process:
    """A process's registry and waker on a store of many sites, and its round trips by command."""

    client: StoreClient
    sites: SiteRegistry
    waker: SiteWaker
    removal: SiteRemoval
    trips: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def open(cls, url: str) -> Process:
        """Open one."""
        trips: Counter[str] = Counter()
        client = StoreClient(url, on_round_trip=lambda verb: trips.update([verb]))
        await client.start()
        store = SiteStore(client, 1_000)
        open_replica: Any = FollowedSite
        sites, removal = SiteRegistry(store, open_replica), SiteRemoval(store)
        process = cls(client, sites, SiteWaker(store, sites, removal, client), removal, trips)
        trips.clear()
        return process

    @property
    def followed(self) -> list[str]:
        """Name the sites that are followed."""
        return sorted(replica.site for replica in self.sites)

    async def close(self) -> None:
        """Stop."""
        await self.sites.close()
        await self.removal.close()
        await self.client.close()


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Give a store with a thousand sites in which nothing is due."""
    folder: Path = tmp_path_factory.mktemp("s")
    store = await EmbeddedStore.open(EmbeddedSettings(folder))
    client = StoreClient(store.url)
    await client.start()
    await asyncio.gather(*(Stage(client, f"site{number:04}").set_up() for number in range(SITES)))
    await client.close()
    yield store.url
    await store.close()


@pytest.fixture
async def process(url: str) -> AsyncIterator[Process]:
    """Give a process on the store."""
    process = await Process.open(url)
    yield process
    await process.close()


async def test_of_a_thousand_sites_one_with_something_due_is_followed_at_six_round_trips(
    process: Process, url: str
) -> None:
    """The deletions, the list and the lives of all sites, then what is due in the one: its list entry and its life."""
    stage = Stage(StoreClient(url), "site0500")
    await stage.put("ann")
    offer = await stage.hold("ann")
    # As if most of the offer's time had passed.
    soon = await stage.now_ms() + 1_000
    await stage.raw("ZADD", stage.keys.due, soon, f"reservation|{offer.id}")
    await stage.raw("HSET", stage.keys.life, "due", soon)
    await process.waker.look()
    assert process.followed == ["site0500"]
    assert process.trips == {"ZRANGE": 2, "pipeline": 2, "next_due": 1}
    process.trips.clear()
    await process.waker.look()
    assert process.trips == {"ZRANGE": 2, "pipeline": 1, "next_due": 1}
    await stage.routing.cancel(stage.reference(offer), 0)
    await process.waker.look()
    process.trips.clear()
    await process.waker.look()
    assert process.trips == {"ZRANGE": 2, "pipeline": 1}, "nothing is due: nothing is asked"
    await stage.connection.close()


async def test_an_idle_site_is_dropped_unless_a_call_asked_for_it(process: Process, url: str) -> None:
    """Two sites with a contact that waits are followed; after it has left, only the site of the call stays."""
    stages = [Stage(StoreClient(url), f"site010{number}") for number in range(2)]
    for stage in stages:
        await stage.line_up("c")
    await process.waker.look()
    replicas = {replica.site: replica for replica in process.sites}
    assert sorted(replicas) == ["site0100", "site0101"]
    await process.sites.drop_idle(60.0)
    assert process.followed == sorted(replicas), "something was due a moment ago"
    await process.sites.replica("site0101")
    for stage in stages:
        await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
        await stage.connection.close()
    await process.waker.look()
    await process.sites.drop_idle(0.0)
    assert process.followed == ["site0101"]
    assert [replica.closed for replica in replicas.values()] == [True, False]  # type: ignore[attr-defined]


async def test_a_note_that_is_too_early_opens_no_site(process: Process, url: str) -> None:
    """The offer was answered long before its deadline: the store is asked, and the site is not read."""
    stage = Stage(StoreClient(url), "site0200")
    for _ in range(2):
        await process.waker.look()  # also what other tests noted is exact then
    process.trips.clear()
    await stage.put("ann")
    offer = await stage.hold("ann")
    await stage.routing.cancel(stage.reference(offer), 0)
    await stage.raw("HSET", stage.keys.life, "due", await stage.now_ms())
    await stage.connection.close()
    await process.waker.look()
    assert process.followed == []
    assert process.trips["next_due"] == 1


async def test_a_deadline_that_an_earlier_version_did_not_note_is_found(process: Process, url: str) -> None:
    """The first look of a process that has got the lease reads the deadlines themselves; so does one in a minute."""
    stage = Stage(StoreClient(url), "site0250")
    await stage.line_up("c")
    await stage.raw("HDEL", stage.keys.life, "due")
    await process.waker.look()
    assert process.followed == ["site0250"]
    await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
    await stage.connection.close()
    assert await stage.sites.next_due(stage.site) is None


async def test_one_process_wakes_the_sites_and_another_follows_when_it_ends(url: str, process: Process) -> None:
    """The lease: of two processes one looks; after its end the other one does."""
    other = await Process.open(url)
    stage = Stage(StoreClient(url), "site0300")
    await stage.line_up("c")
    running = asyncio.create_task(process.waker.run())

    async def followed() -> bool:
        return process.followed == ["site0300"]

    await wait_until(followed, "the first process follows the site")
    second = asyncio.create_task(other.waker.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    async def taken_over() -> bool:
        return other.followed == ["site0300"]

    await wait_until(taken_over, "the second process follows the site")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
    await stage.connection.close()
    await other.close()


async def test_a_site_that_cannot_be_woken_does_not_stop_the_others(
    url: str, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shard is away: the site behind it is followed."""
    stages = [Stage(StoreClient(url), f"site040{number}") for number in range(2)]
    for stage in stages:
        await stage.line_up("c")
    wake = process.sites.wake

    async def waking(site: str, most_opening: int) -> None:
        if site == "site0400":
            raise StoreUnavailable("here", "its shard is away")
        await wake(site, most_opening)

    monkeypatch.setattr(process.sites, "wake", waking)
    await process.waker.look()
    assert process.followed == ["site0401"]
    for stage in stages:
        await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
        await stage.connection.close()


async def test_not_more_than_sixteen_sites_are_read_at_once(url: str, process: Process) -> None:
    """The next one is followed when one of them has been read."""
    stages = [Stage(StoreClient(url), f"site06{number:02}") for number in range(site_waker.MOST_OPENING + 1)]
    for stage in stages:
        await stage.line_up("c")
    open_replica: Any = FollowedSite

    def opening(site: str) -> Any:
        replica = open_replica(site)
        replica.caught_up = False
        return replica

    process.sites._open = opening
    await process.waker.look()
    assert len(process.followed) == site_waker.MOST_OPENING
    first: Any = next(iter(process.sites))
    first.caught_up = True
    await process.waker.look()
    assert len(process.followed) == len(stages)
    for stage in stages:
        await stage.contacts.leave(stage.site, "c", "CANCELED")  # type: ignore[arg-type]
        await stage.connection.close()


async def test_a_deletion_that_was_cut_off_is_found_and_ended(url: str, process: Process) -> None:
    """Whether the process died before or after it had noted the deletion on the list."""
    stages = [Stage(StoreClient(url), f"site070{number}") for number in range(2)]
    for stage in stages:
        await stage.put("ann")
        deletion = await stage.sites.begin_deletion(stage.site, force=True)
    await stage.raw("ZADD", "m:deleting", 0, f"{deletion.site}|{deletion.uid}")
    await stage.raw("ZREM", "m:sites", deletion.site)
    await process.waker.look()
    for stage in stages:

        async def gone(stage: Stage = stage) -> bool:
            return await stage.everything() == {}

        await wait_until(gone, f"{stage.site} is gone")
        await stage.connection.close()
