"""Files of customers: reads their good rows and the errors of their bad rows, and writes the customers of an export.

A record has the handles, the interests, where they come from, and the consent. The formats are those of roster files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from matcher.client import Violation
from matcher.files import csv_cells, file_values, roster_csv
from matcher.files.csv_cells import guarded
from matcher.files.misread_text import misreading
from matcher.files.roster_file import UTF8_MARK, Form, as_utf8, parsed_rows
from matcher.files.roster_rows import BadRow
from matcher.v1 import customers_pb2 as pb

FIELDS: Final = (
    "id",
    "handles",
    "interests",
    "sources",
    "consent_basis",
    "consent_time",
    "consent_expires",
    "shareable",
)
"""The fields of a record, and the columns of a CSV file. `sources`: one for all interests, or one for each."""
LISTS: Final = frozenset({"handles", "interests", "sources"})


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer of a file; line: from 1, of an array the number of the entry. misread: as of a roster's row."""

    line: int
    customer: pb.Customer
    misread: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The contents of a file: its good rows, its bad rows, and each ignored field with its first line."""

    good: tuple[CustomerRow, ...]
    bad: tuple[BadRow, ...]
    unread: Mapping[str, int]
    unit: str = "line"


def read_customers(data: bytes, form: Form) -> CustomerFile:
    """Return the customers of a file."""
    data, fault = as_utf8(data)
    if fault:
        return CustomerFile((), (BadRow.of(1, "file", fault),), {})
    good: list[CustomerRow] = []
    bad: list[BadRow] = []
    unread: dict[str, int] = {}
    lines: dict[str, int] = {}
    unit, rows = parsed_rows(data, form, partial(roster_csv.read_table, key="handles", record_of=_cells))
    for parsed in rows:
        if isinstance(parsed, BadRow):
            bad.append(parsed)
            continue
        line, record, noted = parsed
        wrong = list(noted)
        for field in record.keys() - set(FIELDS):
            unread.setdefault(field, line)
        customer = _customer(record, wrong)
        for position, handle in enumerate(customer.handles):
            if handle in lines:
                where = f"on line {lines[handle]}" if unit == "line" else f"in entry {lines[handle]}"
                wrong.append(Violation(f"handles[{position}]", f"is also {where}"))
            lines.setdefault(handle, line)
        if wrong:
            bad.append(BadRow(line, "", tuple(wrong)))
        else:
            good.append(CustomerRow(line, customer, _misread(customer)))
    return CustomerFile(tuple(good), tuple(bad), unread, unit)


def file_field(field: str) -> str:
    """Return the name in the file of a field of the API."""
    field = field.removeprefix("customer.").removesuffix(".text")
    names = {"name": "id", "consent.basis": "consent_basis", "consent.time": "consent_time"}
    return {**names, "consent.expire_time": "consent_expires", "consent": "consent_basis"}.get(field, field)


def text_of(customers: Iterable[pb.Customer], form: Form) -> str:
    """Return the text of a file with customers; importing it changes nothing."""
    records = [record_of(customer) for customer in customers]
    match form:
        case Form.JSONL:
            return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        case Form.JSON:
            listed = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
            return f"[\n{listed}\n]\n"
        case Form.CSV:
            out = io.StringIO(UTF8_MARK, newline="")
            out.seek(0, io.SEEK_END)
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(FIELDS)
            writer.writerows([_cell(record[field]) for field in FIELDS] for record in records)
            return out.getvalue()


def record_of(customer: pb.Customer) -> dict[str, object]:
    """Return a customer as a record of a file."""
    consent = customer.consent
    given = customer.HasField("consent")
    return {
        "id": customer.name.rpartition("/")[2],
        "handles": list(customer.handles),
        "interests": [interest.text for interest in customer.interests],
        "sources": [interest.source for interest in customer.interests],
        "consent_basis": consent.basis,
        "consent_time": consent.time.ToJsonString() if given else "",
        "consent_expires": consent.expire_time.ToJsonString() if given else "",
        "shareable": consent.shareable,
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        # Sources may be empty, which a list between bars does not show.
        plain = csv_cells.list_cell(value) if all(value) else json.dumps(value, ensure_ascii=False)
        return guarded(plain)
    return guarded(("true" if value else "false") if isinstance(value, bool) else csv_cells.text_cell(str(value)))


def _cells(by_column: Mapping[str, str], _wrong: list[Violation]) -> dict[str, object]:
    return {
        column: csv_cells.read_list(cell) if column in LISTS else csv_cells.read_text(cell)
        for column, cell in by_column.items()
    }


def _customer(record: Mapping[str, object], wrong: list[Violation]) -> pb.Customer:
    """Return a record as a customer, and note the values of a wrong type; the service validates everything else."""
    interests, sources = (_texts(record, field, wrong) for field in ("interests", "sources"))
    if len(sources) == 1:
        sources = sources * len(interests)
    elif sources and len(sources) != len(interests):
        wrong.append(Violation("sources", f"has {len(sources)} entries for {len(interests)} interests: one, or each"))
        sources = []
    named = zip(interests, sources or [""] * len(interests), strict=True)
    identifier, handles = file_values.text(record, "id", wrong), _texts(record, "handles", wrong)
    customer = pb.Customer(
        # The ids of another site, or of a restored one, are others: a customer is found by the handles.
        name="" if handles else identifier,
        handles=handles,
        interests=[pb.CustomerInterest(text=text, source=source) for text, source in named],
    )
    basis = file_values.text(record, "consent_basis", wrong)
    times = {name: file_values.time(record, f"consent_{name}", wrong) for name in ("time", "expires")}
    shareable = file_values.truth(record, "shareable", wrong)
    if basis or any(times.values()) or shareable:
        customer.consent.CopyFrom(
            pb.Consent(basis=basis, time=times["time"], expire_time=times["expires"], shareable=shareable)
        )
    return customer


def _texts(record: Mapping[str, object], field: str, wrong: list[Violation]) -> list[str]:
    value = record.get(field)
    if value is None:
        return []
    if isinstance(value, str) and field == "sources":
        value = [value]
    if not isinstance(value, list):
        wrong.append(Violation(field, "is not a list"))
        return []
    return [file_values.text({field: item}, field, wrong) for item in value]


def _misread(customer: pb.Customer) -> tuple[Violation, ...]:
    texts = [(f"interests[{place}]", interest.text) for place, interest in enumerate(customer.interests)]
    texts += [(f"handles[{place}]", handle) for place, handle in enumerate(customer.handles)]
    return tuple(Violation(field, why) for field, text in texts if (why := misreading(text)))
