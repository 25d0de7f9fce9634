"""The CSV format of a roster: a header, one agent a row, as people and spreadsheets write it.

The header's names count without regard to case, order and space. A first line "sep=;" names the separator. Columns
without a name are dropped if they are empty, and a row's missing last cells are empty ones.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypedDict

from matcher.client import Violation
from matcher.files import csv_cells
from matcher.files.csv_cells import column_letter, guarded, unguarded
from matcher.files.roster_rows import BadRow

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS = (
    "id",
    "display_name",
    "interests",
    "skills",
    "languages",
    "capacity_total",
    "channels",
    "pools",
    "manager",
    "status",
)


class Channel(TypedDict):
    """The cost of a contact of one channel and the most contacts at once, in a record."""

    channel: str
    cost: int
    max: int


class Capacity(TypedDict):
    """The capacity of an agent, in a record."""

    total: int
    channels: list[Channel]


class Record(TypedDict):
    """An agent as plain values with every field, for an export."""

    id: str
    display_name: str
    interests: list[str]
    skills: dict[str, int]
    languages: list[str]
    capacity: Capacity
    pools: list[str]
    manager: str
    status: str


RecordOf = Callable[[Mapping[str, str], list[Violation]], dict[str, object]]

END_OF_DOS: Final = b"\x1a"
"""Ends a file that an old program wrote."""
LONGEST_CELL = 1_000_000
"""Characters; 64 interests of 512 are 33,000."""
SEPARATORS: Final = ",;\t"
MOST_BEFORE_HEADER: Final = 20
MOST_SHOWN: Final = 200
"""Characters of the names of columns in an error."""
_NAMED_SEPARATOR: Final = re.compile(r'"?sep=([^"\w\s]|\t)"?[,;\t]*\r?', re.IGNORECASE)
"""The first line with which a file tells a spreadsheet its separator, also as a spreadsheet writes it again."""


def read_rows(data: bytes) -> Iterator[tuple[int, dict[str, object], Sequence[Violation]] | BadRow]:
    """Yield each record of a roster with the number of its first line and the violations in its cells.

    A row that cannot be split into cells is yielded as a BadRow.
    """
    return read_table(data, "id", _agent)


def read_table(
    data: bytes, key: str, record_of: RecordOf
) -> Iterator[tuple[int, dict[str, object], Sequence[Violation]] | BadRow]:
    """Yield each record of a file, as `read_rows` does.

    key: the column without which a file is none of this kind. record_of: makes a record of a row's cells by their
    columns, and notes what is wrong in them.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that the error can name their cell.
    text = data.removesuffix(END_OF_DOS).decode("utf-8-sig", errors="surrogateescape")
    csv.field_size_limit(LONGEST_CELL)
    first, _, rest = text.partition("\n")
    named = _NAMED_SEPARATOR.fullmatch(first)
    lines_before = 1 if named else 0
    separator, text = (named[1], rest) if named else (_separator(text), text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: Mapping[int, str] = {}
    while True:
        line = lines_before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow.of(line, "line", f"is not CSV: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header:
            yield _read_cells(line, header, cells, record_of)
            continue
        if cells[0].lstrip().startswith("#"):
            continue  # a comment before the header
        header = _header(cells)
        wrong = _wrong_header(key, list(header.values()), _line_of_header(key, reader, lines_before))
        if wrong:
            yield BadRow(line, "", wrong)
            return


def _separator(text: str) -> str:
    """Return the separator of which the first line that is no comment has most."""
    lines = (line for line in io.StringIO(text) if line.strip() and not line.lstrip().startswith("#"))
    return max(SEPARATORS, key=next(lines, "").count)


def cells(record: Record) -> list[str]:
    """Return the cells of a record, in the order of COLUMNS."""
    channels = (f"{limit['channel']}:{limit['cost']}:{limit['max']}" for limit in record["capacity"]["channels"])
    written = [
        record["id"],
        csv_cells.text_cell(record["display_name"]),
        csv_cells.list_cell(record["interests"]),
        "|".join(f"{skill}:{level}" for skill, level in record["skills"].items()),
        csv_cells.list_cell(record["languages"]),
        str(record["capacity"]["total"]),
        "|".join(channels),
        "|".join(record["pools"]),
        record["manager"],
        record["status"],
    ]
    return [guarded(cell) for cell in written]


def _header(cells: Sequence[str]) -> dict[int, str]:
    """Return the names of the columns by their place, without those that have none."""
    names = ("_".join(re.split(r"[\W_]+", cell.casefold())).strip("_") for cell in cells)
    return {place: name for place, name in enumerate(names) if name}


def _wrong_header(key: str, names: Sequence[str], later: Callable[[], int]) -> tuple[Violation, ...]:
    """Return what is wrong with a header; later: finds the line that looks like the header, 0 if none does."""
    if key not in names:
        if line := later():
            return (Violation(key, f"is a column that is missing; line {line} has it: remove the lines before that"),)
        columns = ", ".join(names)[:MOST_SHOWN] or "none"
        return (Violation(key, f"is a column that is missing; the columns are {columns}"),)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), "")
    return (Violation("line", f"names the column {twice} twice"),) if twice else ()


def _line_of_header(key: str, reader: Reader, lines_before: int) -> Callable[[], int]:
    """Return a function that finds the header among the next lines of a file that begins with a title."""

    def find() -> int:
        for _ in range(MOST_BEFORE_HEADER):
            line = lines_before + reader.line_num + 1
            try:
                cells = next(reader)
            except (StopIteration, csv.Error):
                break
            if key in _header(cells).values():
                return line
        return 0

    return find


def _read_cells(
    line: int, header: Mapping[int, str], cells: Sequence[str], record_of: RecordOf
) -> tuple[int, dict[str, object], Sequence[Violation]]:
    by_column = {name: unguarded(cells[place]) if place < len(cells) else "" for place, name in header.items()}
    wrong = [
        Violation("line", f"has a cell in column {column_letter(place)}, which the header does not name")
        for place, cell in enumerate(cells)
        if place not in header and cell.strip()
    ]
    return line, record_of(by_column, wrong), wrong


def _agent(by_column: Mapping[str, str], wrong: list[Violation]) -> dict[str, object]:
    """Return the record of an agent of the cells of a row."""
    record: dict[str, object] = {}
    if "capacity" in by_column:
        if "capacity_total" in by_column:
            wrong.append(Violation("capacity", "is a column beside capacity_total: keep one of the two"))
        by_column = {"capacity_total": by_column["capacity"], **by_column}
    for column, cell in by_column.items():
        if column in ("interests", "languages"):
            record[column] = csv_cells.read_list(cell)
        elif column == "pools":
            record[column] = csv_cells.parts(cell)
        elif column == "skills":
            record[column] = csv_cells.read_skills(cell, wrong)
        elif column == "display_name":
            record[column] = csv_cells.read_text(cell)
        elif column not in ("capacity_total", "channels", "capacity"):
            record[column] = cell.strip()
    total, channels = (
        by_column[name].strip() if name in by_column else None for name in ("capacity_total", "channels")
    )
    if total is not None or channels is not None:
        record["capacity"] = csv_cells.read_capacity(total, channels, wrong)
    return record
