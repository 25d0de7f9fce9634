"""The command `matcher agents import`: imports the good rows of a roster file and reports every bad one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

from matcher.cli.call_errors import describe
from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.import_report import Report, file_field
from matcher.cli.progress import steps
from matcher.cli.session import CommandError, Session
from matcher.cli.tables import short
from matcher.client import MatcherCallError, Violation
from matcher.files.roster_file import Form, RosterFile, read_roster
from matcher.files.roster_rows import NOT_UTF8, BadRow, GoodRow
from matcher.v1 import roster_pb2 as pb

Action = pb.ImportAgentsResponse

MOST_PRUNED: Final = 10
"""One in this many agents may be removed without --max-removed: as many as leave, and fewer than a torn file lacks."""


async def import_agents(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='A .jsonl, .json or .csv file; "-": standard input.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, show what would change, and write nothing.")
    ] = False,
    with_status: Annotated[
        bool, typer.Option("--with-status", help="Set the file's status for agents who exist, too.")
    ] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Take texts that look as if they were decoded wrongly.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the agents that the file does not name, if all its rows are good.")
    ] = False,
    max_removed: Annotated[
        int | None,
        typer.Option("--max-removed", min=0, help="The most agents that --prune removes; default: a tenth of them."),
    ] = None,
) -> int:
    """Add or change agents. A column that the file does not have stays as it is; an empty cell clears it.

    Exit code 1 if any row was bad; the good rows are imported.
    """
    if max_removed is not None and not prune:
        raise CommandError("--max-removed is for --prune")
    roster = _read(session, file, form, with_status=with_status, prune=prune)
    report = Report(session, roster.unit, dry_run=dry_run)
    by_service: Mapping[int, Sequence[Violation]] = {}
    failure: MatcherCallError | None = None
    try:
        by_service = await _validate(session, roster)
        if not as_is:
            roster = await _without_misread(session, roster)
    except MatcherCallError as error:
        failure = error
    for bad in roster.bad:
        report.reject(bad.line, bad.agent_id, "FIELDS_INVALID", _merged(bad.violations, by_service.get(bad.line, ())))
    if prune and roster.bad:
        session.note("no agent is removed: a bad row may name an agent who stays")
    try:
        if failure is not None:
            raise failure
        limit = await _limit(session, max_removed) if prune and not roster.bad else None
        await _send(session, roster.good, report, dry_run=dry_run, limit=limit)
    except MatcherCallError as error:
        if error.reason == "PRUNE_TOO_LARGE":
            session.note(f"if the file is whole: --max-removed {error.metadata['removed']} removes them")
        if report.any:
            report.close()
        raise
    report.close()
    return 1 if report.rejected else 0


def _read(session: Session, file: str, form: Form | None, *, with_status: bool, prune: bool) -> RosterFile:
    """Return the contents of a file; raise CommandError if it names no agent."""
    roster = read_roster(read_bytes(file), form_of(file, form), session.site, with_status=with_status)
    if not roster.good and not roster.bad:
        warning = ": --prune would remove every agent of the site" if prune else ""
        raise CommandError(f"{'standard input' if file == '-' else file} names no agent{warning}")
    for field, line in roster.unread.items():
        session.note(f"{roster.unit} {line}: {field} is not a field of an agent and is ignored")
    if any(wrong.description.startswith(NOT_UTF8) for bad in roster.bad for wrong in bad.violations):
        session.note('save the file as UTF-8; a spreadsheet calls that "CSV UTF-8"')
    return roster


async def send_rows(session: Session, rows: Sequence[GoodRow], label: str = "importing") -> Counter[str]:
    """Import rows with progress and return the count of each outcome; raise CommandError at the first rejected row."""
    done: Counter[str] = Counter()
    async with session.client() as client:
        with steps(session.err, label, len(rows)) as step:
            async for answer in client.import_agents(row.row for row in rows):
                if answer.action == Action.REJECTED:
                    error = MatcherCallError.of_status(answer.status)
                    raise CommandError(f"line {answer.row}: {describe(error, session.target)}")
                done[Action.Action.Name(answer.action)] += 1
                step()
    return done


async def _limit(session: Session, max_removed: int | None) -> int:
    """Return how many agents may be removed: as many as the person said, or a tenth of the roster, at least one."""
    if max_removed is not None:
        return max_removed
    async with session.client() as client:
        agents = sum([1 async for _ in client.agents()])
    return max(1, agents // MOST_PRUNED)


async def _validate(session: Session, roster: RosterFile) -> Mapping[int, Sequence[Violation]]:
    """Return the service's violations of the bad rows, by line, so that a row's errors are reported together."""
    rows = [bad.read.row for bad in roster.bad if bad.read is not None]
    violations: dict[int, Sequence[Violation]] = {}
    if rows:
        async with session.client() as client:
            async for answer in client.import_agents(rows, validate_only=True):
                if answer.action == Action.REJECTED:
                    violations[answer.row] = MatcherCallError.of_status(answer.status).violations
    return violations


async def _without_misread(session: Session, roster: RosterFile) -> RosterFile:
    """Return the roster with the rows whose texts were decoded wrongly as bad ones.

    A text that the agent has so already is taken: otherwise a text that was once taken with --as-is could be exported
    and not imported again.
    """
    found = {row.line: row for row in roster.good if row.misread}
    if not found:
        return roster
    async with session.client() as client:
        async for answer in client.import_agents([row.row for row in found.values()], validate_only=True):
            changed = {change.field for change in answer.changes}
            misread = {_column(violation.field) for violation in found[answer.row].misread}
            if answer.action in {Action.UPDATED, Action.UNCHANGED} and not changed & misread:
                del found[answer.row]
    bad = [BadRow(row.line, row.agent_id, row.misread) for row in found.values()]
    good = tuple(row for row in roster.good if row.line not in found)
    return replace(roster, good=good, bad=tuple(sorted([*roster.bad, *bad], key=lambda row: row.line)))


def _merged(of_file: Sequence[Violation], of_service: Sequence[Violation]) -> Sequence[Violation]:
    """Return both kinds of violations, without the service's on columns that are wrong in the file.

    The service got such a column empty or in part, so its violation would mislead.
    """
    wrong_columns = {_column(violation.field) for violation in of_file}
    return [*of_file, *(violation for violation in of_service if _column(violation.field) not in wrong_columns)]


def _column(field: str) -> str:
    """Return the column of a field: "capacity.channels[0].cost" and "channels.chat" both belong to the capacity."""
    head = re.split(r"[.\[]", file_field(field))[0]
    return "capacity" if head in ("capacity_total", "channels") else head


async def _send(session: Session, rows: Sequence[GoodRow], report: Report, *, dry_run: bool, limit: int | None) -> None:
    """Import the rows; limit: how many agents may be removed, None: no agent is removed."""
    if not rows:
        return
    ids = {row.line: row.agent_id for row in rows}
    async with session.client() as client:
        with steps(session.err, "importing", len(ids)) as step:
            answers = client.import_agents(
                (row.row for row in rows), validate_only=dry_run, prune=limit is not None, max_removed=limit
            )
            async for answer in answers:
                agent_id = ids.get(answer.row) or short(answer.agent)
                if answer.action == Action.REJECTED:
                    error = MatcherCallError.of_status(answer.status)
                    violations = error.violations or (Violation("", error.message),)
                    report.reject(answer.row, agent_id, error.reason, violations)
                else:
                    report.add(answer, agent_id)
                    report.warn(answer.row, agent_id, answer.silent_interests)
                if answer.row:
                    step()
