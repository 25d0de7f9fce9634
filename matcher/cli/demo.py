"""The command `matcher demo`: starts the service as a process, imports a roster, routes messages, stops the service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from matcher.cli.demo_examples import route_examples
from matcher.cli.demo_messages import read_messages, suite_messages
from matcher.cli.demo_service import running_service
from matcher.cli.demo_suite import route_suite
from matcher.cli.file_access import form_of, read_bytes
from matcher.cli.import_command import send_rows
from matcher.cli.session import CommandError, Session
from matcher.files.roster_file import read_roster
from matcher.files.roster_rows import GoodRow
from matcher.v1 import roster_pb2 as pb


async def demo(
    session: Session,
    suite: Annotated[
        Path | None, typer.Option("--suite", help="A folder whose messages.jsonl names the right agents.")
    ] = None,
    roster: Annotated[Path, typer.Option("--roster", help="A file of agents.")] = Path("examples/agents.jsonl"),
    messages: Annotated[Path, typer.Option("--messages", help="A file of messages.")] = Path("examples/messages.jsonl"),
) -> None:
    """Start the service, import a roster, route messages, show which agent got each and why, and stop the service."""
    rows = _roster(suite / "agents.jsonl" if suite else roster)
    demo_messages = suite_messages(suite) if suite else read_messages(messages)
    start = time.monotonic()
    session.note("starting the service", style="dim")
    async with running_service(lambda step: session.note(f"  {step}", style="dim")) as service:
        serving_at = time.monotonic()
        session = replace(session, target=service.target)
        await send_rows(session, rows, "importing agents")
        imported_at = time.monotonic()
        if suite:
            await route_suite(session, demo_messages)
        else:
            await route_examples(session, demo_messages)
        session.note(
            f"serving after {serving_at - start:.1f} s, {len(rows)} agents in {imported_at - serving_at:.1f} s, "
            f"all in {time.monotonic() - start:.1f} s",
            style="dim",
        )
    session.note(
        "`make serve` leaves a service up, with the console and HTTP on http://127.0.0.1:8080 "
        "(elsewhere than here: `matcher serve --web 127.0.0.1:8080`)",
        style="dim",
    )


def _roster(path: Path) -> Sequence[GoodRow]:
    roster = read_roster(read_bytes(str(path)), form_of(str(path), None), "default", pb.ONLINE)
    if roster.bad:
        first = roster.bad[0]
        reasons = "; ".join(f"{violation.field} {violation.description}" for violation in first.violations)
        raise CommandError(f"{path} line {first.line}: {reasons}")
    for row in roster.good:
        # A suite may hold an interest twice for one agent; the service rejects that.
        distinct = list(dict.fromkeys(row.agent.interests))
        del row.agent.interests[:]
        row.agent.interests.extend(distinct)
    return roster.good
