"""Preview of a roster file: what every row of it would do to the people of a site, or has done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matcher.files.roster_file import Form, RosterFile, read_roster
from matcher.files.roster_rows import BadRow, GoodRow
from matcher.v1.roster_pb2 import (
    Agent,
    FieldChange,
    ImportAgentsRequest,
    ImportAgentsResponse,
    ImportConfig,
    ImportEnd,
    SilentReason,
)
from matcher.web.console.access import violations_of
from matcher.web.faults import Fault

SHOWN: Final = 200
"""Rows that the page shows, those first that a person has to look at."""
LISTED: Final = 12
"""Entries of a list that a change shows."""
ORDER: Final = ("REJECTED", "UPDATED", "CREATED", "UNCHANGED")
WORDS: Final = {"REJECTED": "left out", "UPDATED": "changed", "CREATED": "new", "UNCHANGED": "as it is"}
KEPT: Final = {
    ImportAgentsResponse.STATUS_NOT_NAMED: "keeps the status",
    ImportAgentsResponse.NO_HEARTBEAT: "keeps the status: this desk sends no heartbeats",
}
SILENT: Final = {
    SilentReason.UNKNOWN_TO_MODEL: "no message can meet this interest: its words are unknown",
    SilentReason.SMALL_TALK: "no message can meet this interest: it is small talk",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """A field that a row changes: the entries that go and those that come."""

    field: str
    gone: tuple[str, ...]
    come: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file. said: why it is left out, or what else there is to know of it."""

    line: int
    agent: str
    action: str
    changes: tuple[Changed, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """What becomes of the row, in a word."""
        return WORDS[self.action]


@dataclass(frozen=True, slots=True)
class Preview:
    """The rows of a file by what they do. digest: of all that they do, to see whether it is still the same."""

    unit: str
    rows: tuple[Row, ...]
    counts: tuple[tuple[str, int], ...]
    ignored: tuple[str, ...]
    digest: str

    @property
    def writes(self) -> int:
        """How many people the file adds or changes."""
        return sum(row.action in ("CREATED", "UPDATED") for row in self.rows)

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows that the page shows."""
        return tuple(sorted(self.rows, key=lambda row: (ORDER.index(row.action), row.line)))[:SHOWN]


def read(data: bytes, form: Form, site: str, *, with_status: bool, as_is: bool) -> RosterFile:
    """Return a roster file; as_is: rows whose texts look as if they were decoded wrongly are good ones, too."""
    roster = read_roster(data, form, site, with_status=with_status)
    if as_is:
        return roster
    misread = tuple(BadRow(row.line, row.agent_id, row.misread) for row in roster.good if row.misread)
    good = tuple(row for row in roster.good if not row.misread)
    return RosterFile(good, (*roster.bad, *misread), roster.unread, roster.unit)


def steps(site_name: str, rows: Sequence[GoodRow], *, validate_only: bool) -> Iterator[ImportAgentsRequest]:
    """Yield the steps of an import."""
    yield ImportAgentsRequest(config=ImportConfig(parent=site_name, validate_only=validate_only))
    for row in rows:
        yield ImportAgentsRequest(row=row.row)
    yield ImportAgentsRequest(end=ImportEnd())


async def preview_of(roster: RosterFile, answers: AsyncIterable[ImportAgentsResponse]) -> Preview:
    """Return what the rows of a file do, by the service's answers."""
    sent = {row.line: row for row in roster.good}
    digest = hashlib.sha256()
    rows = [_left_out(bad) for bad in roster.bad]
    async for answer in answers:
        digest.update(answer.SerializeToString(deterministic=True))
        rows.append(_row(answer, sent.get(answer.row)))
    counted = Counter(row.action for row in rows)
    return Preview(
        roster.unit,
        tuple(rows),
        tuple((WORDS[action], counted[action]) for action in ("CREATED", "UPDATED", "UNCHANGED", "REJECTED")),
        tuple(roster.unread),
        digest.hexdigest(),
    )


def _left_out(bad: BadRow) -> Row:
    said = tuple(f"{violation.field} {violation.description}".strip() for violation in bad.violations)
    return Row(bad.line, bad.agent_id, "REJECTED", (), said)


def _row(answer: ImportAgentsResponse, sent: GoodRow | None) -> Row:
    agent = sent.agent_id if sent is not None else ""
    action = ImportAgentsResponse.Action.Name(answer.action)
    if answer.action == ImportAgentsResponse.REJECTED:
        wrong = violations_of(Fault(answer.status)).items()
        return Row(answer.row, agent, action, (), tuple(map(_said, wrong)) or (answer.status.message,))
    said = [KEPT[answer.status_kept]] if answer.status_kept in KEPT else []
    said += [f"{SILENT.get(silent.reason, '')}: {silent.interest}" for silent in answer.silent_interests]
    changes = tuple(map(_changed, answer.changes))
    if answer.action == ImportAgentsResponse.CREATED and sent is not None:
        changes = tuple(_profile(sent.agent))
    return Row(answer.row, agent, action, changes, tuple(said))


def _profile(agent: Agent) -> Iterator[Changed]:
    """Yield what a new person is called, and what the person loves."""
    if agent.display_name:
        yield Changed("display_name", (), (agent.display_name,))
    yield Changed("interests", (), tuple(agent.interests)[:LISTED])


def _said(violation: tuple[str, str]) -> str:
    """Return what is wrong with a field, named as the file names it."""
    path, description = violation
    field = path.removeprefix("row.").removeprefix("agent.")
    return f"{'id' if field == 'agent_id' else field} {description}"


def _changed(change: FieldChange) -> Changed:
    before, after = list(change.before), list(change.after)
    gone = tuple(entry for entry in before if entry not in after)
    come = tuple(entry for entry in after if entry not in before)
    return Changed(change.field, gone[:LISTED], come[:LISTED])
