"""The audit trail in the ledger: moved once, whole with what the store still has, and forgotten in both."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from matcher.ledger.audit_trail import LedgerTrail
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.tables import AUDIT_RECORDS
from matcher.ledger.writer import Batch, LedgerWriter
from matcher.model.resource_names import agent_name
from matcher.model.steps import NAMED
from matcher.model.trail import Chained, verify
from matcher.services.ledger import Ledger
from matcher.services.trail_follower import TrailFollower
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.keys import TRAIL, TRAIL_CLEAR, TRAIL_HEAD
from matcher.store.redis.client import StoreClient
from matcher.store.sites import SiteStore
from matcher.store.trail import TrailStore
from tests.store.stage import Stage

KEYS = ServiceKeys.of_secret(b"k" * 32)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give a site in a store of the test's own."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = await EmbeddedStore.open(EmbeddedSettings(Path(folder)))
        client = StoreClient(store.url)
        await client.start()
        stage = Stage(client)
        await stage.set_up()
        yield stage
        await client.close()
        await store.close()


def follower_of(stage: Stage, database: LedgerDatabase) -> TrailFollower:
    """Return a process that chains and moves."""
    client = stage.connection
    return TrailFollower(TrailStore(client), SiteStore(client, 100), KEYS, ledger=Ledger(database))


async def every_record(stage: Stage, database: LedgerDatabase) -> list[Chained]:
    """Return the records of the ledger, and then those of the store that it has not."""
    moved = list(LedgerTrail(database).records())
    return moved + [one async for one in TrailStore(stage.connection).records(moved[-1].number if moved else 0)]


async def test_records_are_moved_once_and_the_store_keeps_the_last(stage: Stage, database: LedgerDatabase) -> None:
    """Also where a process dies between the commit and the trim; the values in clear are in one place only."""
    follower = follower_of(stage, database)
    await stage.put("ann")
    await follower.follow()
    await follower.move()
    count = len(list(LedgerTrail(database).records()))
    await stage.put("bob")
    await follower.follow()
    LedgerTrail(database).add([one async for one in TrailStore(stage.connection).records(count)])
    again = follower_of(stage, database)
    await stage.put("cid")
    await again.follow()
    await again.move()
    head = (await TrailStore(stage.connection).state()).head
    records = await every_record(stage, database)
    assert [one.number for one in records] == list(range(1, count + 3))
    assert verify(records, KEYS.to_check_chain, head).flaws == ()
    assert (await stage.connection.run("XLEN", TRAIL), await stage.connection.run("HLEN", TRAIL_CLEAR)) == (1, 0)


async def test_a_tail_that_is_cut_from_the_ledger_is_missed_by_the_store(
    stage: Stage, database: LedgerDatabase
) -> None:
    """The store still has the last record, and its head: the record before it is missing."""
    follower = follower_of(stage, database)
    for agent in ("ann", "bob", "cid"):
        await stage.put(agent)
    await follower.follow()
    await follower.move()
    head = (await TrailStore(stage.connection).state()).head
    with database.transaction() as connection:
        connection.execute(delete(AUDIT_RECORDS).where(AUDIT_RECORDS.c.number >= head.number - 1))
    flaws = verify(await every_record(stage, database), KEYS.to_check_chain, head).flaws
    assert flaws[0].number == head.number - 1


async def test_a_person_who_is_forgotten_goes_from_ledger_and_store(stage: Stage, database: LedgerDatabase) -> None:
    """What was moved and what was not; the chain still holds."""
    follower = follower_of(stage, database)
    await stage.put("ann")
    await follower.follow()
    await follower.move()
    await stage.remove("ann")
    await follower.forget(stage.site, {f"sites/{stage.site}/agents/ann"})
    records = await every_record(stage, database)
    assert [one.number for one in records if "agents/ann" in str(one.clear)] == []
    assert verify(records, KEYS.to_check_chain).flaws == ()


async def test_a_store_that_lost_its_trail_goes_on_after_the_ledger(stage: Stage, database: LedgerDatabase) -> None:
    """A failover took the head: the next record continues the chain of the ledger."""
    follower = follower_of(stage, database)
    await stage.put("ann")
    await follower.follow()
    await follower.move()
    before = LedgerTrail(database).head()
    await stage.connection.run("DEL", TRAIL, TRAIL_HEAD)
    await stage.put("bob")
    again = follower_of(stage, database)
    await again.follow()
    await again.move()
    records = await every_record(stage, database)
    assert records[before.number].number == before.number + 1
    assert verify(records, KEYS.to_check_chain).flaws == ()


async def test_who_was_forgotten_while_the_ledger_was_away_goes_when_it_is_back(
    stage: Stage, database: LedgerDatabase
) -> None:
    """The outbox asks for the person's values by name, in the batch with which the writer goes on."""
    follower = follower_of(stage, database)
    await stage.put("ann")
    await stage.put("bob")
    await follower.follow()
    await follower.move()
    ann = agent_name(stage.site, "ann")

    def values_of(agent: str) -> list[int]:
        return [one.number for one in LedgerTrail(database).records() if f"agents/{agent}" in str(one.clear)]

    before = values_of("bob")
    assert len(values_of("ann")) == 1
    batch = Batch(stage.site, "life", [], forgets=(NAMED + ann,))
    LedgerWriter(database).commit(batch)
    assert (values_of("ann"), values_of("bob")) == ([], before)
