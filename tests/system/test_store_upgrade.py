"""An upgrade with two versions on one store: the old one is served as long as it lives, then this one is alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from matcher.store.keys import MODELS, PROCESSES, SCHEMA
from matcher.store.processes import LiveProcess
from matcher.store.redis.functions import library
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import wait_until
from tests.processes import Server, ServerDidNotStart, Store, health, keys_without_lifetime
from tests.store import record_fixture as before
from tests.store.records import clock_ms, load

FIXTURE: Final[dict[str, Any]] = json.loads(before.FIXTURE.read_text("utf-8"))
OLD: Final = LiveProcess(
    id="old",
    version="0.0.9",
    host="elsewhere",
    pid=7,
    started_ms=0,
    oldest=1,
    newest=1,
    writes=1,
    library="matcher_00000000",
    connections=0,
)


@dataclass(frozen=True)
class Scene:
    """A store with the records of an earlier version, in which a process of that version is registered."""

    store: Store
    instant_ms: int

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings of this version's processes and commands, with the model of the version before."""
        return {"MATCHER_STORE_URL": self.store.url, "MATCHER_MODEL": "all-MiniLM-L6-v2"}

    async def answers(self, server: Server) -> dict[str, Any]:
        """Read all that the records tell."""
        async with server.client(before.SITE) as client:
            return await before.answers(client, self.instant_ms)

    async def status(self) -> Any:
        """Return what `matcher store status` says."""
        (document,) = (await matcher("store", "status", "--json", environment=self.settings)).documents()
        return document


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Give the store; the registered process seems to live for an hour."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        try:
            async with store.client() as redis:
                instant_ms = await clock_ms(redis)
                await load(redis, FIXTURE["keys"], instant_ms)
                entry = b"%d|1|%s" % (instant_ms + 3_600_000, msgspec.json.encode(OLD))
                await redis.hset(PROCESSES, OLD.id, entry)
            yield Scene(store, instant_ms)
        finally:
            await store.end()


async def test_records_are_written_for_the_old_version_until_it_is_gone(scene: Scene, launch: StartServer) -> None:
    """Old records answer the same beside a process of the old version, after the upgrade, and after a start alone."""
    server = await launch(scene.settings)
    assert await scene.answers(server) == before.with_new_fields(FIXTURE["answers"])
    told = await scene.status()
    assert (told["schema"], told["unregistered_connections"]) == (1, 0)
    assert {one["version"]: one["reads"] for one in told["processes"]}["0.0.9"] == "1 to 1"
    assert library() in told["libraries"]

    refused = await matcher("store", "upgrade", environment=scene.settings)
    assert refused.code == 1
    assert "stop these first, they read no newer schema: 0.0.9 on elsewhere, process 7" in refused.err
    assert (await scene.status())["schema"] == 1
    async with scene.store.client() as redis:
        # What the version before needs to find an agent's vectors.
        assert await redis.zcard(MODELS) == 1
        assert await redis.hdel(PROCESSES, OLD.id) == 1

    upgraded = await matcher("store", "upgrade", "--json", environment=scene.settings)
    assert upgraded.documents() == [{"schema": 3, "migrated": ["models"]}]

    async def all_write_it() -> bool:
        return [one["writes"] for one in (await scene.status())["processes"]] == [3]

    await wait_until(all_write_it, "the running service writes the new schema")
    assert await scene.answers(server) == before.with_new_fields(FIXTURE["answers"])
    assert await server.stop() == 0

    alone = await launch(scene.settings)
    assert await scene.answers(alone) == before.with_new_fields(FIXTURE["answers"])
    assert await keys_without_lifetime(scene.store.url) == []
    assert await alone.stop() == 0
    assert (await scene.status())["processes"] == []


async def test_a_service_does_not_start_on_a_later_schema(scene: Scene, launch: StartServer) -> None:
    """The reverse: this version is the old one then, and says what to do."""
    async with scene.store.client() as redis:
        await redis.set(SCHEMA, 4)
    with pytest.raises(
        ServerDidNotStart, match="its data has schema 4, and this version reads 1 to 3: start the later"
    ):
        await launch(scene.settings)


async def test_a_service_that_an_upgrade_leaves_behind_says_so(scene: Scene, launch: StartServer) -> None:
    """It cannot read what the others write from then on: its health says NOT_SERVING, so that callers go elsewhere."""
    server = await launch(scene.settings)
    server.declare("a background task failed and is started again")
    assert await health(server.target)
    async with scene.store.client() as redis:
        await redis.set(SCHEMA, 4)

    async def turned() -> bool:
        return not await health(server.target) and "failing: process registry" in server.log()

    await wait_until(turned, "the health turns, and the log says why")
