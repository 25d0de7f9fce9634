"""Files of outcomes: reads their good rows and the errors of their bad rows.

A record has the contact, the source, and what became of the contact. The formats are those of roster files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from google.protobuf.duration_pb2 import Duration

from matcher.client import Violation
from matcher.files import csv_cells, file_values, roster_csv
from matcher.files.roster_file import Form, as_utf8, parsed_rows
from matcher.files.roster_rows import BadRow
from matcher.v1 import feedback_pb2 as pb

FIELDS: Final = (
    "contact",
    "contact_created",
    "source",
    "observed",
    "resolved",
    "csat",
    "nps",
    "recommended",
    "seen",
    "place",
    "returned_within",
    "metrics",
    "praise",
    "praise_agreed",
)
"""The fields of a record, and the columns of a CSV file, which may have more columns "metrics_<name>"."""
METRICS: Final = ("metrics.", "metrics_")
NAMES: Final[Mapping[str, str]] = {
    "contact_create_time": "contact_created",
    "outcome.observed_time": "observed",
    "outcome.recommended.recommendation": "recommended",
    "outcome.recommended.seen_time": "seen",
    "outcome.recommended.place": "place",
    "praise.text": "praise",
    "praise.agreed": "praise_agreed",
}
"""Fields of the API by their names in a file, where they differ by more than "outcome."."""
RECOMMENDATIONS: Final = ("PROMOTED", "WARNED", "NEITHER")


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What a row records; line: from 1, of an array the number of the entry."""

    line: int
    request: pb.RecordOutcomeRequest


@dataclass(frozen=True, slots=True)
class OutcomeFile:
    """The contents of a file: its good rows, its bad rows, and each ignored field with its first line."""

    good: tuple[OutcomeRow, ...]
    bad: tuple[BadRow, ...]
    unread: Mapping[str, int]
    unit: str = "line"


def read_outcomes(data: bytes, form: Form, source: str = "") -> OutcomeFile:
    """Return the outcomes of a file; source: of rows that name none."""
    data, fault = as_utf8(data)
    if fault:
        return OutcomeFile((), (BadRow.of(1, "file", fault),), {})
    good: list[OutcomeRow] = []
    bad: list[BadRow] = []
    unread: dict[str, int] = {}
    lines: dict[tuple[str, str, str], int] = {}
    unit, rows = parsed_rows(data, form, partial(roster_csv.read_table, key="contact", record_of=_cells))
    for parsed in rows:
        if isinstance(parsed, BadRow):
            bad.append(parsed)
            continue
        line, record, noted = parsed
        wrong = list(noted)
        for field in record.keys() - set(FIELDS):
            if not field.startswith(METRICS):
                unread.setdefault(field, line)
        request = _request(record, source, wrong)
        # Two values of one source would correct each other again with every import.
        key = (request.contact, request.contact_create_time.ToJsonString(), request.outcome.source)
        if key in lines:
            where = f"on line {lines[key]}" if unit == "line" else f"in entry {lines[key]}"
            wrong.append(Violation("contact", f"has the same source also {where}"))
        lines.setdefault(key, line)
        if wrong:
            bad.append(BadRow(line, request.contact, tuple(wrong)))
        else:
            good.append(OutcomeRow(line, request))
    return OutcomeFile(tuple(good), tuple(bad), unread, unit)


def file_field(field: str) -> str:
    """Return the name in the file of a field of the API."""
    return NAMES.get(field, field.removeprefix("outcome."))


def _cells(by_column: Mapping[str, str], _wrong: list[Violation]) -> dict[str, object]:
    """Return the record of a row's cells; an empty cell says nothing."""
    texts = {column: csv_cells.read_text(cell) for column, cell in by_column.items()}
    return {column: cell for column, cell in texts.items() if cell or column == "contact"}


def _request(record: Mapping[str, object], source: str, wrong: list[Violation]) -> pb.RecordOutcomeRequest:
    """Return what a record says, and note the values of a wrong type; the service validates everything else."""
    contact = file_values.text(record, "contact", wrong).strip()
    if not contact:
        wrong.append(Violation("contact", "is missing"))
    request = pb.RecordOutcomeRequest(
        contact=contact,
        contact_create_time=file_values.time(record, "contact_created", wrong),
        outcome=pb.Outcome(
            source=file_values.text(record, "source", wrong).strip() or source,
            observed_time=file_values.observed(record, "observed", wrong),
            metrics=_metrics(record, wrong),
        ),
    )
    outcome = request.outcome
    if record.get("resolved") not in (None, ""):
        outcome.resolved = file_values.truth(record, "resolved", wrong)
    for field in ("csat", "nps"):
        number = file_values.decimal(record, field, wrong)
        if number is not None and number.is_integer() and abs(number) < 2**31:
            setattr(outcome, field, int(number))
        elif number is not None:
            wrong.append(Violation(field, f"is {number:g}, not a whole number"))
    seconds = file_values.decimal(record, "returned_within", wrong)
    if seconds is not None:
        outcome.returned_within.CopyFrom(_seconds(seconds, wrong))
    _recommended(record, outcome, wrong)
    words = file_values.text(record, "praise", wrong)
    if words.strip():
        agreed = file_values.truth(record, "praise_agreed", wrong)
        request.praise.CopyFrom(pb.GivenPraise(text=words, agreed=agreed))
    return request


def _seconds(value: float, wrong: list[Violation]) -> Duration:
    duration = Duration()
    if 0 <= value < 2**40:
        duration.FromMilliseconds(round(value * 1_000))
    else:
        wrong.append(Violation("returned_within", "is no number of seconds from 0 to ten years"))
    return duration


def _recommended(record: Mapping[str, object], outcome: pb.Outcome, wrong: list[Violation]) -> None:
    said = file_values.text(record, "recommended", wrong).strip().upper()
    if not said:
        return
    if said not in RECOMMENDATIONS:
        wrong.append(Violation("recommended", f"is none of {', '.join(RECOMMENDATIONS)}"))
        return
    outcome.recommended.CopyFrom(
        pb.Recommended(
            recommendation=pb.Recommendation.Value(said),
            seen_time=file_values.time(record, "seen", wrong),
            place=file_values.text(record, "place", wrong).strip(),
        )
    )


def _metrics(record: Mapping[str, object], wrong: list[Violation]) -> dict[str, float]:
    """Return the platform's own numbers: of an object `metrics`, and of fields that begin with its name."""
    listed = record.get("metrics") or {}
    if not isinstance(listed, Mapping):
        wrong.append(Violation("metrics", "is not an object of names and numbers"))
        listed = {}
    found = {f"metrics.{name}": value for name, value in listed.items()}
    found |= {name: value for name, value in record.items() if name.startswith(METRICS)}
    numbers = {name: file_values.decimal(found, name, wrong) for name in found}
    return {name[len(METRICS[0]) :]: number for name, number in numbers.items() if number is not None}
