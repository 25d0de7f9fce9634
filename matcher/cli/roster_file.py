"""Roster files: reads their good rows and the errors of their bad rows, and writes the agents of an export."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from matcher.cli import roster_csv, roster_jsonl
from matcher.cli.roster_rows import FIELDS, BadRow, GoodRow, read_record
from matcher.cli.session import CommandError
from matcher.client import Violation
from matcher.v1 import roster_pb2 as pb

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Form(StrEnum):
    """A format of roster files."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class RosterFile:
    """The contents of a roster file: its good rows, its bad rows, and each ignored field with its first line."""

    good: tuple[GoodRow, ...]
    bad: tuple[BadRow, ...]
    unread: Mapping[str, int]


ParsedRow = tuple[int, dict[str, object], Sequence[Violation]] | BadRow

READ: Mapping[Form, Callable[[bytes], Iterator[ParsedRow]]] = {
    Form.JSONL: lambda data: (row if isinstance(row, BadRow) else (*row, ()) for row in roster_jsonl.read_lines(data)),
    Form.CSV: roster_csv.read_rows,
}


def form_of(path: str, given: Form | None) -> Form:
    """Return the given format, or the file's by its name; raise CommandError where the name does not decide."""
    if given is not None:
        return given
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return Form.CSV
    if suffix in (".jsonl", ".ndjson", ".json") or path == "-":
        return Form.JSONL
    raise CommandError(f"{path} is neither .jsonl nor .csv: give its format with --format")


def read_bytes(path: str) -> bytes:
    """Return the bytes of a file, or of standard input for "-"; raise CommandError where they cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def read_roster(
    data: bytes, form: Form, site: str, status: pb.AgentStatus.ValueType = pb.AGENT_STATUS_UNSPECIFIED
) -> RosterFile:
    """Return the agents of a roster file for a site; `status` is the status of rows without one."""
    if data.startswith(UTF16_MARKS):
        return RosterFile((), (BadRow.of(1, "file", "is UTF-16; a roster is UTF-8"),), {})
    good: list[GoodRow] = []
    bad: list[BadRow] = []
    unread: dict[str, int] = {}
    lines: dict[str, int] = {}
    for parsed in READ[form](data):
        if isinstance(parsed, BadRow):
            bad.append(parsed)
            continue
        line, record, violations = parsed
        for field in record.keys() - FIELDS:
            unread.setdefault(field, line)
        row = read_record(line, record, site, status, violations)
        if isinstance(row, BadRow):
            bad.append(row)
        elif row.agent_id and row.agent_id in lines:
            bad.append(BadRow(line, row.agent_id, _same_id(lines[row.agent_id]), row))
        else:
            lines[row.agent_id] = line
            good.append(row)
    return RosterFile(tuple(good), tuple(bad), unread)


def write_roster(path: str, form: Form, agents: Iterable[pb.Agent]) -> None:
    """Write agents to a file, completely or not at all, or to standard output for "-"."""
    text = _csv(agents) if form is Form.CSV else _jsonl(agents)
    if path == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    part = Path(f"{path}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def _jsonl(agents: Iterable[pb.Agent]) -> str:
    return "".join(json.dumps(_record(agent), ensure_ascii=False) + "\n" for agent in agents)


def _csv(agents: Iterable[pb.Agent]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(roster_csv.COLUMNS)
    writer.writerows(roster_csv.cells(_record(agent)) for agent in agents)
    return out.getvalue()


def _record(agent: pb.Agent) -> roster_csv.Record:
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
        "status": pb.AgentStatus.Name(agent.status),
    }


def _same_id(line: int) -> tuple[Violation, ...]:
    return (Violation("id", f"is also on line {line}"),)
