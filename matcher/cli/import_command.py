"""The command `matcher agents import`: imports the good rows of a roster file and reports every bad one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from matcher.cli.progress import steps
from matcher.cli.roster_file import Form, RosterFile, form_of, read_bytes, read_roster
from matcher.cli.roster_rows import GoodRow
from matcher.cli.session import CommandError, Session, describe
from matcher.cli.tables import short, silent_interest
from matcher.client import MatcherCallError, Violation
from matcher.v1 import roster_pb2 as pb

Action = pb.ImportAgentsResponse

ROW_PREFIX = ("row.", "agent.")
"""Prefixes of a row's field in the API's message: "row.agent.interests[2]" is the file's "interests[2]"."""


async def import_agents(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='A .jsonl or .csv file; "-": standard input.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and write nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the agents that the file does not name, if all its rows are good.")
    ] = False,
) -> int:
    """Add or change the agents of a file. Exit code 1 if any row was bad; the good rows are imported."""
    roster = read_roster(read_bytes(file), form_of(file, form), session.site)
    if not roster.good and not roster.bad:
        warning = ": --prune would remove every agent of the site" if prune else ""
        raise CommandError(f"{'standard input' if file == '-' else file} names no agent{warning}")
    for field, line in roster.unread.items():
        session.note(f"line {line}: {field} is not a field of an agent and is ignored")
    report = _Report(session)
    by_service: Mapping[int, Sequence[Violation]] = {}
    failure: MatcherCallError | None = None
    try:
        by_service = await _validate(session, roster)
    except MatcherCallError as error:
        failure = error
    for bad in roster.bad:
        report.reject(bad.line, bad.agent_id, "FIELDS_INVALID", _merged(bad.violations, by_service.get(bad.line, ())))
    if prune and roster.bad:
        session.note("no agent is removed: a bad row may name an agent who stays")
    try:
        if failure is not None:
            raise failure
        await _send(session, roster, report, dry_run=dry_run, prune=prune and not roster.bad)
    except MatcherCallError:
        if report.any:
            report.close(dry_run=dry_run)
        raise
    report.close(dry_run=dry_run)
    return 1 if report.rejected else 0


async def send_rows(session: Session, rows: Sequence[GoodRow], label: str = "importing") -> Counter[str]:
    """Import rows with progress and return the count of each outcome; raise CommandError at the first rejected row."""
    done: Counter[str] = Counter()
    async with session.client() as client:
        with steps(session.err, label, len(rows)) as step:
            async for answer in client.import_agents(row.row for row in rows):
                if answer.action == Action.REJECTED:
                    error = MatcherCallError.of_status(answer.status)
                    raise CommandError(f"line {answer.row}: {describe(error, session)}")
                done[Action.Action.Name(answer.action)] += 1
                step()
    return done


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


def _merged(of_file: Sequence[Violation], of_service: Sequence[Violation]) -> Sequence[Violation]:
    """Return both kinds of violations, without the service's on columns that are wrong in the file.

    The service got such a column empty or in part, so its violation would mislead.
    """
    wrong_columns = {_column(violation.field) for violation in of_file}
    return [*of_file, *(violation for violation in of_service if _column(violation.field) not in wrong_columns)]


def _column(field: str) -> str:
    """Return the column of a field: "capacity.channels[0].cost" and "channels.chat" both belong to the capacity."""
    head = re.split(r"[.\[]", _file_field(field))[0]
    return "capacity" if head in ("capacity_total", "channels") else head


async def _send(session: Session, roster: RosterFile, report: _Report, *, dry_run: bool, prune: bool) -> None:
    if not roster.good:
        return
    ids = {row.line: row.agent_id for row in roster.good}
    async with session.client() as client:
        with steps(session.err, "importing", len(ids)) as step:
            answers = client.import_agents((row.row for row in roster.good), validate_only=dry_run, prune=prune)
            async for answer in answers:
                agent_id = ids.get(answer.row) or short(answer.agent)
                if answer.action == Action.REJECTED:
                    error = MatcherCallError.of_status(answer.status)
                    violations = error.violations or (Violation("", error.message),)
                    report.reject(answer.row, agent_id, error.reason, violations)
                else:
                    report.add(answer.row, agent_id, Action.Action.Name(answer.action))
                    report.warn(answer.row, agent_id, answer.silent_interests)
                if answer.row:
                    step()


class _Report:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._counts: Counter[str] = Counter()

    @property
    def any(self) -> bool:
        """Whether any row was reported."""
        return bool(self._counts)

    @property
    def rejected(self) -> int:
        return self._counts["REJECTED"]

    def add(self, line: int, agent_id: str, action: str) -> None:
        self._counts[action] += 1
        if self._session.as_json:
            self._session.write_json({"line": line, "agent": agent_id, "action": action})

    def reject(self, line: int, agent_id: str, reason: str, violations: Sequence[Violation]) -> None:
        self._counts["REJECTED"] += 1
        in_file = [Violation(_file_field(violation.field), violation.description) for violation in violations]
        if self._session.as_json:
            self._session.write_json(
                {
                    "line": line,
                    "agent": agent_id,
                    "action": "REJECTED",
                    "reason": reason,
                    "violations": [
                        {"field": violation.field, "description": violation.description} for violation in in_file
                    ],
                }
            )
            return
        where = f"line {line}" if line else "not removed"
        reasons = "; ".join(f"{violation.field} {violation.description}".strip() for violation in in_file)
        self._session.note(f"{where}{f' ({agent_id})' if agent_id else ''}: {reasons}", style="red")

    def warn(self, line: int, agent_id: str, silent: Iterable[pb.SilentInterest]) -> None:
        """Name the interests of an agent that no message can meet."""
        for interest in silent:
            if self._session.as_json:
                reason = pb.SilentReason.Name(interest.reason)
                self._session.write_json(
                    {"line": line, "agent": agent_id, "silent_interest": interest.interest, "reason": reason}
                )
            else:
                self._session.note(
                    f"line {line} ({agent_id}): this interest meets no message: {silent_interest(interest)}",
                    style="yellow",
                )

    def close(self, *, dry_run: bool) -> None:
        if self._session.as_json:
            summary = {action.lower(): count for action, count in sorted(self._counts.items())}
            self._session.write_json({"summary": summary, "dry_run": dry_run})
            return
        names = ("CREATED", "UPDATED", "UNCHANGED", "PRUNED", "REJECTED")
        counts = ", ".join(f"{self._counts[name]} {name.lower()}" for name in names if self._counts[name])
        self._session.say(f"{counts or 'no rows'}{' (dry run: nothing written)' if dry_run else ''}")


def _file_field(field: str) -> str:
    for prefix in ROW_PREFIX:
        field = field.removeprefix(prefix)
    return "id" if field == "agent_id" else field
