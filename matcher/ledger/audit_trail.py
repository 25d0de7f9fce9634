"""The audit trail in the ledger: records that the store has chained, and their values until they are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from matcher.ledger.database import LedgerDatabase
from matcher.ledger.statements import insert_new
from matcher.ledger.tables import AUDIT_RECORDS, AUDIT_VALUES
from matcher.model.trail import Chained, Clear, Head, without

PAGE = 500


class LedgerTrail:
    """Keep the audit trail in one database. Every method raises LedgerAway where it does not answer."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def head(self) -> Head:
        """Return the last record; number 0: there is none."""
        with self._database.reading() as connection:
            newest = select(AUDIT_RECORDS).order_by(AUDIT_RECORDS.c.number.desc()).limit(1)
            row = connection.execute(newest).first()
        return Head() if row is None else Head(row.number, Chained.of(row.number, row.text.encode(), {}).mac)

    def add(self, records: Sequence[Chained]) -> None:
        """Add records; those that are there stay as they are, and so do forgotten values."""
        with self._database.transaction() as connection:
            last = connection.execute(select(func.max(AUDIT_RECORDS.c.number))).scalar() or 0
            new = [one for one in records if one.number > last]
            if not new:
                return
            read = {one.number: one.record() for one in new}
            sites = {number: record.site if record else "" for number, record in read.items()}
            times = {number: record.at_ms if record else 0 for number, record in read.items()}
            insert_new(
                connection,
                AUDIT_RECORDS,
                [
                    {
                        "number": one.number,
                        "at": times[one.number],
                        "site": sites[one.number],
                        "text": one.text.decode(errors="replace"),
                    }
                    for one in new
                ],
            )
            values = [
                {"number": one.number, "site": sites[one.number], "clear": msgspec.json.encode(one.clear).decode()}
                for one in new
                if one.clear
            ]
            if values:
                connection.execute(insert(AUDIT_VALUES), values)

    def records(self) -> Iterator[Chained]:
        """Yield every record in the order of the numbers."""
        after = 0
        while page := self.page(after):
            yield from page
            after = page[-1].number

    def page(self, after: int) -> list[Chained]:
        """Return the next records after a number, in their order; none after the last."""
        with self._database.reading() as connection:
            joined = AUDIT_RECORDS.outerjoin(AUDIT_VALUES, AUDIT_RECORDS.c.number == AUDIT_VALUES.c.number)
            read = select(AUDIT_RECORDS.c.number, AUDIT_RECORDS.c.text, AUDIT_VALUES.c.clear).select_from(joined)
            read = read.where(AUDIT_RECORDS.c.number > after).order_by(AUDIT_RECORDS.c.number).limit(PAGE)
            rows = connection.execute(read).all()
        return [Chained.of(number, text.encode(), _clear(clear)) for number, text, clear in rows]

    def forget(self, site: str, named: Callable[[str], bool]) -> None:
        """Remove from a site's records the values that name a person, and all of the person's own records."""
        with self._database.transaction() as connection:
            forget_values(connection, site, named)
        self._database.note_removal()
        self._database.empty_log()


def forget_values(connection: Connection, site: str, named: Callable[[str], bool]) -> None:
    """Remove values as `LedgerTrail.forget` does, within a transaction."""
    rows = connection.execute(select(AUDIT_VALUES).where(AUDIT_VALUES.c.site == site)).all()
    for row in rows:
        clear = _clear(row.clear)
        left = without(clear, named)
        if left == clear:
            continue
        this = AUDIT_VALUES.c.number == row.number
        if left:
            said = msgspec.json.encode(left).decode()
            connection.execute(update(AUDIT_VALUES).where(this).values(clear=said))
        else:
            connection.execute(delete(AUDIT_VALUES).where(this))


def _clear(stored: str | None) -> Clear:
    try:
        return msgspec.json.decode(stored, type=dict[str, tuple[str, str]]) if stored else {}
    except msgspec.MsgspecError:
        return {}
