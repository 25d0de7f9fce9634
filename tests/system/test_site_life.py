"""The life of a site in running services: it wakes after a restart, and its deletion ends, also after kill -9."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.keys import DELETING, Keys
from matcher.v1 import roster_pb2 as roster
from tests.people import hire, person, wait_until
from tests.processes import Server, Store, metric, metric_page, start_server
from tests.system.conftest import Pair

BEES = "The smoker for my bees arrived with a dent."
CROWD = 2_000


@pytest.fixture
async def own_store() -> AsyncIterator[Store]:
    """Give a store of the test's own."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            yield store
        finally:
            await store.end()


async def keys_of(store: Store, site: str) -> int:
    """Count the keys of a site."""
    async with store.client() as redis:
        return len([key async for key in redis.scan_iter(Keys(site).pattern, count=10_000)])


async def start(store: Store) -> Server:
    """Start a server on a store."""
    return await start_server(store.folder, {"MATCHER_STORE_URL": store.url})


async def test_an_offer_of_a_site_that_nobody_calls_lapses_after_a_restart(own_store: Store) -> None:
    """The service was down when the offer's time was over: the contact waits again, and nobody has called the site."""
    server = await start(own_store)
    async with server.client() as client:
        await client.create_site("quiet")
        client.site = "quiet"
        await client.create_pool("quick", roster.Pool(offer_duration=Duration(seconds=1), max_missed=1))
        pools = [client.name("pools", pool) for pool in ("default", "quick")]
        await hire(client, {"bea": person("I keep honey bees.", pools=pools)})
        await client.route(BEES, pool="quick", contact_id="c-1", wait=True)
        await server.kill()
    server = await start(own_store)
    try:
        async with own_store.client() as redis:

            async def offered_on() -> bool:
                contact = await redis.hmget(Keys("quiet").contact("c-1"), "state", "cause")
                status = await redis.hget(Keys("quiet").agent("bea"), "status")
                return contact == [b"QUEUED", b"OFFER_EXPIRED"] and status == b"AWAY"

            await wait_until(offered_on, "the offer has lapsed, and the agent who missed it is AWAY")
        assert await metric(server, "grpc_server_started_total", grpc_method="RouteMessage") == 0
        assert await server.stop() == 0
        assert server.faults() == []
    finally:
        await server.kill()


async def test_a_deletion_that_kill_9_cut_off_ends_after_the_next_start(own_store: Store) -> None:
    """The site had thousands of keys: after a start all are gone, and its id belongs to a new site."""
    server = await start(own_store)
    try:
        # A machine that is busy may kill the server too late: then once more.
        for attempt in range(5):
            site = f"big{attempt}"
            await fill(server, site)
            await kill_during_deletion(server, own_store, site)
            left = await keys_of(own_store, site)
            server = await start(own_store)
            if left:
                break
        assert left

        async def gone() -> bool:
            return await keys_of(own_store, site) == 0

        await wait_until(gone, f"the {left} keys that were left are gone")
        async with server.client() as client:
            assert site not in {found.name.removeprefix("sites/") async for found in client.sites()}
            await client.create_site(site)
            client.site = site
            assert [agent async for agent in client.agents()] == []
            assert [contact async for contact in client.contacts()] == []
        assert await server.stop() == 0
    finally:
        await server.kill()


async def kill_during_deletion(server: Server, store: Store, site: str) -> None:
    """Ask the server to delete a site, and kill it once it has begun."""
    async with server.client() as client, store.client() as redis:
        deleting = asyncio.create_task(client.delete_site(site, force=True, deadline=30))
        while not (deleting.done() or await redis.exists(DELETING)):  # noqa: ASYNC110 - another process sets it
            await asyncio.sleep(0)
        await server.kill()
        with suppress(MatcherCallError):
            await deleting


async def fill(server: Server, site: str) -> None:
    """Create a site with agents and contacts that wait."""
    async with server.client(site) as client:
        await client.create_site(site)
        pool = await client.create_pool("crowd", roster.Pool())
        away = person("I keep honey bees.", status=roster.OFFLINE, pools=[pool.name])
        await hire(client, {f"a-{number}": away for number in range(CROWD)})

        async def wait(contact: str) -> None:
            await client.route(BEES, pool="crowd", contact_id=contact, wait=True, deadline=60)

        await asyncio.gather(*(wait(f"c-{number}") for number in range(60)))


async def read_to_end(watch: AsyncIterator[object]) -> MatcherCallError:
    """Read a stream to the error that ends it."""
    try:
        async for _ in watch:
            pass
    except MatcherCallError as ended:
        return ended
    raise AssertionError("the stream ended without an error")


async def test_every_process_hears_that_a_site_was_deleted(pair: Pair) -> None:
    """At the other server its streams end, calls are refused, and no series and no connection is left."""
    site = await pair.one.site()
    async with pair.one.client(site) as one, pair.other.client(site) as other:
        await hire(one, {"bea": person("I keep honey bees.")})
        await one.route(BEES, contact_id="c-1", wait=True)
        watches = [other.watch_contact("c-1"), other.watch_events(), other.watch_reservations("bea")]
        for watch in watches:
            await anext(watch)

        async def measured() -> bool:
            return site in await metric_page(pair.other)

        await wait_until(measured, "the other server measures the site")
        async with pair.store.client() as redis:
            before = len(await redis.client_list())
            await one.delete_site(site, force=True)
            for watch in watches:
                ended = await read_to_end(watch)
                assert (ended.code, ended.reason) == (grpc.StatusCode.NOT_FOUND, "SITE_NOT_FOUND")
            with pytest.raises(MatcherCallError) as refused:
                await other.route(BEES)
            assert refused.value.reason == "SITE_NOT_FOUND"

            async def given_back() -> bool:
                pages = [await metric_page(server) for server in (pair.one, pair.other)]
                return not any(site in page for page in pages) and len(await redis.client_list()) <= before - 2

            await wait_until(given_back, "series and connections are given back")
        assert await keys_of(pair.store, site) == 0


async def test_calls_that_are_under_way_write_nothing_into_a_deleted_site(pair: Pair) -> None:
    """Calls go on at both servers while the site is deleted and created again: the new site has nobody and nothing."""
    for life in range(3):
        site = await pair.one.site()
        async with pair.one.client(site) as one, pair.other.client(site) as other:
            await hire(one, {f"a-{n}": person("I keep honey bees.", most=1_000) for n in range(20)})
            gone = asyncio.Event()
            calls = [asyncio.create_task(call_until(gone, client)) for client in (one, other) for _ in range(8)]
            await asyncio.sleep(0.05 * life)
            await one.delete_site(site, force=True)
            gone.set()
            await asyncio.gather(*calls)
            assert await keys_of(pair.store, site) == 0
            for client in (one, other):
                with pytest.raises(MatcherCallError) as refused:
                    await client.route(BEES, wait=True)
                assert refused.value.reason == "SITE_NOT_FOUND"
            await one.create_site(site)
            assert [agent async for agent in one.agents()] == []
            assert [contact async for contact in other.contacts()] == []
            await one.delete_site(site)


async def call_until(gone: asyncio.Event, client: MatcherClient) -> None:
    """Route messages until an event, whatever is answered."""
    while not gone.is_set():
        with suppress(MatcherCallError):
            await client.route(BEES, wait=True)
