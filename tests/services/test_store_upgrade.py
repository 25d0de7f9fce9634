"""The upgrade of the store: it waits for every process that still needs the old schema, and then is done by itself."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from matcher.services.store_upgrade import QuietWatch, StoreUpgrade
from matcher.store.keys import MIGRATIONS, MODELS, PROCESSES, SCHEMA
from matcher.store.migrations import DONE
from matcher.store.processes import LIFETIME_MS, LiveProcess, LiveProcesses, ProcessIdentity, ProcessRegistry
from matcher.store.redis import functions
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST, OLDEST
from tests.people import wait_until
from tests.processes import Store

OTHER = "matcher_00000000"
"""The library of another version."""


@dataclass
class Upgrading:
    """A process that upgrades a store whose data has the old schema; its clock is the test's."""

    store: Store
    connection: StoreClient
    upgrade: StoreUpgrade
    now: float = 0.0

    async def raw(self, *command: Any) -> Any:
        """Run a command on the process's own connection: another connection would be a stranger's."""
        return await self.connection.run(*command)

    async def turn(self) -> bool:
        """Let a minute pass, and let the process do what it can."""
        await self.upgrade.register()
        self.now += 60
        return await self.upgrade.turn(self.now)

    async def turns(self, number: int = 4) -> None:
        """Let minutes pass."""
        for _ in range(number):
            await self.turn()

    async def schema(self) -> int:
        """Read the schema of the data."""
        return int(await self.raw("GET", SCHEMA))

    async def live(self) -> list[str]:
        """Name the registered processes."""
        return [process.id for process in (await ProcessRegistry(self.connection).live()).processes]

    async def other(
        self, process: str, newest: int, library: str, lifetime_ms: int = LIFETIME_MS, writes: int = OLDEST
    ) -> None:
        """Register another process, as its own version would, until it is silent for its lifetime."""
        entry = LiveProcess(
            id=process,
            version="0.0.9",
            host="elsewhere",
            pid=7,
            started_ms=0,
            oldest=OLDEST,
            newest=newest,
            writes=writes,
            library=library,
            connections=0,
        )
        seconds, micros = await self.raw("TIME")
        until = int(seconds) * 1000 + int(micros) // 1000 + lifetime_ms
        await self.raw("HSET", PROCESSES, process, b"%d|%d|%s" % (until, newest, msgspec.json.encode(entry)))


def identity(process: str) -> ProcessIdentity:
    """Return the identity of a process of this version."""
    return ProcessIdentity(id=process, version="0.1.0", host="here", pid=1, started_ms=0)


