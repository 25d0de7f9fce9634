"""The feeder, between a real store and both databases: nothing lost, nothing twice, and no call waits for it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import func, select

from matcher.errors import LedgerAway
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.reader import LedgerReader
from matcher.ledger.tables import STEPS
from matcher.ledger.writer import LedgerWriter
from matcher.model.steps import AGENT
from matcher.services.ledger import Ledger
from matcher.services.ledger_feeder import FeederObserver, LedgerFeeder
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.redis.client import StoreClient
from tests.store.stage import LONG_MS, Stage

DAYS: Final = 400


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[StoreClient]:
    """Give a client of a store of this file's own: the feeder looks at every site of a store."""
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        store = await EmbeddedStore.open(EmbeddedSettings(Path(folder)))
        client = StoreClient(store.url)
        await client.start()
        yield client
        await client.close()
        await store.close()


@pytest.fixture
async def stage(client: StoreClient) -> AsyncIterator[Stage]:
    """Give a site, the only one of its store."""
    stage = Stage(client)
    await stage.set_up()
    yield stage
    await stage.clear()


class Feeding:
    """A feeder with its ledger, and what it told."""

    def __init__(self, stage: Stage, database: LedgerDatabase) -> None:
        self.database, self.lost, self.refused, self.backlogs = database, 0, 0, list[int]()
        self.ledger = Ledger(database)

        def lose(_site: str, lost: int) -> None:
            self.lost += lost

        def refuse() -> None:
            self.refused += 1

        observer = FeederObserver(
            on_backlogs=lambda told: self.backlogs.append(sum(entries for _, entries, _ in told)),
            on_lost=lose,
            on_refused=refuse,
        )
        self.feeder = LedgerFeeder(self.ledger, stage.outbox, stage.sites, stage.connection, DAYS, observer)

    def reader(self) -> LedgerReader:
        """Return a reader of the ledger."""
        return LedgerReader(self.database)

    def steps(self) -> int:
        """Return how many steps the ledger has."""
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(STEPS)).scalar() or 0


@pytest.fixture
def feeding(stage: Stage, database: LedgerDatabase) -> Feeding:
    """Give a feeder of the stage's store."""
    return Feeding(stage, database)


async def converse(stage: Stage, contact: str) -> None:
    """Offer a contact, accept and complete it: three steps."""
    held = await stage.hold("ann", contact=contact)
    ref = await stage.routing.reference(stage.site, held.id)
    await stage.routing.accept(ref, 0, LONG_MS)
    await stage.routing.complete(ref, 0, 0)


async def uid_of(stage: Stage) -> str:
    """Return the uid of the stage's site."""
    life = await stage.sites.living(stage.site)
    assert life is not None
    return life.uid


async def test_what_the_outbox_held_is_in_the_ledger_and_out_of_the_store(stage: Stage, feeding: Feeding) -> None:
    """After a second look also the last batch is trimmed."""
    await stage.put("ann", 9)
    for number in range(5):
        await converse(stage, f"c{number}")
    await feeding.feeder.look()
    await feeding.feeder.look()
    lives = list(feeding.reader().lives(await uid_of(stage)))
    assert [(life.contact, life.state, life.agent) for life in lives] == [(f"c{n}", "CLOSED", "ann") for n in range(5)]
    assert feeding.steps() == 15
    assert await stage.raw("XLEN", stage.keys.outbox) == 0
    assert feeding.lost == feeding.refused == 0


async def test_a_process_that_died_before_the_trim_leaves_nothing_twice(
    stage: Stage, feeding: Feeding, database: LedgerDatabase
) -> None:
    """The next process commits the same entries, and the newer ones behind them."""
    await stage.put("ann", 9)
    await converse(stage, "before")
    await feeding.feeder.look()
    await converse(stage, "after")
    await stage.raw("DEL", stage.keys.feeder)  # its lease has ended
    another = Feeding(stage, database)
    await another.feeder.look()
    assert another.steps() == 6
    assert [life.contact for life in another.reader().lives(await uid_of(stage))] == ["before", "after"]


async def test_two_processes_do_not_feed_one_site(stage: Stage, feeding: Feeding, database: LedgerDatabase) -> None:
    """The second finds the lease of the first and leaves the outbox alone."""
    await stage.put("ann", 9)
    await converse(stage, "c")
    await feeding.feeder.look()
    another = Feeding(stage, database)
    await another.feeder.look()
    assert await stage.raw("XLEN", stage.keys.outbox) == 3


