"""The writer of the ledger: commits what the outbox held, once however often it is read, and removes what is to go."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Select, and_, select, update

from matcher.ledger.audit_trail import forget_values
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.forgetting import forget_persons
from matcher.ledger.lives import Row, apply_step, decimal, new_life
from matcher.ledger.statements import insert_new, insert_or_replace
from matcher.ledger.tables import CONTACTS, CORRECTIONS, GAPS, OUTCOMES, SITES, STEPS
from matcher.model.steps import NAMED, OUTCOME, UNMATCHED, Step
from matcher.model.trail import names_and_ids

AT_ONCE: Final = 500
"""Entries in a transaction."""

_CUSTOMER_FACT: Final = re.compile(r"(?<![^;])customer=[^;]*;")
"""Whose contact it is: that stands in the contact's row alone, by which the customer's rows are found."""

_Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read of a site's outbox at once.

    first, last: the numbers of the first and the last entry, also of one that cannot be read; 0: there was no entry.
    removed: entries that were removed from the outbox with their customer: they are not lost.
    forgets: the persons whose rows are to go, since everything before them is in the batch or was committed.
    """

    site: str
    uid: str
    steps: Sequence[Step]
    first: int = 0
    last: int = 0
    first_at: int = 0
    last_at: int = 0
    removed: Collection[int] = ()
    forgets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: new steps, and how many entries were lost before them."""

    steps: int
    lost: int


class LedgerWriter:
    """Write to one database. Every method raises LedgerAway where it does not answer; then nothing is written."""

    def __init__(self, database: LedgerDatabase, newest_digest: Callable[[str], str] = str) -> None:
        """newest_digest: returns a customer's digest by the newest key, of a digest by any."""
        self._database = database
        self._newest_digest = newest_digest

    def commit(self, batch: Batch) -> Committed:
        """Commit a batch in one transaction. What was committed before changes nothing."""
        done = self._commit(batch)
        if batch.forgets:
            self._database.note_removal()
        self._database.empty_log()
        return done

    def _commit(self, batch: Batch) -> Committed:
        with self._database.transaction() as connection:
            last = _last(connection, batch)
            if last is None:
                return Committed(0, 0)  # the site was removed meanwhile, and its rows go
            lost, steps = 0, batch.steps
            if batch.last:
                last_seq, last_at = last
                lost = max(0, batch.first - last_seq - 1)
                lost -= min(lost, sum(last_seq < number < batch.first for number in batch.removed))
                if lost:
                    _note_gap(connection, batch, last_seq, last_at, lost)
                elif batch.first <= last_seq:
                    steps = _without_known(connection, batch)
                _write(connection, batch.uid, steps)
                connection.execute(
                    update(SITES)
                    .where(SITES.c.site_uid == batch.uid)
                    .values(last_seq=batch.last, last_at=batch.last_at, site=batch.site)
                )
            if batch.forgets:
                forget_persons(connection, batch.uid, batch.forgets, self._newest_digest)
                names = {one.removeprefix(NAMED) for one in batch.forgets if one.startswith(NAMED)}
                if names:
                    forget_values(connection, batch.site, names_and_ids(names).__contains__)
            return Committed(len(steps), lost)


def _last(connection: Connection, batch: Batch) -> tuple[int, int] | None:
    """Lock the site's row, and return the number and the time of the last entry that was committed.

    None: the site was removed. A site that has no row yet gets one.
    """
    begun = {"site_uid": batch.uid, "site": batch.site, "last_seq": 0, "last_at": 0, "gone_at": None}
    read = select(SITES).where(SITES.c.site_uid == batch.uid).with_for_update()
    row = connection.execute(read).first()
    if row is None:
        insert_new(connection, SITES, [begun])
        row = connection.execute(read).one()
    return None if row.gone_at is not None else (row.last_seq, row.last_at)


def _note_gap(connection: Connection, batch: Batch, last_seq: int, last_at: int, lost: int) -> None:
    gap = {
        "site_uid": batch.uid,
        "first_seq": last_seq + 1,
        "last_seq": batch.first - 1,
        "lost": lost,
        "from_at": last_at,
        "to_at": batch.first_at,
    }
    insert_new(connection, GAPS, [gap])


