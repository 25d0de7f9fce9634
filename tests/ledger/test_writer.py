"""The writer of the ledger, on SQLite and on a real PostgreSQL: every entry once, outcomes, gaps, removal."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from matcher.errors import LedgerRefuses
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.forgetting import prune_slice, remove_site
from matcher.ledger.reader import ContactLife, LedgerReader
from matcher.ledger.tables import CONTACTS, GAPS, METADATA, OF_CONTACTS, SITES
from matcher.ledger.writer import Committed, LedgerWriter
from matcher.model.outcomes import Life
from matcher.model.steps import AGENT, CUSTOMER, UNMATCHED
from tests.ledger.steps import BORN, UID, batch, life, outcome, step


def rows(database: LedgerDatabase) -> dict[str, list[Any]]:
    """Return every row of every table, in the order of its key."""
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }


def only(database: LedgerDatabase) -> ContactLife:
    """Return the one life that the ledger has."""
    (found,) = LedgerReader(database).lives(UID)
    return found


def test_a_contact_s_row_tells_what_became_of_it(database: LedgerDatabase) -> None:
    """The choice as it was at the first offer, who accepted, and when it ended."""
    LedgerWriter(database).commit(batch(life(1, "c", "d1")))
    found = only(database)
    assert (found.pool, found.basis, found.affinity, found.margin) == ("sales", "AFFINITY", 0.62, 0.11)
    assert (found.offered_ms, found.waited_ms) == (BORN + 1_000, 1_000)
    assert (found.agent, found.accepted_ms) == ("ann", BORN + 2_000)
    assert (found.state, found.ended_ms) == ("CLOSED", BORN + 3_000)


def test_a_contact_of_a_comparison_has_its_arm_from_the_first_step_on(database: LedgerDatabase) -> None:
    """What the other rule would have chosen is that of the first offer, whatever a supervisor does later."""
    writer = LedgerWriter(database)
    writer.commit(
        batch([step(1, "NOBODY_FREE", "QUEUED", sequence=1, agent="", facts="channel=chat;draw=CONTROL|0.3;")])
    )
    assert (only(database).arm, only(database).probability, only(database).part) == ("CONTROL", 0.3, None)
    first, later = (
        "compared=CONTROL|0.3|TOOK_PART|bob|AFFINITY|0.71;",
        "compared=CONTROL|0.3|ASSIGNED|eve|AFFINITY|0.5;",
    )
    writer.commit(batch([step(2, facts=f"{first}basis=CONTROL;affinity=0.2000;"), step(3, "DECLINED", "RETURNED")]))
    writer.commit(
        batch([step(4, "ASSIGNED", "ASSIGNED", facts=f"{later}basis=ASSIGNED;"), step(5, facts="compared=?;")])
    )
    found = only(database)
    assert (found.part, found.would_be_agent, found.would_be_basis) == ("TOOK_PART", "bob", "AFFINITY")
    assert (found.would_be_affinity, found.affinity, found.assigned_by_hand) == (0.71, 0.2, 1)


def test_a_life_in_several_batches_is_the_same_as_in_one(database: LedgerDatabase) -> None:
    """How the feeder cuts the outbox into batches says nothing of the contact."""
    writer, whole = LedgerWriter(database), life(1, "c", "d1")
    writer.commit(batch(whole, uid="whole"))
    for one in whole:
        writer.commit(batch([one], uid="parts"))
    reader = LedgerReader(database)
    assert list(reader.lives("parts")) == list(reader.lives("whole"))


@pytest.mark.parametrize("again", [3, 6, 9])
def test_what_is_read_again_after_a_crash_changes_nothing(database: LedgerDatabase, again: int) -> None:
    """A process died after the commit and before the trim: the next one reads the same entries, and newer ones."""
    writer, steps = LedgerWriter(database), [*life(1, "a"), *life(4, "b"), *life(7, "c")]
    writer.commit(batch(steps[:6]))
    once = rows(database)
    assert writer.commit(batch(steps[:again])) == Committed(max(0, again - 6), 0)
    if again == 6:
        assert rows(database) == once
    writer.commit(batch(steps))
    assert [found.contact for found in LedgerReader(database).lives(UID)] == ["a", "b", "c"]
    assert len(rows(database)["steps"]) == 9


def test_numbers_that_are_given_again_after_a_failover_lose_nothing(database: LedgerDatabase) -> None:
    """The new primary lacks the last entries and gives their numbers to others."""
    writer = LedgerWriter(database)
    writer.commit(batch([*life(1, "a"), *life(4, "lost")]))
    assert writer.commit(batch(life(4, "new"))) == Committed(3, 0)
    assert writer.commit(batch(life(7, "after"))) == Committed(3, 0)
    assert len(rows(database)["contacts"]) == 4
    assert rows(database)["gaps"] == []


def test_entries_that_the_outbox_lost_leave_a_gap_that_says_from_when_to_when(database: LedgerDatabase) -> None:
    """Entries 4 to 9 were never read; those that went with a forgotten customer do not count."""
    writer = LedgerWriter(database)
    writer.commit(batch(life(1, "a")))
    assert writer.commit(batch(life(10, "b"), removed={5, 6})) == Committed(3, 4)
    (gap,) = LedgerReader(database).gaps(UID)
    assert (gap.lost, gap.from_ms, gap.to_ms) == (4, BORN + 3_000, BORN + 10_000)
    assert writer.commit(batch(life(13, "c"))) == Committed(3, 0)
    assert writer.commit(batch(life(18, "d"), removed={16, 17})) == Committed(3, 0)


def test_an_unmatched_answer_is_a_step_without_a_contact(database: LedgerDatabase) -> None:
    """There is no life of such a contact; a later message under its id begins one."""
    LedgerWriter(database).commit(batch([step(1, UNMATCHED, "", facts="channel=chat;constraint=SKILL;", sequence=0)]))
    assert len(rows(database)["steps"]) == 1
    assert rows(database)["contacts"] == []


def test_an_outcome_is_kept_once_and_a_correction_keeps_what_was_said_before(database: LedgerDatabase) -> None:
    """The same value changes nothing. The agent's own word is outranked by any other source's."""
    writer, reader = LedgerWriter(database), LedgerReader(database)
    writer.commit(batch(life(1, "c")))
    writer.commit(batch([outcome(4, "c", "csat", 5, "agent"), outcome(5, "c", "csat", 2)]))
    before = rows(database)["outcomes"]
    writer.commit(batch([outcome(6, "c", "csat", 2)]))
    assert rows(database)["outcomes"] == before
    writer.commit(batch([outcome(7, "c", "csat", 4), outcome(8, "c", "csat", 5, "agent")]))
    assert only(database).outcomes == {"csat": 4.0}
    (history,) = reader.histories(UID, [Life("c", BORN)])
    assert [(known.source, known.value) for known in history] == [("agent", 5.0), ("survey", 2.0), ("survey", 4.0)]
    everything = rows(database)
    writer.commit(batch([outcome(7, "c", "csat", 4), outcome(8, "c", "csat", 5, "agent")]))
    assert rows(database) == everything


def test_earlier_outcomes_are_those_that_were_known_before_the_life_began(database: LedgerDatabase) -> None:
    """Of the same customer alone, and none from the future."""
    writer = LedgerWriter(database)
    later = [msgspec.structs.replace(one, born_ms=BORN + 8_000) for one in life(8, "second", "d1")]
    writer.commit(batch([*life(1, "first", "d1"), outcome(4, "first", "csat", 3), *life(5, "other", "d2"), *later]))
    writer.commit(batch([outcome(11, "first", "nps", 9)]))
    lives = {found.contact: found for found in LedgerReader(database).lives(UID, earlier=True)}
    assert lives["second"].earlier == {"csat": 3.0}
    assert lives["first"].earlier == {}
    assert lives["other"].earlier == {}


def test_a_forgotten_customer_s_rows_go_and_the_others_stay(database: LedgerDatabase) -> None:
    """Under the digest of an earlier key too. An agent who is forgotten is named nowhere any more."""
    writer = LedgerWriter(database, lambda digest: digest.replace("old.", "new."))
    steps = [*life(1, "a", "old.1"), *life(4, "b", "new.1"), *life(7, "c", "new.2"), outcome(10, "a", "csat", 1)]
    writer.commit(batch(steps))
    writer.commit(batch([], forgets=[CUSTOMER + "new.1"]))
    left = rows(database)
    assert {row[1] for row in left["contacts"]} == {row[1] for row in left["steps"]} == {"c"}
    assert left["outcomes"] == []
    named = step(11, facts="compared=CONTROL|0.3|TOOK_PART|ann|AFFINITY|0.5;basis=CONTROL;", contact="d", sequence=1)
    writer.commit(batch([named]))
    writer.commit(batch([], forgets=[AGENT + "ann"]))
    assert re.findall(r"\bann\b", str(rows(database))) == []
    assert "compared=CONTROL|0.3|TOOK_PART||AFFINITY|0.5;" in str(rows(database))


def test_the_contacts_of_a_customer_are_found_by_any_digest_of_a_handle(database: LedgerDatabase) -> None:
    """By those of earlier keys too, the latest first, each contact once for all its lives; not those of other sites."""
    writer, reader = LedgerWriter(database), LedgerReader(database)
    again = [msgspec.structs.replace(one, born_ms=BORN + 9_000) for one in life(10, "a", "new.1")]
    later = [msgspec.structs.replace(one, born_ms=BORN + 5_000) for one in life(4, "b", "new.1")]
    writer.commit(batch([*life(1, "a", "old.1"), *later, *life(7, "c", "new.2"), *again]))
    writer.commit(batch(life(1, "d", "new.1"), uid="another"))
    assert reader.contacts_of(UID, ["new.1", "old.1"], 9) == ["a", "b"]
    assert reader.contacts_of(UID, ["new.1", "old.1"], 1) == ["a"]
    assert reader.contacts_of(UID, ["none"], 9) == []


def test_a_removed_site_s_rows_go_and_none_come_after_them(database: LedgerDatabase) -> None:
    """A batch that was read before the site was removed is committed by nobody."""
    writer = LedgerWriter(database)
    writer.commit(batch([*life(1, "a"), outcome(4, "a", "csat", 1)]))
    writer.commit(batch(life(1, "a"), uid="another"))
    assert remove_site(database, UID, BORN) == 5
    assert writer.commit(batch(life(5, "late"))) == Committed(0, 0)
    with database.reading() as connection:
        for table in (*OF_CONTACTS, GAPS):
            of_site = select(func.count()).select_from(table).where(table.c.site_uid == UID)
            assert connection.execute(of_site).scalar() == 0
        assert connection.execute(select(func.count()).select_from(CONTACTS)).scalar() == 1
        assert connection.execute(select(SITES.c.gone_at).where(SITES.c.site_uid == UID)).scalar() == BORN


def test_what_is_older_than_it_may_be_is_pruned_slice_by_slice(database: LedgerDatabase) -> None:
    """A contact goes whole, with its steps and outcomes; what is not old stays."""
    writer = LedgerWriter(database)
    writer.commit(batch([*life(1, "old"), outcome(4, "old", "csat", 3), step(5, UNMATCHED, "", "nobody")]))
    writer.commit(batch(life(6, "new")))
    removed = 0
    while found := prune_slice(database, BORN + 6_000):
        removed += found
    assert removed == 6
    assert [row[1] for row in rows(database)["contacts"]] == ["new"]
    assert {row[1] for row in rows(database)["steps"]} == {"new"}


def test_what_the_database_refuses_is_told_from_a_database_that_is_away(database: LedgerDatabase) -> None:
    """Else one entry that cannot be written would keep all later ones out for ever."""
    wrong: Any = None  # a number that is none; PostgreSQL also refuses what is too long
    with pytest.raises(LedgerRefuses):
        LedgerWriter(database).commit(batch([step(1, at_ms=BORN), step(2, sequence=wrong, kind=UNMATCHED)]))
    assert rows(database)["steps"] == []


def test_the_reader_pages_through_more_than_it_reads_at_once(
    database: LedgerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contacts that began at the same moment are neither left out nor named twice."""
    monkeypatch.setattr("matcher.ledger.reader.PAGE", 3)
    LedgerWriter(database).commit(batch([one for n in range(8) for one in life(1 + 3 * n, f"c{n}")]))
    assert [found.contact for found in LedgerReader(database).lives(UID)] == [f"c{n}" for n in range(8)]
    pages = list(LedgerReader(database).export("steps", UID))
    assert sum(map(len, pages)) == 24
    (status,) = LedgerReader(database).status()
    assert (status.site, status.last_seq, status.contacts, status.steps) == ("default", 24, 8, 24)
