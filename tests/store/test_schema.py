"""The schema of the data: what a version refuses to start on, and migrations that are cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from matcher.errors import StoreUnfit
from matcher.store.keys import MIGRATIONS, MODEL_NAMES, MODELS, SCHEMA
from matcher.store.migrations import DONE, STEPS, Mark, Migration, migrate
from matcher.store.models import KnownModel, ModelStore
from matcher.store.processes import ProcessIdentity, ProcessRegistry
from matcher.store.redis.client import StoreClient
from matcher.store.schema import NEWEST, OLDEST
from tests.processes import ROOT, Store, keys_without_lifetime

PARTS = [f"part-{number:02}" for number in range(12)]
CUT_OFF = 7

# A process that does a migration in parts and is killed before it marks one of them.
KILLED = f"""
import asyncio, sys
from tests.store.test_schema import in_parts
from matcher.store.migrations import migrate
from matcher.store.redis.client import StoreClient

async def main() -> None:
    connection = StoreClient(sys.argv[1])
    await connection.start()
    await migrate(connection, [in_parts(killed_at={CUT_OFF})])

asyncio.run(main())
"""


def in_parts(*, killed_at: int | None = None) -> Migration:
    """Return a migration that counts how often each of its parts was done."""

    async def run(connection: StoreClient, after: str, mark: Mark) -> None:
        for number, part in enumerate(PARTS):
            if part <= after:
                continue
            await connection.run("ZADD", "m:order", "INCR", 1, part)
            await connection.run("PEXPIRE", "m:order", 600_000)
            if number == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            await mark(part)

    return Migration("in parts", NEWEST, run)


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[Store]:
    """Give a store of these tests alone: its schema is changed."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = Store(Path(folder))
        await store.start()
        yield store
        await store.end()


@pytest.fixture
async def empty(store: Store) -> AsyncIterator[StoreClient]:
    """Give a client, not started yet, of a store without data."""
    async with store.client() as redis:
        await redis.flushall()
    connection = StoreClient(store.url)
    yield connection
    await connection.close()
    assert await keys_without_lifetime(store.url) == []


async def test_a_new_store_begins_with_the_newest_schema(empty: StoreClient) -> None:
    """Nobody has written it before, so no earlier version needs to read it; one that is started refuses."""
    await empty.start()
    assert await empty.run("GET", SCHEMA) == str(NEWEST).encode()
    assert empty.schema.writes == NEWEST


async def test_data_of_the_earlier_schema_is_written_as_the_earlier_version_reads_it(empty: StoreClient) -> None:
    """A start does not raise the schema: an earlier process may be at work on the same data."""
    await empty.run("SET", SCHEMA, OLDEST)
    await empty.start()
    assert await empty.run("GET", SCHEMA) == str(OLDEST).encode()
    await ModelStore(empty).add(KnownModel("abc", "large"))
    assert await empty.run("ZRANGE", MODELS, 0, -1) == [b"abc"]


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("4", "has schema 4, and this version reads 1 to 3: start the later version, or restore a backup"),
        ("0", "has schema 0, and this version reads 1 to 3: start an earlier version first"),
        ("new", "m:schema holds b'new', which is no version"),
    ],
)
async def test_data_of_another_schema_is_refused(empty: StoreClient, stored: str, why: str) -> None:
    """A version that does not know the table of keys does not change the data, and says what to start instead."""
    await empty.run("SET", SCHEMA, stored)
    with pytest.raises(StoreUnfit, match=why):
        await empty.start()
    assert await empty.run("DBSIZE") == 1


async def test_a_process_that_an_upgrade_leaves_behind_learns_it(empty: StoreClient) -> None:
    """Its next sign of life is answered by the new schema: it fails, so that the health of the process says so."""
    await empty.start()
    registry = ProcessRegistry(empty)
    me = ProcessIdentity(id="me", version="1", host="here", pid=1, started_ms=0)
    await registry.renew(me)
    await empty.run("SET", SCHEMA, NEWEST + 1)
    with pytest.raises(StoreUnfit, match="start the later version"):
        await registry.renew(me)


async def test_a_model_of_the_earlier_schema_keeps_its_vectors_and_its_name(empty: StoreClient) -> None:
    """Both keys are read, whichever schema is written; the migration leaves one of them."""
    await empty.run("SET", SCHEMA, OLDEST)
    await empty.start()
    models = ModelStore(empty)
    await models.add(KnownModel("abc", "large"))
    # A process was cut off between the two writes.
    await empty.run("ZADD", MODELS, 0, "nameless")
    both = [KnownModel("abc", "large"), KnownModel("nameless", "")]
    assert await models.all() == both
    assert await migrate(empty, STEPS) == []
    assert await ProcessRegistry(empty).raise_schema() == ()
    assert await models.all() == both
    assert await migrate(empty, STEPS) == ["models"]
    assert await empty.run("EXISTS", MODELS) == 0
    assert await models.all() == both
    await models.add(KnownModel("new", "larger"))
    assert (await empty.run("EXISTS", MODELS), await empty.run("HGET", MODEL_NAMES, "new")) == (0, b"larger")
    assert await migrate(empty, STEPS) == []


async def test_a_migration_that_is_killed_goes_on_where_it_stopped(empty: StoreClient, store: Store) -> None:
    """Kill -9 in the middle: the next process does the rest; only the part that was under way is done again."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, store.url, cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    assert await empty.run("HGET", MIGRATIONS, "in parts") == PARTS[CUT_OFF - 1].encode()
    await empty.start()
    assert await migrate(empty, [in_parts()]) == ["in parts"]
    counts = {part: await empty.run("ZSCORE", "m:order", part) for part in PARTS}
    assert counts == {part: 2 if part == PARTS[CUT_OFF] else 1 for part in PARTS}
    assert await empty.run("HGET", MIGRATIONS, "in parts") == DONE.encode()
    assert await migrate(empty, [in_parts()]) == []
