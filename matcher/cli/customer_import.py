"""The command `matcher customers import`: remembers the customers of the good rows and reports every bad one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.import_report import summarise
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session
from matcher.cli.tables import short
from matcher.client import MatcherCallError, MatcherClient, Violation
from matcher.files.customer_file import CustomerFile, CustomerRow, file_field, read_customers, record_of
from matcher.files.roster_file import Form

AT_ONCE: Final = 16
"""Rows that are sent at once."""
ACTIONS: Final = ("CREATED", "UPDATED", "UNCHANGED", "REJECTED")


async def import_customers(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='A .jsonl, .json or .csv file; "-": standard input.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, and write nothing.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Take texts that look as if they were decoded wrongly.")
    ] = False,
) -> int:
    """Remember customers. A row's interests and consent replace those of before; its handles are added.

    A row without interests forgets the customer's. Exit code 1 if any row was bad; the good rows are imported.
    """
    customers = _read(session, file, form)
    counts: Counter[str] = Counter()
    for bad in customers.bad:
        _reject(session, customers.unit, bad.line, bad.violations, counts)
    good = []
    for row in customers.good:
        if row.misread and not as_is:
            _reject(session, customers.unit, row.line, row.misread, counts)
        else:
            good.append(row)
    async with session.client() as client:
        with steps(session.err, "importing", len(good)) as step:
            for start in range(0, len(good), AT_ONCE):
                part = good[start : start + AT_ONCE]
                ends = await asyncio.gather(*(_put(client, row, dry_run=dry_run) for row in part))
                for row, end in zip(part, ends, strict=True):
                    _report(session, customers.unit, row, end, counts)
                    step()
    summarise(session, counts, ACTIONS, dry_run=dry_run)
    return 1 if counts["REJECTED"] else 0


def _read(session: Session, file: str, form: Form | None) -> CustomerFile:
    customers = read_customers(read_bytes(file), form_of(file, form))
    if not customers.good and not customers.bad:
        raise CommandError(f"{'standard input' if file == '-' else file} names no customer")
    for field, line in customers.unread.items():
        session.note(f"{customers.unit} {line}: {field} is not a field of a customer and is ignored")
    return customers


async def _put(client: MatcherClient, row: CustomerRow, *, dry_run: bool) -> tuple[str, str] | MatcherCallError:
    """Remember a customer if that changes anything; return the action and the customer's id, or the row's error."""
    try:
        before = await client.put_customer(row.customer, validate_only=True)
        wanted, there = record_of(row.customer), record_of(before)
        missing = set(row.customer.handles) - set(before.handles)
        same = not missing and all(wanted[field] == there[field] for field in wanted.keys() - {"id", "handles"})
        if before.name and same:
            return "UNCHANGED", short(before.name)
        action = "UPDATED" if before.name else "CREATED"
        if dry_run:
            return action, short(before.name)
        return action, short((await client.put_customer(row.customer)).name)
    except MatcherCallError as error:
        if not error.violations and error.reason not in {"CONSENT_MISSING", "CUSTOMER_NOT_FOUND"}:
            raise
        return error


def _report(
    session: Session,
    unit: str,
    row: CustomerRow,
    end: tuple[str, str] | MatcherCallError,
    counts: Counter[str],
) -> None:
    if isinstance(end, MatcherCallError):
        field = "id" if end.reason == "CUSTOMER_NOT_FOUND" else "consent_expires"
        violations = [Violation(file_field(one.field), one.description) for one in end.violations]
        _reject(session, unit, row.line, violations or [Violation(field, end.message)], counts)
        return
    action, customer = end
    counts[action] += 1
    if session.as_json:
        session.write_json({unit: row.line, "customer": customer, "action": action})


def _reject(session: Session, unit: str, line: int, violations: Sequence[Violation], counts: Counter[str]) -> None:
    """Report a row that is not imported, without a word of the customer."""
    counts["REJECTED"] += 1
    if session.as_json:
        told = [{"field": wrong.field, "description": wrong.description} for wrong in violations]
        session.write_json({unit: line, "action": "REJECTED", "violations": told})
        return
    reasons = "; ".join(f"{wrong.field} {wrong.description}" for wrong in violations)
    session.note(f"{unit} {line}: {reasons}", style="red")
