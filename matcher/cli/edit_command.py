"""The command `matcher agents edit`: opens an agent in the editor and saves what was changed."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.import_report import file_field
from matcher.cli.session import CommandError, Session
from matcher.client import MatcherCallError, MatcherClient, Violation
from matcher.files.roster_file import record_of
from matcher.files.roster_rows import BadRow, GoodRow, read_record
from matcher.v1 import roster_pb2 as pb

LEFT_OUT = frozenset({"id", "status"})
"""Fields that are not edited: the id is the agent's name, and `agents set-status` sets the status."""


async def edit(session: Session, agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent.")]) -> None:
    """Edit an agent as JSON in the editor of $VISUAL or $EDITOR; what is wrong is named, and can be edited again."""
    async with session.client() as client:
        before = await client.agent(agent)
        text = _text_of(before)
        while True:
            edited = await asyncio.to_thread(_opened_in_editor, text)
            if edited == _text_of(before):
                session.say("nothing was changed")
                return
            wrong = await _save(session, client, before, edited)
            if not wrong:
                return
            for violation in wrong:
                session.note(f"{violation.field} {violation.description}".strip(), style="red")
            if not sys.stdin.isatty() or not typer.confirm("edit it again?", default=True, err=True):
                raise CommandError("the agent was not changed")
            text = edited


def _text_of(agent: pb.Agent) -> str:
    record = {field: value for field, value in record_of(agent).items() if field not in LEFT_OUT}
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


async def _save(session: Session, client: MatcherClient, before: pb.Agent, edited: str) -> tuple[Violation, ...]:
    """Write what differs from the agent as it was read; return what is wrong with it, nothing where it is written."""
    row = _read(edited, tables.short(before.name), session.site, before.status)
    if isinstance(row, BadRow):
        return row.violations
    row.agent.name, row.agent.etag = before.name, before.etag
    try:
        changed = await client.update_agent(row.agent, _changed_fields(before, edited, row))
    except MatcherCallError as error:
        if not error.violations:
            raise
        return tuple(Violation(file_field(wrong.field), wrong.description) for wrong in error.violations)
    if session.as_json:
        session.write_json(changed)
    else:
        session.show(tables.agent(changed))
    return ()


def _changed_fields(before: pb.Agent, edited: str, row: GoodRow) -> list[str]:
    """Return the fields that were edited: what was not touched is not written, and need not be right."""
    old, new = record_of(before), json.loads(edited)
    given = {field.partition(".")[0] for field in row.fields}
    return sorted(field for field in given if old.get(field) != new.get(field))


def _opened_in_editor(text: str) -> str:
    """Let the user edit a text; return it as it was saved. Raises CommandError where the editor fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor and not sys.stdin.isatty():
        raise CommandError("there is no terminal to edit at: set EDITOR, or use `matcher import`")
    editor = editor or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "agent.json"
        file.write_text(text, "utf-8")
        try:
            ended = subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603 - the user's own editor
        except OSError as error:
            raise CommandError(f"the editor {editor} cannot be run: {error.strerror}") from None
        if ended.returncode:
            raise CommandError(f"the editor {editor} ended with {ended.returncode}: nothing was changed")
        try:
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            raise CommandError("the saved text is not UTF-8: nothing was changed") from None


def _read(edited: str, agent_id: str, site: str, status: pb.AgentStatus.ValueType) -> GoodRow | BadRow:
    try:
        record = json.loads(edited)
    except json.JSONDecodeError as error:
        return BadRow.of(1, "line", f"{error.lineno} is not JSON: {error.msg} (column {error.colno})")
    if not isinstance(record, dict):
        return BadRow.of(1, "the text", "is not a JSON object")
    return read_record(1, {**record, "id": agent_id}, site, status)