@pytest.fixture
async def upgrading() -> AsyncIterator[Upgrading]:
    """Give a process on a store whose data has the old schema."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            connection = StoreClient(store.url)
            await connection.run("SET", SCHEMA, OLDEST)
            await connection.start()
            yield Upgrading(store, connection, StoreUpgrade(connection, identity("m-1")))
            await connection.close()
        finally:
            await store.end()


async def test_a_store_that_only_this_version_uses_is_upgraded_by_itself(upgrading: Upgrading) -> None:
    """The schema is raised after a while in which nobody else came, then old records are migrated."""
    await upgrading.raw("ZADD", MODELS, 0, "abc")
    assert not await upgrading.turn()
    assert await upgrading.schema() == OLDEST
    await upgrading.turns()
    assert (await upgrading.schema(), upgrading.connection.schema.writes) == (NEWEST, NEWEST)
    assert await upgrading.raw("HGETALL", MIGRATIONS) == {b"models": DONE.encode()}
    assert await upgrading.raw("EXISTS", MODELS) == 0


async def test_a_registered_process_of_an_older_version_holds_the_schema(upgrading: Upgrading) -> None:
    """It is named, and it has its own library as long as it lives."""
    await upgrading.raw("FUNCTION LOAD", f"#!lua name={OTHER}\nredis.register_function('f', function() end)")
    await upgrading.other("old", OLDEST, OTHER)
    await upgrading.turns()
    assert await upgrading.schema() == OLDEST
    assert await ProcessRegistry(upgrading.connection).raise_schema() == ("old",)
    assert await upgrading.connection.libraries() == {OTHER, functions.library()}
    await upgrading.raw("HDEL", PROCESSES, "old")
    await upgrading.turns()
    assert await upgrading.schema() == NEWEST
    assert await upgrading.connection.libraries() == {functions.library()}


async def test_a_process_of_the_version_before_the_registry_holds_the_schema(upgrading: Upgrading) -> None:
    """It says nothing of itself, but it keeps a connection, and its library stays."""
    await upgrading.raw("FUNCTION LOAD", f"#!lua name={OTHER}\nredis.register_function('f', function() end)")
    before = StoreClient(upgrading.store.url)
    await before.run("PING")
    await upgrading.turns(10)
    assert await upgrading.schema() == OLDEST
    assert await upgrading.connection.libraries() == {OTHER, functions.library()}
    await before.close()
    await wait_until(lambda: _alone(upgrading), "the connection is gone")
    await upgrading.turns(8)
    assert await upgrading.schema() == NEWEST
    assert await upgrading.connection.libraries() == {functions.library()}


async def _alone(upgrading: Upgrading) -> bool:
    return await upgrading.connection.connected_clients() == upgrading.connection.open_connections


async def test_a_process_that_is_killed_counts_for_ten_seconds(upgrading: Upgrading) -> None:
    """No one takes it out of the registry: its entry ends by itself."""
    await upgrading.other("old", OLDEST, OTHER, lifetime_ms=300)
    await upgrading.upgrade.register()
    assert await upgrading.live() == ["m-1", "old"]

    async def forgotten() -> bool:
        await upgrading.upgrade.register()
        return await upgrading.live() == ["m-1"]

    await wait_until(forgotten, "the entry ends")
    assert await upgrading.raw("HKEYS", PROCESSES) == [b"m-1"]
    assert 0 < await upgrading.raw("PTTL", PROCESSES) <= LIFETIME_MS
    await upgrading.upgrade.leave()
    assert await upgrading.live() == []


async def test_one_of_several_processes_upgrades(upgrading: Upgrading) -> None:
    """The first by id acts; the others follow when they renew, and write the new schema from then on."""
    second = StoreClient(upgrading.store.url)
    await second.start()
    follower = StoreUpgrade(second, identity("m-2"))
    for turn in range(6):
        await follower.register()
        assert not await follower.turn(60.0 * turn)
        await upgrading.turn()
    assert await upgrading.schema() == NEWEST
    await follower.register()
    assert second.schema.writes == NEWEST
    await second.close()


async def test_old_records_are_migrated_when_every_process_writes_the_new_schema(upgrading: Upgrading) -> None:
    """Until a process has heard of the new schema it writes old records, which a migration would miss."""
    await upgrading.other("z", NEWEST, functions.library(), writes=OLDEST)
    for _ in range(6):
        assert not await upgrading.turn(), "nothing is done: the next turn must not be a minute away"
    assert await upgrading.schema() == NEWEST
    assert await upgrading.raw("EXISTS", MIGRATIONS) == 0
    await upgrading.other("z", NEWEST, functions.library(), writes=NEWEST)
    assert await upgrading.turn()
    assert await upgrading.raw("HGETALL", MIGRATIONS) == {b"models": DONE.encode()}


async def test_an_entry_that_cannot_be_read_holds_the_schema(upgrading: Upgrading) -> None:
    """A version that describes itself in another way is a version too."""
    seconds, _ = await upgrading.raw("TIME")
    await upgrading.raw("HSET", PROCESSES, "z", f"{(int(seconds) + 600) * 1000}|1|?")
    await upgrading.turns()
    assert await upgrading.schema() == OLDEST
    (unknown,) = (await ProcessRegistry(upgrading.connection).live()).too_old
    assert (unknown.id, unknown.version) == ("z", "unknown")


def test_the_store_must_be_quiet_for_the_whole_time() -> None:
    """Connections of strangers begin the time again; an observation that is not sure, or deviates once, does not."""
    watch, live = QuietWatch(30), LiveProcesses(OLDEST, ())
    assert not watch.observe(0, live, 0)
    assert not watch.observe(28, live, 1)
    assert not watch.observe(28.5, live, None)
    assert not watch.observe(29, live, 0)
    assert watch.observe(30, live, 0)
    for strangers, why in ((1, "connections to the store that no registered process has: 1"), (-1, "a proxy may hide")):
        assert not watch.observe(31, live, strangers)
        assert not watch.observe(32, live, strangers)
        assert why in watch.why
        assert not watch.observe(33, live, 0)
        assert watch.why == ""
        assert not watch.observe(62, live, 0)
        assert watch.observe(63, live, 0)


async def test_the_tasks_live_through_a_store_that_is_away(upgrading: Upgrading) -> None:
    """An outage ends neither task: the process is registered again when the store is back."""
    tasks = [asyncio.create_task(upgrading.upgrade.keep_registered()), asyncio.create_task(upgrading.upgrade.run())]
    await upgrading.store.end()
    await asyncio.sleep(0)
    await upgrading.store.start()

    async def registered() -> bool:
        return bool(await upgrading.raw("HKEYS", PROCESSES) == [b"m-1"])

    await upgrading.raw("DEL", PROCESSES)
    await wait_until(registered, "the process registers again")
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
