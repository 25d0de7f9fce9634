"""`matcher demo`: the service as a real process, a roster imported, messages routed, everything stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from matcher.cli.demo_examples import route_examples
from matcher.cli.demo_messages import read_messages
from matcher.cli.demo_service import running_service
from matcher.cli.demo_suite import route_suite
from matcher.cli.import_command import send_rows
from matcher.cli.roster_file import form_of, read_bytes, read_roster
from matcher.cli.roster_rows import GoodRow
from matcher.cli.session import CommandError, Session
from matcher.v1 import roster_pb2 as pb


async def demo(
    session: Session,
    suite: Annotated[
        Path | None, typer.Option("--suite", help="A folder whose messages.jsonl knows who is right.")
    ] = None,
    roster: Annotated[Path, typer.Option("--roster", help="The agents.")] = Path("examples/agents.jsonl"),
    messages: Annotated[Path, typer.Option("--messages", help="The messages.")] = Path("examples/messages.jsonl"),
) -> None:
    """Start the service, import a roster, route messages, show who got which and why, and stop everything."""
    rows = _roster(suite / "agents.jsonl" if suite else roster)
    texts = read_messages(suite / "messages.jsonl" if suite else messages)
    began = time.monotonic()
    session.note("starting the service", style="dim")
    async with running_service(lambda step: session.note(f"  {step}", style="dim")) as service:
        serving = time.monotonic()
        session = replace(session, target=service.target)
        await send_rows(session, rows, "importing agents")
        imported = time.monotonic()
        if suite:
            await route_suite(session, texts)
        else:
            await route_examples(session, texts)
        session.note(
            f"serving after {serving - began:.1f} s, {len(rows)} agents in {imported - serving:.1f} s, "
            f"all in {time.monotonic() - began:.1f} s",
            style="dim",
        )


def _roster(path: Path) -> Sequence[GoodRow]:
    roster = read_roster(read_bytes(str(path)), form_of(str(path), None), "default", pb.ONLINE)
    if roster.bad:
        first = roster.bad[0]
        said = "; ".join(f"{one.field} {one.description}" for one in first.violations)
        raise CommandError(f"{path} line {first.line}: {said}")
    for row in roster.good:
        # In other people's data some say the same thing twice; the service takes an interest once.
        once = list(dict.fromkeys(row.agent.interests))
        del row.agent.interests[:]
        row.agent.interests.extend(once)
    return roster.good