def _without_known(connection: Connection, batch: Batch) -> Sequence[Step]:
    """Return the steps of a batch without those that were committed before."""
    within = and_(STEPS.c.site_uid == batch.uid, STEPS.c.seq.between(batch.first, batch.last))
    read = select(STEPS.c.contact, STEPS.c.born, STEPS.c.seq).where(within)
    known = {(contact, born, seq) for contact, born, seq in connection.execute(read)}
    return [step for step in batch.steps if (step.contact, step.born_ms, step.number) not in known]


def _write(connection: Connection, uid: str, steps: Sequence[Step]) -> None:
    """Write new steps, and what they change."""
    told = [step for step in steps if step.kind != OUTCOME]
    if told:
        insert_new(connection, STEPS, [_step_row(uid, step) for step in told])
        _write_lives(connection, uid, [step for step in told if step.kind != UNMATCHED])
    outcomes = [step for step in steps if step.kind == OUTCOME]
    if outcomes:
        _write_outcomes(connection, uid, outcomes)


def _step_row(uid: str, step: Step) -> Row:
    return {
        "site_uid": uid,
        "contact": step.contact,
        "born": step.born_ms,
        "seq": step.number,
        "at": step.at_ms,
        "kind": step.kind,
        "state": step.state,
        "sequence": step.sequence,
        "pool": step.pool,
        "reservation": step.reservation,
        "agent": step.agent,
        "facts": _CUSTOMER_FACT.sub("", step.facts),
    }


def _write_lives(connection: Connection, uid: str, steps: Sequence[Step]) -> None:
    begun = {_key(step) for step in steps if step.sequence == 1}
    before = {step.contact for step in steps if _key(step) not in begun}
    rows: dict[_Key, Row] = {}
    if before:
        of_site = and_(CONTACTS.c.site_uid == uid, CONTACTS.c.contact.in_(sorted(before)))
        rows = {(row["contact"], row["born"]): row for row in _rows(connection, select(CONTACTS).where(of_site))}
    for step in steps:
        if _key(step) not in rows:
            rows[_key(step)] = new_life(uid, step)
        apply_step(rows[_key(step)], step)
    changed = {_key(step) for step in steps}
    if changed:
        insert_or_replace(connection, CONTACTS, [rows[key] for key in sorted(changed)])


def _write_outcomes(connection: Connection, uid: str, steps: Sequence[Step]) -> None:
    """Write outcomes: the same value of a source changes nothing, another one is a correction with its history."""
    of_site = and_(OUTCOMES.c.site_uid == uid, OUTCOMES.c.contact.in_(sorted({step.contact for step in steps})))
    rows = {_outcome_key(row): row for row in _rows(connection, select(OUTCOMES).where(of_site))}
    changed, former = dict[Any, Row](), list[Row]()
    for step in steps:
        said = _outcome_row(uid, step)
        if said is None:
            continue
        key = _outcome_key(said)
        before = rows.get(key)
        if before is not None:
            is_known = said["seq"] <= before["seq"] and said["recorded_at"] <= before["recorded_at"]
            if is_known or (said["value"], said["place"]) == (before["value"], before["place"]):
                continue
            former.append(before)
        rows[key] = changed[key] = said
    if former:
        insert_new(connection, CORRECTIONS, former)
    if changed:
        insert_or_replace(connection, OUTCOMES, list(changed.values()))


def _outcome_row(uid: str, step: Step) -> Row | None:
    facts = step.known()
    value = decimal(facts.get("value"))
    if value is None or "source" not in facts or "outcome" not in facts:
        return None
    return {
        "site_uid": uid,
        "contact": step.contact,
        "born": step.born_ms,
        "source": facts["source"],
        "kind": facts["outcome"],
        "value": value,
        "observed_at": int(decimal(facts.get("observed")) or step.at_ms),
        "recorded_at": step.at_ms,
        "seq": step.number,
        "place": facts.get("place"),
    }


def _rows(connection: Connection, read: Select[Any]) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in connection.execute(read).mappings()]


def _outcome_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("contact", "born", "source", "kind"))


def _key(step: Step) -> _Key:
    return step.contact, step.born_ms
