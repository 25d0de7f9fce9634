"""The CSV format of a roster: a header, one agent a row, the parts of a cell separated by "|".

A cell of interests may hold one interest a line instead, as a spreadsheet does. The export writes the cell so where
an interest contains a "|".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TypedDict

from matcher.cli.roster_rows import BadRow
from matcher.client import Violation

COLUMNS = (
    "id",
    "display_name",
    "interests",
    "skills",
    "languages",
    "capacity_total",
    "channels",
    "pools",
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
    status: str


LONGEST_CELL = 1_000_000
"""Characters; 64 interests of 512 are 33,000."""


def read_rows(data: bytes) -> Iterator[tuple[int, dict[str, object], Sequence[Violation]] | BadRow]:
    """Yield each record of a file with the number of its first line and the violations in its cells.

    A row that cannot be split into cells is yielded as a BadRow.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that the error can name their cell.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    csv.field_size_limit(LONGEST_CELL)
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
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
            yield _read_cells(line, header, cells)
            continue
        header = [cell.strip() for cell in cells]
        missing = [column for column in ("id", "interests") if column not in header]
        if missing or len(set(header)) < len(header):
            yield BadRow(
                line,
                "",
                tuple(Violation(column, "is a column that is missing") for column in missing)
                or (Violation("line", "names a column twice"),),
            )
            return


def cells(record: Record) -> list[str]:
    """Return the cells of a record, in the order of COLUMNS."""
    interests = record["interests"]
    by_lines = any("|" in interest for interest in interests)
    channels = (f"{limit['channel']}:{limit['cost']}:{limit['max']}" for limit in record["capacity"]["channels"])
    return [
        record["id"],
        record["display_name"],
        "".join(f"{interest}\n" for interest in interests) if by_lines else "|".join(interests),
        "|".join(f"{skill}:{level}" for skill, level in record["skills"].items()),
        "|".join(record["languages"]),
        str(record["capacity"]["total"]),
        "|".join(channels),
        "|".join(record["pools"]),
        record["status"],
    ]


def _read_cells(
    line: int, header: Sequence[str], cells: Sequence[str]
) -> tuple[int, dict[str, object], Sequence[Violation]] | BadRow:
    if len(cells) != len(header):
        return BadRow.of(line, "line", f"has {len(cells)} cells; the header has {len(header)}")
    by_column = dict(zip(header, cells, strict=True))
    record: dict[str, object] = {}
    wrong: list[Violation] = []
    for column, cell in by_column.items():
        if column == "interests":
            record[column] = _interests(cell)
        elif column in ("languages", "pools"):
            record[column] = _parts(cell)
        elif column == "skills":
            record[column] = _skills(cell, wrong)
        elif column not in ("capacity_total", "channels"):
            record[column] = cell.strip()
    total, channels = (by_column.get(column, "").strip() for column in ("capacity_total", "channels"))
    if total or channels:
        record["capacity"] = _capacity(total, channels, wrong)
    return line, record, wrong


def _interests(cell: str) -> list[str]:
    return [line.strip() for line in cell.split("\n") if line.strip()] if "\n" in cell else _parts(cell)


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _skills(cell: str, wrong: list[Violation]) -> dict[str, int]:
    skills: dict[str, int] = {}
    for part in _parts(cell):
        skill, _, level = part.rpartition(":")
        if not skill:
            wrong.append(Violation("skills", f"has {part!r}, which is not skill:level"))
        elif skill in skills:
            wrong.append(Violation("skills", f"has {skill!r} twice"))
        else:
            skills[skill] = _number(level, f"skills.{skill}", wrong)
    return skills


def _number(text: str, field: str, wrong: list[Violation]) -> int:
    try:
        return int(text)
    except ValueError:
        wrong.append(Violation(field, f"is {text!r}, not a whole number"))
        return 0


def _capacity(total: str, channels: str, wrong: list[Violation]) -> dict[str, object]:
    limits: list[dict[str, object]] = []
    for part in _parts(channels):
        channel, *numbers = part.split(":")
        if len(numbers) not in (1, 2):
            wrong.append(Violation("channels", f"has {part!r}, which is not channel:cost:max"))
            continue
        cost, most = (_number(number, f"channels.{channel}", wrong) for number in (*numbers, "0")[:2])
        limits.append({"channel": channel, "cost": cost, "max": most})
    return {"total": _number(total or "0", "capacity_total", wrong), "channels": limits}
