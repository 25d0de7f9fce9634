"""Exports of the ledger's tables, and the page that describes their columns."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest
from pyarrow import parquet

from matcher.ledger.copies import copy_ledger, put_ledger
from matcher.ledger.database import LedgerDatabase
from matcher.ledger.export import Format, write_export
from matcher.ledger.reader import TABLES, LedgerReader
from matcher.ledger.tables import METADATA
from matcher.ledger.writer import LedgerWriter
from tests.ledger.steps import UID, batch, life, outcome

PAGE: Final = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text("utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_both_formats_hold_the_same_rows(database: LedgerDatabase, table: str) -> None:
    """Numbers are numbers in Parquet, and what is not known is empty."""
    LedgerWriter(database).commit(batch([*life(1, "a", "d1"), outcome(4, "a", "csat", 4.5)]))
    LedgerWriter(database).commit(batch([*life(9, "b"), outcome(12, "a", "csat", 3)]))
    reader, text, binary = LedgerReader(database), io.BytesIO(), io.BytesIO()
    written = write_export(reader, table, UID, text, Format.CSV)
    assert write_export(reader, table, UID, binary, Format.PARQUET) == written > 0
    header, *rows = csv.reader(io.StringIO(text.getvalue().decode()))
    read = parquet.read_table(pa.BufferReader(binary.getvalue()))
    assert header == read.column_names == [column.name for column in TABLES[table].columns]
    assert rows == [["" if value is None else str(value) for value in row.values()] for row in read.to_pylist()]
    assert len(rows) == written


def test_an_export_of_one_site_has_no_row_of_another(database: LedgerDatabase) -> None:
    """Nor has that of a site that the ledger does not know."""
    LedgerWriter(database).commit(batch(life(1, "a")))
    LedgerWriter(database).commit(batch(life(1, "b"), uid="another"))
    assert write_export(LedgerReader(database), "steps", "another", io.BytesIO(), Format.CSV) == 3
    assert write_export(LedgerReader(database), "steps", "none", io.BytesIO(), Format.CSV) == 0
    assert write_export(LedgerReader(database), "steps", "", io.BytesIO(), Format.CSV) == 6


def test_the_page_of_the_ledger_has_every_column() -> None:
    """In the words of the tables themselves."""
    for table in METADATA.tables.values():
        assert f"### `{table.name}`" in PAGE
        for column in table.columns:
            kind = str(column.type).lower() + (", key" if column.primary_key else "")
            assert f"| `{column.name}` | {kind} | {column.comment} |" in PAGE, (table.name, column.name)


def test_a_copy_is_whole_while_the_ledger_is_written_to_and_takes_its_place(tmp_path: Path) -> None:
    """The former ledger is kept beside it."""
    file = tmp_path / "ledger.sqlite"
    database = LedgerDatabase.at(f"sqlite:///{file}")
    database.prepare()
    LedgerWriter(database).commit(batch(life(1, "a")))
    copy_ledger(file, tmp_path / "copy")
    LedgerWriter(database).commit(batch(life(4, "b")))
    database.close()
    former = put_ledger(tmp_path / "copy", file)
    restored = LedgerDatabase.at(f"sqlite:///{file}")
    assert [one.contact for one in LedgerReader(restored).lives(UID)] == ["a"]
    restored.close()
    kept = LedgerDatabase.at(f"sqlite:///{former}")
    assert [one.contact for one in LedgerReader(kept).lives(UID)] == ["a", "b"]
    kept.close()
