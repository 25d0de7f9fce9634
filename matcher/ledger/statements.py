"""Statements of the ledger: those that differ between SQLite and PostgreSQL, and removal in slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from matcher.ledger.tables import METADATA


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; those that are there stay as they are."""
    _insert(connection, table, rows, replace=False)


def insert_or_replace(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which replace those of the same key."""
    _insert(connection, table, rows, replace=True)


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
    # Straight to the driver: SQLAlchemy's handling of values took a third of a step's CPU, and no column needs it.
    text, order = _compiled(connection.dialect, table.name, replace)
    values: Any = [tuple([row[name] for name in order]) for row in rows] if order else list(rows)
    connection.exec_driver_sql(text, values)


@lru_cache(maxsize=64)
def _compiled(dialect: Dialect, table_name: str, replace: bool) -> tuple[str, tuple[str, ...]]:
    """Return the text of an insertion, and the order of its values; (): they have names."""
    table = METADATA.tables[table_name]
    made: Any = (sqlite if dialect.name == "sqlite" else postgresql).insert(table)
    if replace:
        keys = [column.name for column in table.primary_key]
        others = [column.name for column in table.columns if not column.primary_key]
        made = made.on_conflict_do_update(index_elements=keys, set_={name: made.excluded[name] for name in others})
    else:
        made = made.on_conflict_do_nothing()
    compiled = made.compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup or ())


def delete_slice(connection: Connection, table: Table, condition: ColumnElement[bool], most: int) -> int:
    """Delete at most the given number of rows; return how many."""
    keys = list(table.primary_key)
    slice_ = select(*keys).where(condition).limit(most)
    return connection.execute(delete(table).where(tuple_(*keys).in_(slice_))).rowcount
