"""Statements of the ledger: those that differ between SQLite and PostgreSQL, and removal in slices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Insert, Table, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement


def insert_new(connection: Connection, table: Table) -> Insert:
    """Return the insertion of rows, of which those that are there stay as they are."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def insert_or_replace(connection: Connection, table: Table) -> Insert:
    """Return the insertion of rows, which replace those of the same key."""
    keys = [column.name for column in table.primary_key]
    others = [column.name for column in table.columns if not column.primary_key]
    made: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    replaced: Insert = made.on_conflict_do_update(
        index_elements=keys, set_={name: made.excluded[name] for name in others}
    )
    return replaced


def delete_slice(connection: Connection, table: Table, condition: ColumnElement[bool], most: int) -> int:
    """Delete at most so many rows; return how many."""
    keys = list(table.primary_key)
    slice_ = select(*keys).where(condition).limit(most)
    return connection.execute(delete(table).where(tuple_(*keys).in_(slice_))).rowcount
