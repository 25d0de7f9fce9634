"""`matcher agents import`: a roster file through the API, every bad row named and the good ones kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from matcher.cli.progress import steps
from matcher.cli.roster_file import Form, RosterFile, form_of, read_bytes, read_roster
from matcher.cli.roster_rows import GoodRow
from matcher.cli.session import CommandError, Session, describe
from matcher.cli.tables import short
from matcher.client import MatcherCallError, Violation
from matcher.v1 import roster_pb2 as pb

Action = pb.ImportAgentsResponse

ROW_PREFIX = ("row.", "agent.")
"""Where a row's field stands in the API's message: "row.agent.interests[2]" is the file's "interests[2]"."""


async def import_agents(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='A .jsonl or .csv file; "-": standard input.')],
    form: Annotated[Form | None, typer.Option("--format", help="The form; by the file's name otherwise.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and write nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the agents whom the file does not name, if all its rows are good.")
    ] = False,
) -> int:
    """Add or change the agents of a file. Exit code 1 if any row was bad; the good ones are kept."""
    roster = read_roster(read_bytes(file), form_of(file, form), session.site)
    if not roster.good and not roster.bad:
        would = ": --prune would remove every agent of the site" if prune else ""
        raise CommandError(f"{'standard input' if file == '-' else file} names no agent{would}")
    for field, line in roster.unread.items():
        session.note(f"line {line}: {field} is no field of an agent; it is not read")
    report = _Report(session)
    judged: Mapping[int, Sequence[Violation]] = {}
    unjudged: MatcherCallError | None = None
    try:
        judged = await _judge(session, roster)
    except MatcherCallError as error:
        unjudged = error
    for bad in roster.bad:
        report.reject(bad.line, bad.agent_id, "FIELDS_INVALID", _both(bad.violations, judged.get(bad.line, ())))
    if prune and roster.bad:
        session.note("nobody is removed: a bad row may name an agent who stays")
    try:
        if unjudged is not None:
            raise unjudged
        await _send(session, roster, report, dry_run=dry_run, prune=prune and not roster.bad)
    except MatcherCallError:
        if report.any:
            report.close(dry_run=dry_run)
        raise
    report.close(dry_run=dry_run)
    return 1 if report.rejected else 0


async def send_rows(session: Session, rows: Sequence[GoodRow], label: str = "importing") -> Counter[str]:
    """Import rows with progress and return how many had which outcome; raise CommandError at the first rejected."""
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


async def _judge(session: Session, roster: RosterFile) -> Mapping[int, Sequence[Violation]]:
    """Return what the service finds wrong, by line, with rows that are wrong already: all is then said at once."""
    rows = [bad.read.row for bad in roster.bad if bad.read is not None]
    found: dict[int, Sequence[Violation]] = {}
    if rows:
        async with session.client() as client:
            async for answer in client.import_agents(rows, validate_only=True):
                if answer.action == Action.REJECTED:
                    found[answer.row] = MatcherCallError.of_status(answer.status).violations
    return found


def _both(ours: Sequence[Violation], theirs: Sequence[Violation]) -> Sequence[Violation]:
    """Return what both found wrong; of a field that is wrong in the file the service saw nothing or half."""
    named = {_column(one.field) for one in ours}
    return [*ours, *(one for one in theirs if _column(one.field) not in named)]


def _column(field: str) -> str:
    """Return the column a field is in: "capacity.channels[0].cost" and "channels.chat" are both of the capacity."""
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
                if answer.row:
                    step()


class _Report:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._counts: Counter[str] = Counter()

    @property
    def any(self) -> bool:
        """Whether something was said of any row."""
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
        wrong = [Violation(_file_field(one.field), one.description) for one in violations]
        if self._session.as_json:
            self._session.write_json(
                {
                    "line": line,
                    "agent": agent_id,
                    "action": "REJECTED",
                    "reason": reason,
                    "violations": [{"field": one.field, "description": one.description} for one in wrong],
                }
            )
            return
        where = f"line {line}" if line else "not removed"
        said = "; ".join(f"{one.field} {one.description}".strip() for one in wrong)
        self._session.note(f"{where}{f' ({agent_id})' if agent_id else ''}: {said}", style="red")

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
