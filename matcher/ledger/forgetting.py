"""Removal of rows: of persons who are forgotten, of sites that are removed, and of what is older than it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, and_, delete, insert, select, tuple_, update

from matcher.ledger.database import LedgerDatabase
from matcher.ledger.statements import delete_slice
from matcher.ledger.tables import CONTACTS, CORRECTIONS, GAPS, OF_CONTACTS, OUTCOMES, SITES, STEPS
from matcher.model.steps import AGENT, CUSTOMER, without_agent

SLICE: Final = 500
"""Rows of contacts that are removed in one transaction: milliseconds, in which SQLite has no other writer."""


def forget_persons(
    connection: Connection, uid: str, persons: Iterable[str], newest_digest: Callable[[str], str]
) -> None:
    """Remove the rows of customers, and the ids of agents from rows that stay."""
    if connection.dialect.name != "sqlite":
        # An agent is looked for in every step of the site: were it cut off, it would be tried for ever.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    named = sorted(persons)
    digests = {one.removeprefix(CUSTOMER) for one in named if one.startswith(CUSTOMER)}
    if digests:
        _renew_digests(connection, uid, newest_digest)
        _forget_customers(connection, uid, sorted(digests))
    for agent in (one.removeprefix(AGENT) for one in named if one.startswith(AGENT)):
        _forget_agent(connection, uid, agent)


def remove_site(database: LedgerDatabase, uid: str, now_ms: int) -> int:
    """Remove the rows of a removed site, slice by slice; return how many. From the first slice on nothing is added."""
    with database.transaction() as connection:
        marked = connection.execute(update(SITES).where(SITES.c.site_uid == uid).values(gone_at=now_ms))
        if not marked.rowcount:
            row = {"site_uid": uid, "site": "", "last_seq": 0, "last_at": 0, "gone_at": now_ms}
            connection.execute(insert(SITES), row)
    removed = 0
    for table in (*OF_CONTACTS, GAPS):
        while True:
            with database.transaction() as connection:
                found = delete_slice(connection, table, table.c.site_uid == uid, SLICE)
            removed += found
            if found < SLICE:
                break
    database.note_removal()
    database.empty_log()
    return removed


def prune_slice(database: LedgerDatabase, before_ms: int) -> int:
    """Remove one slice of what was last changed before a time; return how many rows, 0: nothing is left to remove."""
    with database.transaction() as connection:
        old = select(CONTACTS.c.site_uid, CONTACTS.c.contact, CONTACTS.c.born).where(CONTACTS.c.last_at < before_ms)
        keys = [(row.site_uid, row.contact, row.born) for row in connection.execute(old.limit(SLICE))]
        if keys:
            return _delete_lives(connection, keys)
        removed = delete_slice(connection, STEPS, STEPS.c.at < before_ms, SLICE)
        for table in (OUTCOMES, CORRECTIONS):
            removed += delete_slice(connection, table, table.c.recorded_at < before_ms, SLICE)
        return removed + delete_slice(connection, GAPS, GAPS.c.to_at < before_ms, SLICE)


def _renew_digests(connection: Connection, uid: str, newest_digest: Callable[[str], str]) -> None:
    """Write the digests of customers by the newest key: after a rotation, rows from before it have another."""
    known = connection.execute(select(CONTACTS.c.customer).where(CONTACTS.c.site_uid == uid).distinct()).scalars()
    for digest in [one for one in known if one and newest_digest(one) != one]:
        connection.execute(
            update(CONTACTS)
            .where(and_(CONTACTS.c.site_uid == uid, CONTACTS.c.customer == digest))
            .values(customer=newest_digest(digest))
        )


def _forget_customers(connection: Connection, uid: str, digests: Sequence[str]) -> None:
    of_customers = and_(CONTACTS.c.site_uid == uid, CONTACTS.c.customer.in_(digests))
    while True:
        found = select(CONTACTS.c.site_uid, CONTACTS.c.contact, CONTACTS.c.born).where(of_customers).limit(SLICE)
        keys = [(row.site_uid, row.contact, row.born) for row in connection.execute(found)]
        if not keys:
            return
        _delete_lives(connection, keys)


def _delete_lives(connection: Connection, keys: Sequence[tuple[str, str, int]]) -> int:
    removed = 0
    for table in OF_CONTACTS:
        within = tuple_(table.c.site_uid, table.c.contact, table.c.born).in_(keys)
        removed += connection.execute(delete(table).where(within)).rowcount
    return removed


def _forget_agent(connection: Connection, uid: str, agent: str) -> None:
    for column in (CONTACTS.c.agent, CONTACTS.c.would_be_agent, STEPS.c.agent):
        named = and_(column.table.c.site_uid == uid, column == agent)
        connection.execute(update(column.table).where(named).values({column.name: ""}))
    mentions = and_(STEPS.c.site_uid == uid, STEPS.c.facts.contains(agent, autoescape=True))
    keys = list(STEPS.primary_key)
    for row in connection.execute(select(*keys, STEPS.c.facts).where(mentions)).all():
        without = without_agent(row.facts, agent)
        if without != row.facts:
            this = and_(*(key == getattr(row, key.name) for key in keys))
            connection.execute(update(STEPS).where(this).values(facts=without))
