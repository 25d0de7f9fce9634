"""A backup of an external store, taken by the store's own means while the service serves, and restored elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.ledger.copies import copy_ledger
from matcher.v1 import customers_pb2 as customers
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Store
from tests.system.test_ledger import export, has_steps

SITE: Final = "harbour"
CREW: Final = ("bea", "bob", "eva")
BEES: Final = "The smoker for my bees has a dent."
RDB: Final = "dump.rdb"
AOF: Final = "appendonlydir"
Backup = Callable[[Store, Path], Awaitable[None]]


async def by_snapshot(store: Store, to: Path) -> None:
    """Take a snapshot, and copy it when it is complete."""
    async with store.client() as redis:
        before = await redis.lastsave()
        # LASTSAVE counts whole seconds.
        await asyncio.sleep(1)
        await redis.bgsave()

        async def is_saved() -> bool:
            return bool(await redis.lastsave() > before)

        await wait_until(is_saved, "the snapshot is written")
    shutil.copy2(store.folder / RDB, to / RDB)


async def by_append_only_file(store: Store, to: Path) -> None:
    """Copy the append-only files while no rewrite replaces them."""
    async with store.client() as redis:
        await redis.config_set("auto-aof-rewrite-percentage", 0)

        async def is_still() -> bool:
            return int((await redis.info("persistence"))["aof_rewrite_in_progress"]) == 0

        await wait_until(is_still, "no rewrite is under way")
        await asyncio.to_thread(shutil.copytree, store.folder / AOF, to / AOF)
        await redis.config_set("auto-aof-rewrite-percentage", 100)


@dataclass
class Load:
    """Routes that go on until they are stopped, and the reservations that their caller was told of."""

    client: MatcherClient
    told: dict[str, str] = field(default_factory=dict)
    """The contact of each reservation."""

    async def run(self) -> None:
        """Route and accept one contact after another until cancelled."""
        while True:
            contact = f"c{len(self.told)}"
            answer = await self.client.route(BEES, contact_id=contact, auto_accept=True)
            self.told[answer.reservation.name] = contact

    async def reaches(self, count: int) -> None:
        """Wait until so many reservations were told."""

        async def is_reached() -> bool:
            return len(self.told) >= count

        await wait_until(is_reached, f"{count} contacts are routed")


@asynccontextmanager
async def routing(load: Load) -> AsyncIterator[Load]:
    """Route within the block; a route that fails fails the test."""
    task = asyncio.create_task(load.run())
    try:
        yield load
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def lasting(client: MatcherClient) -> list[object]:
    """Read rosters, pools and the customer, without what routes change of them."""
    read: list[object] = [pool async for pool in client.pools()]
    async for agent in client.agents():
        agent.ClearField("idle_since")
        read.append(agent)
    read.append(await client.lookup_customer("ann"))
    return read


async def populate(client: MatcherClient) -> None:
    """Make a pool, agents and a customer whose interests are remembered."""
    await client.create_pool("desk", roster.Pool(display_name="The desk"))
    await hire(client, {name: person("I keep honey bees.", most=1000) for name in CREW})
    ann = customers.Customer(handles=["ann"], interests=[customers.CustomerInterest(text="coral reefs")])
    ann.consent.basis = "asked on the phone"
    ann.consent.time.FromSeconds(int(time.time()) - 60)
    ann.consent.expire_time.FromSeconds(int(time.time()) + 86_400)
    await client.put_customer(ann)


async def start_restored(backup: Path, store: Store) -> None:
    """Start a store on a backup as docs/upgrading.md says; afterwards it appends each write to its file again."""
    await asyncio.to_thread(shutil.copytree, backup, store.folder, dirs_exist_ok=True)
    if (backup / RDB).exists():
        store.options = {"appendonly": "no", "dbfilename": RDB}
    await store.start()
    async with store.client() as redis:
        await redis.config_set("appendonly", "yes")


@pytest.mark.parametrize("take", [by_snapshot, by_append_only_file])
async def test_a_backup_taken_under_load_serves_elsewhere(take: Backup, launch: StartServer, tmp_path: Path) -> None:
    """Rosters, pools and customers are equal; a hold told before is there, each later one is there or NOT_FOUND."""
    with tempfile.TemporaryDirectory(prefix="mt-") as here, tempfile.TemporaryDirectory(prefix="mt-") as elsewhere:
        store, other, backup = Store(Path(here)), Store(Path(elsewhere)), tmp_path / "backup"
        backup.mkdir()
        settings = {"MATCHER_SEAL_KEYS_FILE": str(tmp_path / "keyring")}
        await store.start()
        try:
            ledger = tmp_path / "ledger.sqlite"
            server = await launch(
                {**settings, "MATCHER_STORE_URL": store.url, "MATCHER_LEDGER_URL": f"sqlite:///{ledger}"}
            )
            async with server.client() as admin:
                await admin.create_site(SITE)
            async with server.client(SITE) as client:
                await populate(client)
                async with routing(Load(client)) as load:
                    await load.reaches(20)
                    before = set(load.told)
                    await take(store, backup)
                    # After the store, so that what has left the outbox is in it.
                    await asyncio.to_thread(copy_ledger, ledger, tmp_path / "copy.sqlite")
                    await load.reaches(len(load.told) + 20)
                made = await lasting(client)
            assert await server.stop() == 0
            await store.end()

            await start_restored(backup, other)
            restored = {
                **settings,
                "MATCHER_STORE_URL": other.url,
                "MATCHER_LEDGER_URL": f"sqlite:///{tmp_path / 'copy.sqlite'}",
            }
            copied = {row["contact"] for row in await export("steps", restored)}
            server = await launch(restored)
            async with server.client(SITE) as client:
                assert await lasting(client) == made
                kept = {name for name in load.told if await is_held(client, name)}
                assert before <= kept
                assert kept < set(load.told), "the load went on after the backup"
                held = [agent.load async for agent in client.agents(with_holds=True)]
                assert sum(held) == len(kept)
                # What is lost is told to whom it concerns: the desk that completes it.
                gone = next(iter(set(load.told) - kept))
                with pytest.raises(MatcherCallError) as refused:
                    await client.complete(gone)
                assert refused.value.reason == "RESERVATION_NOT_FOUND"
                assert (await client.route(BEES, contact_id=load.told[gone], auto_accept=True)).reservation.agent
                # Each contact took one step; the one that was routed again has its step again. The ledger, copied after
                # the store, may have contacts that came too late for the store's backup.
                contacts = {load.told[name] for name in kept} | copied
                await has_steps(restored, SITE, len(contacts) + 1)
            steps = await export("steps", restored, "--of-site", SITE)
            assert {row["contact"] for row in steps} == {*contacts, load.told[gone]}
            assert await export("gaps", restored) == []
        finally:
            await store.end()
            await other.end()


async def is_held(client: MatcherClient, reservation: str) -> bool:
    """Return whether a reservation holds its agent; False where the store does not know it."""
    try:
        return (await client.reservation(reservation)).state == pb.ACCEPTED
    except MatcherCallError as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        return False