async def test_while_the_database_is_away_everything_waits_in_the_store(
    stage: Stage, feeding: Feeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it answers again all of it is there; calls of the store went on meanwhile."""
    await stage.put("ann", 9)
    commit = LedgerWriter.commit

    def away(*_: object) -> None:
        raise LedgerAway("OperationalError")

    monkeypatch.setattr(LedgerWriter, "commit", away)
    for number in range(3):
        await converse(stage, f"c{number}")
        with pytest.raises(LedgerAway):
            await feeding.feeder.look()
    assert await stage.raw("XLEN", stage.keys.outbox) == 9
    monkeypatch.setattr(LedgerWriter, "commit", commit)
    await feeding.feeder.look()
    assert feeding.steps() == 9
    assert feeding.lost == 0


async def test_a_backlog_of_many_batches_is_fed_at_one_look(stage: Stage, feeding: Feeding) -> None:
    """Batches of 500: none is left out, none comes twice, the last is trimmed with the next look."""
    for number in range(1_203):
        await stage.outbox.note_unmatched(stage.site, f"c{number}", "default", "chat", "STATUS")
    await feeding.feeder.look()
    assert feeding.steps() == 1_203
    assert await stage.raw("XLEN", stage.keys.outbox) == 203
    await feeding.feeder.look()
    assert await stage.raw("XLEN", stage.keys.outbox) == 0


async def test_what_a_full_outbox_lost_is_counted_and_stands_in_the_ledger(stage: Stage, feeding: Feeding) -> None:
    """The gap has exactly the entries that are missing."""
    stage.outbox._kept = 100
    for number in range(1_000):
        await stage.outbox.note_unmatched(stage.site, f"c{number}", "default", "chat", "STATUS")
    left = await stage.raw("XLEN", stage.keys.outbox)
    await feeding.feeder.look()
    (gap,) = feeding.reader().gaps(await uid_of(stage))
    assert gap.lost == feeding.lost == 1_000 - left
    assert feeding.steps() == left


async def test_an_entry_that_nobody_can_read_keeps_the_others_not_out(stage: Stage, feeding: Feeding) -> None:
    """It is counted, and no gap is made of it."""
    await stage.raw("XADD", stage.keys.outbox, "0-*", "e", "of|a|later|version")
    await stage.outbox.note_unmatched(stage.site, "c", "default", "chat", "STATUS")
    await feeding.feeder.look()
    assert (feeding.steps(), feeding.refused, feeding.lost) == (1, 1, 0)


async def test_an_entry_that_the_database_refuses_keeps_the_others_not_out(
    stage: Stage, feeding: Feeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is committed entry by entry then."""
    from matcher.ledger import writer

    row_of = writer._step_row

    def refused(uid: str, step: object) -> dict[str, object]:
        row = row_of(uid, step)  # type: ignore[arg-type]
        return row | {"sequence": None} if row["contact"] == "wrong" else row

    monkeypatch.setattr(writer, "_step_row", refused)
    for contact in ("a", "wrong", "b"):
        await stage.outbox.note_unmatched(stage.site, contact, "default", "chat", "STATUS")
    await feeding.feeder.look()
    await feeding.feeder.look()
    assert (feeding.steps(), feeding.refused, feeding.lost) == (2, 1, 0)
    assert await stage.raw("XLEN", stage.keys.outbox) == 0


async def test_a_forgotten_agent_is_named_no_more(stage: Stage, feeding: Feeding) -> None:
    """The request is kept in the store until the ledger has done it."""
    await stage.put("ann", 9)
    await converse(stage, "c")
    await stage.outbox.note_forgets(stage.site, {AGENT + "ann"})
    await feeding.feeder.look()
    await feeding.feeder.look()
    (life,) = feeding.reader().lives(await uid_of(stage))
    assert life.agent is None
    assert await stage.raw("EXISTS", stage.keys.forgets) == 0


async def test_backlogs_are_told_at_every_look(stage: Stage, feeding: Feeding) -> None:
    """Also that nothing waits any more."""
    await stage.outbox.note_unmatched(stage.site, "c", "default", "chat", "STATUS")
    await feeding.feeder.look()
    await feeding.feeder.look()
    await feeding.feeder.look()
    assert feeding.backlogs == [1, 1, 0]
