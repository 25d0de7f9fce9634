"""The report of an import: each rejected row, each change of a dry run, and the counts at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from matcher.cli.session import Session
from matcher.cli.tables import silent_interest
from matcher.cli.terminal_text import shortened
from matcher.client import Violation
from matcher.v1 import roster_pb2 as pb

Action = pb.ImportAgentsResponse

ROW_PREFIX = ("row.", "agent.")
"""Prefixes of a row's field in the API's message: "row.agent.interests[2]" is the file's "interests[2]"."""
ACTIONS: Final = ("CREATED", "UPDATED", "UNCHANGED", "PRUNED", "REJECTED")
SHOWN: Final = 64
"""Characters of an entry in a change."""
KEPT: Final[Mapping[int, str]] = {
    Action.STATUS_NOT_NAMED: "kept the status: a file gives new agents theirs, and others with --with-status",
    Action.NO_HEARTBEAT: "kept the status: the desk sends no heartbeats, and a file does not know who is there",
}


def summarise(session: Session, counts: Mapping[str, int], actions: Sequence[str], *, dry_run: bool) -> None:
    """Show how many rows of an import came to which action."""
    if session.as_json:
        session.write_json({"summary": {name.lower(): counts[name] for name in actions}, "dry_run": dry_run})
    session.say(_in_words(counts, actions, dry_run=dry_run))


class Report:
    """Reports the rows of one import; unit: what they are counted by, "line" or "entry"."""

    def __init__(self, session: Session, unit: str, *, dry_run: bool) -> None:
        self._session = session
        self._unit = unit
        self._dry_run = dry_run
        self._counts: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._kept: Counter[int] = Counter()

    @property
    def any(self) -> bool:
        """Whether any row was reported."""
        return bool(self._counts)

    @property
    def rejected(self) -> int:
        """The number of rejected rows."""
        return self._counts["REJECTED"]

    def add(self, answer: pb.ImportAgentsResponse, agent_id: str) -> None:
        """Report a row that is done, or in a dry run would be."""
        action = Action.Action.Name(answer.action)
        self._counts[action] += 1
        self._kept[answer.status_kept] += 1
        for change in answer.changes:
            self._lost[change.field] += change.lost
        self._lost["agents"] += answer.action == Action.PRUNED
        if self._session.as_json:
            document: dict[str, object] = {self._unit: answer.row, "agent": agent_id, "action": action}
            if answer.changes:
                document["changes"] = [
                    {
                        "field": change.field,
                        "before": list(change.before),
                        "after": list(change.after),
                        "lost": change.lost,
                    }
                    for change in answer.changes
                ]
            if answer.status_kept:
                document["status_kept"] = Action.StatusKept.Name(answer.status_kept)
            self._session.write_json(document)
        elif self._dry_run and answer.changes:
            self._session.say(f"{self._unit} {answer.row} ({agent_id})")
            for change in answer.changes:
                self._session.say(f"  {_sentence(change)}")
        elif self._dry_run and answer.action == Action.PRUNED:
            self._session.say(f"{agent_id} would be removed")

    def reject(self, row: int, agent_id: str, reason: str, violations: Sequence[Violation]) -> None:
        """Report a row that is not imported, or (row 0) an agent who is not removed."""
        self._counts["REJECTED"] += 1
        in_file = [Violation(file_field(violation.field), violation.description) for violation in violations]
        if self._session.as_json:
            self._session.write_json(
                {
                    self._unit: row,
                    "agent": agent_id,
                    "action": "REJECTED",
                    "reason": reason,
                    "violations": [
                        {"field": violation.field, "description": violation.description} for violation in in_file
                    ],
                }
            )
            return
        where = f"{self._unit} {row}" if row else "not removed"
        reasons = "; ".join(f"{violation.field} {violation.description}".strip() for violation in in_file)
        self._session.note(f"{where}{f' ({agent_id})' if agent_id else ''}: {reasons}", style="red")

    def warn(self, row: int, agent_id: str, silent: Iterable[pb.SilentInterest]) -> None:
        """Name the interests of an agent that no message can meet."""
        for interest in silent:
            if self._session.as_json:
                reason = pb.SilentReason.Name(interest.reason)
                self._session.write_json(
                    {self._unit: row, "agent": agent_id, "silent_interest": interest.interest, "reason": reason}
                )
            else:
                self._session.note(
                    f"{self._unit} {row} ({agent_id}): this interest meets no message: {silent_interest(interest)}",
                    style="yellow",
                )

    def close(self) -> None:
        """Report the counts of all rows, and what is lost."""
        for kept, why in KEPT.items():
            if self._kept[kept]:
                self._session.note(f"{_counted(self._kept[kept], 'agent')} {why}")
        lost = {field: count for field, count in self._lost.items() if count}
        if self._session.as_json:
            summary: dict[str, object] = {
                "summary": {action.lower(): count for action, count in sorted(self._counts.items())},
                "dry_run": self._dry_run,
            }
            self._session.write_json(summary | ({"lost": lost} if lost else {}))
            return
        if lost and self._dry_run:
            self._session.say(f"would be lost: {', '.join(_entries(count, field) for field, count in lost.items())}")
        self._session.say(_in_words(self._counts, ACTIONS, dry_run=self._dry_run))


def _in_words(counts: Mapping[str, int], actions: Sequence[str], *, dry_run: bool) -> str:
    shown = ", ".join(f"{counts[name]} {name.lower()}" for name in actions if counts[name])
    return f"{shown or 'no rows'}{' (dry run: nothing written)' if dry_run else ''}"


def file_field(field: str) -> str:
    """Return the name in the file of a field of the API."""
    for prefix in ROW_PREFIX:
        field = field.removeprefix(prefix)
    return "id" if field == "agent_id" else field


def _sentence(change: pb.FieldChange) -> str:
    """Return a change in words: old and new of one value, what goes and what comes of a list."""
    before, after = list(change.before), list(change.after)
    if len(before) <= 1 and len(after) <= 1:
        old, new = (shortened(values[0], SHOWN) if values else "nothing" for values in (before, after))
        return f"{change.field}: {old} → {new}"
    gone = _listed("- ", (entry for entry in before if entry not in after))
    come = _listed("+ ", (entry for entry in after if entry not in before))
    return f"{change.field}: {' '.join([*gone, *come]) or 'in another order'}"


def _listed(sign: str, entries: Iterable[str]) -> list[str]:
    return [f"{sign}{shortened(entry, SHOWN)}" for entry in entries]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _entries(count: int, field: str) -> str:
    """Return a count of a field's entries: "1 skill", "2 skills", "1 display_name"."""
    return _counted(count, field.removesuffix("s"))
