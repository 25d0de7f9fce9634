"""The reader of the ledger: lives of contacts with their outcomes, gaps, and what an export holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, and_, func, select

from matcher.ledger.database import LedgerDatabase
from matcher.ledger.histories import find_lives, histories
from matcher.ledger.tables import CONTACTS, CORRECTIONS, GAPS, OUTCOMES, SITES, STEPS
from matcher.model.outcomes import AGENT_SOURCE, AskedLife, LedgerLife, Life, Outcome

PAGE: Final = 2_000
"""Rows that are read at once, so that an export of any size takes little memory."""
TABLES: Final[Mapping[str, Table]] = {
    table.name: table for table in (SITES, CONTACTS, STEPS, OUTCOMES, CORRECTIONS, GAPS)
}
"""The tables by the names under which they are exported."""


@dataclass(frozen=True, slots=True)
class ContactLife:
    """A life of a contact, and its outcomes by kind: of the sources the one that counts.

    Times in milliseconds since 1970. None: not known. earlier: the means of the outcomes that the same customer's
    contacts had which were recorded before this life began, by kind.
    """

    contact: str
    born_ms: int
    pool: str
    arm: str | None
    probability: float | None
    part: str | None
    basis: str | None
    affinity: float | None
    margin: float | None
    best_affinity: float | None
    would_be_agent: str | None
    would_be_basis: str | None
    would_be_affinity: float | None
    agent: str | None
    offered_ms: int | None
    waited_ms: int | None
    accepted_ms: int | None
    ended_ms: int | None
    assigned_by_hand: int
    transfers: int
    state: str
    outcomes: Mapping[str, float] = field(default_factory=dict)
    earlier: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries that a full outbox lost: how many, and the times of the entries before and after them."""

    lost: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """How far a site's ledger goes."""

    site: str
    uid: str
    last_seq: int
    last_ms: int
    contacts: int
    steps: int
    outcomes: int
    lost: int


