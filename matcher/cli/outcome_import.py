"""The command `matcher outcomes import`: records the outcomes of the good rows and reports every bad one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.import_report import summarise
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session
from matcher.client import MatcherCallError, Violation
from matcher.files.outcome_file import OutcomeFile, OutcomeRow, file_field, read_outcomes
from matcher.files.roster_file import Form
from matcher.v1 import feedback_pb2 as pb

AT_ONCE: Final = 100
"""Rows that are sent together."""
ACTIONS: Final = ("RECORDED", "UNCHANGED", "REJECTED")
OF_A_ROW: Final = {"CONTACT_NOT_FOUND": "contact", "CONTACT_UNSERVED": "praise", "AGENT_NOT_FOUND": "praise"}
"""The reasons that are a row's own fault, by its field; any other ends the import."""


async def import_outcomes(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='A .jsonl, .json or .csv file; "-": standard input.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
    source: Annotated[str, typer.Option("--source", help="Who says it, for rows without a source.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, and write nothing.")] = False,
) -> int:
    """Record what became of contacts; the same file again changes nothing.

    A contact that nobody knows is named by its row. Exit code 1 if any row was bad; the good rows are recorded.
    """
    outcomes = _read(session, file, form, source)
    counts: Counter[str] = Counter()
    for bad in outcomes.bad:
        _reject(session, outcomes.unit, bad.line, bad.agent_id, bad.violations, counts)
    async with session.client() as client:
        with steps(session.err, "recording", len(outcomes.good)) as step:
            for start in range(0, len(outcomes.good), AT_ONCE):
                part = outcomes.good[start : start + AT_ONCE]
                results = await client.record_outcomes((row.request for row in part), validate_only=dry_run)
                for row, result in zip(part, results, strict=True):
                    _report(session, outcomes.unit, row, result, counts)
                    step()
    summarise(session, counts, ACTIONS, dry_run=dry_run)
    return 1 if counts["REJECTED"] else 0


def _read(session: Session, file: str, form: Form | None, source: str) -> OutcomeFile:
    outcomes = read_outcomes(read_bytes(file), form_of(file, form), source)
    if not outcomes.good and not outcomes.bad:
        raise CommandError(f"{'standard input' if file == '-' else file} names no contact")
    for field, line in outcomes.unread.items():
        session.note(f"{outcomes.unit} {line}: {field} is not a field of an outcome and is ignored")
    return outcomes


def _report(
    session: Session, unit: str, row: OutcomeRow, result: pb.RecordOutcomesResult, counts: Counter[str]
) -> None:
    if result.HasField("status"):
        error = MatcherCallError.of_status(result.status)
        if not error.violations and error.reason not in OF_A_ROW:
            raise error
        violations = [Violation(file_field(one.field), one.description) for one in error.violations]
        violations = violations or [Violation(OF_A_ROW[error.reason], f"cannot be recorded: {error.message}")]
        _reject(session, unit, row.line, row.request.contact, violations, counts)
        return
    answer = result.response
    action = "RECORDED" if answer.recorded else "UNCHANGED"
    counts[action] += 1
    if session.as_json:
        session.write_json(
            {unit: row.line, "contact": row.request.contact, "action": action, "recorded": list(answer.recorded)}
        )


def _reject(
    session: Session, unit: str, line: int, contact: str, violations: Sequence[Violation], counts: Counter[str]
) -> None:
    """Report a row that is not recorded."""
    counts["REJECTED"] += 1
    if session.as_json:
        told = [{"field": wrong.field, "description": wrong.description} for wrong in violations]
        session.write_json({unit: line, "contact": contact, "action": "REJECTED", "violations": told})
        return
    reasons = "; ".join(f"{wrong.field} {wrong.description}" for wrong in violations)
    session.note(f"{unit} {line}{f' ({contact})' if contact else ''}: {reasons}", style="red")
