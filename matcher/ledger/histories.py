"""Histories of outcomes in the ledger: which lives contacts had, and what was recorded of them, corrections too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, select

from matcher.ledger.tables import CONTACTS, CORRECTIONS, OUTCOMES
from matcher.model.outcomes import AskedLife, LedgerLife, Life, Outcome

SLICE: Final = 500
"""Contacts that one statement asks for."""


def find_lives(connection: Connection, uid: str, asked: Sequence[AskedLife]) -> list[LedgerLife | None]:
    """Return the life that each asks for; None where the ledger has none. uid: of the site's life."""
    known: dict[str, list[Any]] = {}
    contacts = sorted({one.contact for one in asked})
    for start in range(0, len(contacts), SLICE):
        of_part = and_(CONTACTS.c.site_uid == uid, CONTACTS.c.contact.in_(contacts[start : start + SLICE]))
        read = select(
            CONTACTS.c.contact, CONTACTS.c.born, CONTACTS.c.customer, CONTACTS.c.agent, CONTACTS.c.accepted_at
        )
        for row in connection.execute(read.where(of_part).order_by(CONTACTS.c.born)):
            known.setdefault(row[0], []).append(row)
    return [_asked(one, known.get(one.contact, [])) for one in asked]


def histories(connection: Connection, uid: str, lives: Sequence[Life]) -> list[tuple[Outcome, ...]]:
    """Return what was recorded of lives, each's in the order in which it was. uid: of the site's life."""
    found: dict[Life, list[tuple[int, Outcome]]] = {life: [] for life in lives}
    contacts = sorted({life.contact for life in lives})
    for table in (CORRECTIONS, OUTCOMES):
        for start in range(0, len(contacts), SLICE):
            of_part = and_(table.c.site_uid == uid, table.c.contact.in_(contacts[start : start + SLICE]))
            for row in connection.execute(select(table).where(of_part)):
                life = Life(row.contact, row.born)
                if life in found:
                    found[life].append((row.seq, _outcome(row)))
    return [tuple(outcome for _, outcome in sorted(found[life], key=_order)) for life in lives]


def _order(entry: tuple[int, Outcome]) -> tuple[int, int]:
    """Return the order of an entry. After a failover of the store its numbers may begin again, its times go on."""
    number, outcome = entry
    return outcome.recorded_ms, number


def _asked(asked: AskedLife, rows: Sequence[Any]) -> LedgerLife | None:
    """Return the life that is asked for, of a contact's in their order."""
    for row in reversed(rows):
        begun = asked.by_ms is None or row.born <= asked.by_ms
        if begun if asked.born_ms is None else row.born == asked.born_ms:
            served_by = row.agent if row.agent and row.accepted_at is not None else ""
            return LedgerLife(Life(row.contact, row.born), row.customer or "", served_by)
    return None


def _outcome(row: Row[Any]) -> Outcome:
    return Outcome(row.source, row.kind, row.value, row.observed_at, row.recorded_at, row.place or "")
