"""The commands of `matcher praise`: what customers praise, for an agent or for who manages agents."""

from __future__ import annotations

from collections import defaultdict
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.session import Session, command
from matcher.cli.watch_commands import Count
from matcher.client.praise_digest import beginning, lines_of
from matcher.v1 import feedback_pb2 as pb

Agent = Annotated[str, typer.Option("--agent", help="The agent whose praise is shown.")]
Manager = Annotated[str, typer.Option("--manager", help="The praise of all agents whom this person manages.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher praise`."""
    app = typer.Typer(name="praise", help="Praise: what customers say of agents.", no_args_is_help=True)
    command(app, "list")(list_praise)
    command(app, "watch")(watch)
    command(app, "digest")(digest)
    return app


async def list_praise(session: Session, agent: Agent = "", manager: Manager = "") -> None:
    """List the praise that is kept, the latest first."""
    _check(agent, manager)
    count = 0
    async with session.client() as client:
        async for words in client.praise(agent=agent, manager=manager):
            _print(session, words)
            count += 1
    session.say("nothing is praised yet" if not count else f"praised {count} {'time' if count == 1 else 'times'}")


async def watch(
    session: Session,
    agent: Agent = "",
    manager: Manager = "",
    resume: Annotated[str, typer.Option("--resume", help="Start after the answer with this resume_token.")] = "",
    count: Count = None,
) -> None:
    """Print praise as it is recorded; a broken stream is resumed without a gap."""
    _check(agent, manager)
    async with session.client() as client:
        printed = 0
        answers = client.watch_praise(agent=agent, manager=manager, resume_token=resume, on_break=session.note_break)
        async with aclosing(answers) as stream:
            async for answer in stream:
                if session.as_json:
                    session.write_json(answer)
                elif answer.HasField("praise"):
                    _print(session, answer.praise)
                session.flush()
                printed += answer.HasField("praise")
                if printed == count:
                    return


async def digest(
    session: Session,
    agent: Agent = "",
    manager: Manager = "",
    days: Annotated[int, typer.Option("--days", min=1, help="Number of days (UTC), today among them.")] = 7,
) -> None:
    """Print the praise of a week as text, by agent, ready to be sent to the agent or the manager."""
    _check(agent, manager)
    until = datetime.now(UTC)
    since = beginning(until, days)
    by_agent: defaultdict[str, list[pb.Praise]] = defaultdict(list)
    async with session.client() as client:
        async for words in client.praise(agent=agent, manager=manager):
            if words.time.ToDatetime(tzinfo=UTC) < since:
                break
            by_agent[tables.short(words.agent)].append(words)
        names = {one: (await client.agent(one)).display_name or one for one in sorted(by_agent)}
    if session.as_json:
        said = {one: [words.text for words in reversed(praised)] for one, praised in by_agent.items()}
        session.write_json({"since": since.isoformat(), "until": until.isoformat(), "agents": said})
        return
    for line in lines_of(by_agent, names, since, until):
        session.say(line)


def _check(agent: str, manager: str) -> None:
    if bool(agent) == bool(manager):
        raise typer.BadParameter("give one of the two", param_hint="--agent or --manager")


def _print(session: Session, words: pb.Praise) -> None:
    if session.as_json:
        session.write_json(words)
        return
    session.say(f"{tables.time(words.time)}  {tables.short(words.agent)}  {' '.join(words.text.split())}")