class LedgerReader:
    """Read one database. Every method raises LedgerAway where it does not answer."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def lives(
        self, uid: str, *, pool: str = "", from_ms: int = 0, to_ms: int | None = None, earlier: bool = False
    ) -> Iterator[ContactLife]:
        """Yield the lives of a site that began within a time, the oldest first; to_ms is excluded.

        uid: of the site's life. pool "": of every pool. earlier: also what the same customer's contacts had before.
        """
        condition = and_(CONTACTS.c.site_uid == uid, CONTACTS.c.born >= from_ms)
        if to_ms is not None:
            condition = and_(condition, CONTACTS.c.born < to_ms)
        if pool:
            condition = and_(condition, CONTACTS.c.pool == pool)
        with self._database.reading() as connection:
            after: tuple[int, str] | None = None
            while True:
                read = select(CONTACTS).where(condition).order_by(CONTACTS.c.born, CONTACTS.c.contact).limit(PAGE)
                if after is not None:
                    read = read.where(_behind(after))
                rows = connection.execute(read).all()
                outcomes = self._outcomes(connection, uid, rows)
                before = self._earlier(connection, uid, rows) if earlier else {}
                for row in rows:
                    key = (row.contact, row.born)
                    yield _life(row, outcomes.get(key, {}), before.get(key, {}))
                if len(rows) < PAGE:
                    return
                after = (rows[-1].born, rows[-1].contact)

    def find_lives(self, uid: str, asked: Sequence[AskedLife]) -> list[LedgerLife | None]:
        """Return the life of a contact that each asks for; None where the ledger has none."""
        with self._database.reading() as connection:
            return find_lives(connection, uid, asked)

    def contacts_of(self, uid: str, digests: Sequence[str], most: int) -> list[str]:
        """Return the contacts of a customer by any of some digests, those that began last first."""
        of_customer = and_(CONTACTS.c.site_uid == uid, CONTACTS.c.customer.in_(digests))
        latest = func.max(CONTACTS.c.born).desc()
        read = select(CONTACTS.c.contact).where(of_customer).group_by(CONTACTS.c.contact).order_by(latest).limit(most)
        with self._database.reading() as connection:
            return list(connection.execute(read).scalars())

    def histories(self, uid: str, lives: Sequence[Life]) -> list[tuple[Outcome, ...]]:
        """Return the outcomes of lives in the order in which they were recorded, with those that were corrected."""
        with self._database.reading() as connection:
            return histories(connection, uid, lives)

    def gaps(self, uid: str, from_ms: int = 0, to_ms: int | None = None) -> list[Gap]:
        """Return the gaps of a site's ledger that touch a time, the oldest first."""
        condition = and_(GAPS.c.site_uid == uid, GAPS.c.to_at >= from_ms)
        if to_ms is not None:
            condition = and_(condition, GAPS.c.from_at < to_ms)
        with self._database.reading() as connection:
            rows = connection.execute(select(GAPS).where(condition).order_by(GAPS.c.first_seq))
            return [Gap(row.lost, row.from_at, row.to_at) for row in rows]

    def status(self) -> list[SiteStatus]:
        """Return how far the ledger of each site goes, without those of removed sites."""
        with self._database.reading() as connection:

            def counted(table: Table, what: Any = None) -> dict[str, int]:
                total = func.count() if what is None else func.sum(what)
                rows = connection.execute(select(table.c.site_uid, total).group_by(table.c.site_uid))
                return {uid: int(count) for uid, count in rows}

            contacts, steps, outcomes = counted(CONTACTS), counted(STEPS), counted(OUTCOMES)
            lost = counted(GAPS, GAPS.c.lost)
            sites = connection.execute(select(SITES).where(SITES.c.gone_at.is_(None)).order_by(SITES.c.site))
            return [
                SiteStatus(
                    row.site,
                    row.site_uid,
                    row.last_seq,
                    row.last_at,
                    *(counts.get(row.site_uid, 0) for counts in (contacts, steps, outcomes, lost)),
                )
                for row in sites
            ]

    def export(self, table: str, uid: str = "") -> Iterator[Sequence[Row[Any]]]:
        """Yield the rows of a table by name in pages, in the order of its key; uid "": of every site."""
        exported = TABLES[table]
        with self._database.reading() as connection:
            read = select(exported).order_by(*exported.primary_key)
            if uid:
                read = read.where(exported.c.site_uid == uid)
            result = connection.execution_options(yield_per=PAGE).execute(read)
            yield from result.partitions()

    @staticmethod
    def _outcomes(
        connection: Connection, uid: str, rows: Sequence[Row[Any]]
    ) -> dict[tuple[str, int], dict[str, float]]:
        """Return the outcomes that count, by contact and life."""
        found: dict[tuple[str, int], dict[str, tuple[bool, int, int, float]]] = {}
        ids = [row.contact for row in rows]
        for start in range(0, len(ids), 500):
            of_part = and_(OUTCOMES.c.site_uid == uid, OUTCOMES.c.contact.in_(ids[start : start + 500]))
            for row in connection.execute(select(OUTCOMES).where(of_part)):
                rank = (row.source != AGENT_SOURCE, row.recorded_at, row.seq, row.value)
                of_life = found.setdefault((row.contact, row.born), {})
                of_life[row.kind] = max(of_life.get(row.kind, rank), rank)
        return {key: {kind: rank[-1] for kind, rank in kinds.items()} for key, kinds in found.items()}

    @staticmethod
    def _earlier(connection: Connection, uid: str, rows: Sequence[Row[Any]]) -> dict[tuple[str, int], dict[str, float]]:
        """Return the means of the same customers' outcomes that were recorded before each life began."""
        customers = sorted({row.customer for row in rows if row.customer})
        known: dict[str, list[tuple[int, str, float]]] = {}
        for start in range(0, len(customers), 500):
            read = (
                select(CONTACTS.c.customer, OUTCOMES.c.recorded_at, OUTCOMES.c.kind, OUTCOMES.c.value)
                .join(
                    OUTCOMES,
                    and_(
                        OUTCOMES.c.site_uid == CONTACTS.c.site_uid,
                        OUTCOMES.c.contact == CONTACTS.c.contact,
                        OUTCOMES.c.born == CONTACTS.c.born,
                    ),
                )
                .where(and_(CONTACTS.c.site_uid == uid, CONTACTS.c.customer.in_(customers[start : start + 500])))
            )
            for customer, recorded_at, kind, value in connection.execute(read):
                known.setdefault(customer, []).append((recorded_at, kind, value))
        means: dict[tuple[str, int], dict[str, float]] = {}
        for row in rows:
            by_kind: dict[str, list[float]] = {}
            for recorded_at, kind, value in known.get(row.customer or "", ()):
                if recorded_at < row.born:
                    by_kind.setdefault(kind, []).append(value)
            means[row.contact, row.born] = {kind: sum(values) / len(values) for kind, values in by_kind.items()}
        return means


def _behind(after: tuple[int, str]) -> Any:
    born, contact = after
    return (CONTACTS.c.born > born) | and_(CONTACTS.c.born == born, CONTACTS.c.contact > contact)


def _life(row: Row[Any], outcomes: Mapping[str, float], earlier: Mapping[str, float]) -> ContactLife:
    return ContactLife(
        contact=row.contact,
        born_ms=row.born,
        pool=row.pool or "",
        arm=row.arm,
        probability=row.probability,
        part=row.part,
        basis=row.basis,
        affinity=row.affinity,
        margin=row.margin,
        best_affinity=row.best_affinity,
        would_be_agent=row.would_be_agent,
        would_be_basis=row.would_be_basis,
        would_be_affinity=row.would_be_affinity,
        agent=row.agent or None,
        offered_ms=row.offered_at,
        waited_ms=row.waited_ms,
        accepted_ms=row.accepted_at,
        ended_ms=row.ended_at,
        assigned_by_hand=row.assigned_by_hand,
        transfers=row.transfers,
        state=row.state,
        outcomes=outcomes,
        earlier=earlier,
    )
