"""Export of the ledger's tables: CSV, and Parquet with the extra `parquet`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from enum import StrEnum
from typing import BinaryIO

from sqlalchemy import Float, Integer, Table

from matcher.errors import SettingsWrong
from matcher.ledger.reader import TABLES, LedgerReader


class Format(StrEnum):
    """The format of an export."""

    CSV = "csv"
    PARQUET = "parquet"


def write_export(reader: LedgerReader, table: str, uid: str, to: BinaryIO, form: Format) -> int:
    """Write the rows of a table, by its name, as a file of a format; return how many. uid "": of every site.

    Raises SettingsWrong where the library for the format is missing, LedgerAway, OSError.
    """
    write = _write_csv if form is Format.CSV else _write_parquet
    return write(reader, table, uid, to)


def _write_csv(reader: LedgerReader, table: str, uid: str, to: BinaryIO) -> int:
    text = io.TextIOWrapper(to, "utf-8", newline="", write_through=True)
    try:
        rows, written = csv.writer(text), 0
        rows.writerow([column.name for column in TABLES[table].columns])
        for page in reader.export(table, uid):
            rows.writerows(page)
            written += len(page)
        return written
    finally:
        text.detach()


def _write_parquet(reader: LedgerReader, table: str, uid: str, to: BinaryIO) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise SettingsWrong("Parquet needs pip install 'affinity-matcher[parquet]'") from None
    exported = TABLES[table]
    schema = pa.schema([pa.field(column.name, _arrow(exported, column.name)()) for column in exported.columns])
    written = 0
    with parquet.ParquetWriter(to, schema) as file:
        for page in reader.export(table, uid):
            columns = [list(values) for values in zip(*page, strict=True)]
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
            written += len(page)
    return written


def _arrow(table: Table, name: str) -> Callable[[], object]:
    """Return the type of a column in Parquet: a number, or text."""
    import pyarrow as pa

    kind = table.columns[name].type
    made: Callable[[], object] = (
        pa.float64 if isinstance(kind, Float) else pa.int64 if isinstance(kind, Integer) else pa.string
    )
    return made
