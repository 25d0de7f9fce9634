"""Roster files: their good rows and the errors of their bad rows, and the agents of an export as a file's text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from matcher.client import Violation
from matcher.files import roster_csv, roster_json, roster_jsonl
from matcher.files.roster_rows import FIELDS, BadRow, GoodRow, read_record
from matcher.v1 import roster_pb2 as pb

MARKS: Final = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
ARCHIVE: Final = b"PK\x03\x04"
"""Begins an .xlsx and an .ods."""
UTF8_MARK: Final = "\ufeff"
"""Without it spreadsheets of many countries read a CSV file as another encoding."""


class Form(StrEnum):
    """A format of roster files."""

    JSONL = "jsonl"
    CSV = "csv"
    JSON = "json"


_FORMS: Final = {".csv": Form.CSV, ".json": Form.JSON, ".jsonl": Form.JSONL, ".ndjson": Form.JSONL}


@dataclass(frozen=True, slots=True)
class RosterFile:
    """The contents of a roster file: its good rows, its bad rows, and each ignored field with its first line.

    unit: what the rows are counted by, the lines of the file or the entries of an array.
    """

    good: tuple[GoodRow, ...]
    bad: tuple[BadRow, ...]
    unread: Mapping[str, int]
    unit: str = "line"


ParsedRow = tuple[int, dict[str, object], Sequence[Violation]] | BadRow


def form_named(path: str) -> Form | None:
    """Return the format of a file by its name; None where the name does not decide."""
    return _FORMS.get(Path(path).suffix.lower())


def read_roster(
    data: bytes,
    form: Form,
    site: str,
    status: pb.AgentStatus.ValueType = pb.AGENT_STATUS_UNSPECIFIED,
    *,
    with_status: bool = False,
) -> RosterFile:
    """Return the agents of a roster file for a site.

    status: of rows without one. with_status: whether the rows change the status of agents who exist.
    """
    data, fault = as_utf8(data)
    if fault:
        return RosterFile((), (BadRow.of(1, "file", fault),), {})
    good: list[GoodRow] = []
    bad: list[BadRow] = []
    unread: dict[str, int] = {}
    lines: dict[str, int] = {}
    unit, rows = parsed_rows(data, form, roster_csv.read_rows)
    for parsed in rows:
        if isinstance(parsed, BadRow):
            bad.append(parsed)
            continue
        line, record, violations = parsed
        for field in record.keys() - FIELDS:
            unread.setdefault(field, line)
        row = read_record(line, record, site, status, violations, with_status=with_status)
        if isinstance(row, BadRow):
            bad.append(row)
        elif row.agent_id and row.agent_id in lines:
            bad.append(BadRow(line, row.agent_id, _same_id(unit, lines[row.agent_id]), row))
        else:
            lines[row.agent_id] = line
            good.append(row)
    return RosterFile(tuple(good), tuple(bad), unread, unit)


def roster_text(form: Form, agents: Iterable[pb.Agent]) -> str:
    """Return agents as the text of a roster file."""
    return _WRITE[form](agents)


def as_utf8(data: bytes) -> tuple[bytes, str]:
    """Return a file's bytes as UTF-8, and why that cannot be; "": it can."""
    if data.startswith(ARCHIVE):
        return b"", "is a spreadsheet's own file: save it as CSV UTF-8"
    encoding = _encoding(data)
    try:
        return (data.decode(encoding).encode() if encoding else data), ""
    except UnicodeDecodeError:
        return b"", f"begins as {encoding.upper()[:6]} and is not: save it as UTF-8"


def _encoding(data: bytes) -> str:
    """Return the encoding of a file that is not UTF-8, by its mark or by its first two letters; "" for UTF-8."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return encoding
    first, second = data[:2].ljust(2), data[2:4].ljust(2)
    if first[1] == second[1] == 0 < first[0]:
        return "utf-16-le"
    return "utf-16-be" if first[0] == second[0] == 0 < first[1] else ""


def parsed_rows(
    data: bytes, form: Form, csv_rows: Callable[[bytes], Iterator[ParsedRow]]
) -> tuple[str, Iterator[ParsedRow]]:
    """Return what the rows of a file are counted by, "line" or "entry", and the rows; csv_rows: reads those of CSV."""
    if form is Form.CSV:
        return "line", csv_rows(data)
    if roster_json.is_array(data):
        return "entry", (row if isinstance(row, BadRow) else (*row, ()) for row in roster_json.read_entries(data))
    return "line", (row if isinstance(row, BadRow) else (*row, ()) for row in roster_jsonl.read_lines(data))


def _jsonl(agents: Iterable[pb.Agent]) -> str:
    return "".join(json.dumps(record_of(agent), ensure_ascii=False) + "\n" for agent in agents)


def _json(agents: Iterable[pb.Agent]) -> str:
    records = ",\n".join(json.dumps(record_of(agent), ensure_ascii=False) for agent in agents)
    return f"[\n{records}\n]\n"


def _csv(agents: Iterable[pb.Agent]) -> str:
    out = io.StringIO(UTF8_MARK, newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(roster_csv.COLUMNS)
    writer.writerows(roster_csv.cells(record_of(agent)) for agent in agents)
    return out.getvalue()


def record_of(agent: pb.Agent) -> roster_csv.Record:
    """Return an agent as a record of a roster file."""
    return {
        "id": agent.name.rpartition("/")[2],
        "display_name": agent.display_name,
        "interests": list(agent.interests),
        "skills": {skill.skill: skill.level for skill in agent.skills},
        "languages": list(agent.languages),
        "capacity": {
            "total": agent.capacity.total,
            "channels": [
                {"channel": limit.channel, "cost": limit.cost, "max": limit.max} for limit in agent.capacity.channels
            ],
        },
        "pools": [pool.rpartition("/")[2] for pool in agent.pools],
        "manager": agent.manager,
        "status": pb.AgentStatus.Name(agent.status),
    }


def _same_id(unit: str, line: int) -> tuple[Violation, ...]:
    return (Violation("id", f"is also {'on line' if unit == 'line' else 'in entry'} {line}"),)


_WRITE: Final[Mapping[Form, Callable[[Iterable[pb.Agent]], str]]] = {
    Form.JSONL: _jsonl,
    Form.JSON: _json,
    Form.CSV: _csv,
}
