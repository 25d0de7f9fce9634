"""The commands of supervisors and desks: `matcher events`, `desk`, `touch` and `beat`."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.session import Session, command
from matcher.v1 import roster_pb2, routing_pb2

AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent.")]
Count = Annotated[int | None, typer.Option("--count", min=1, help="End after this number of events; default: never.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for run in (events, desk, touch, beat):
        command(app, run.__name__)(run)


async def events(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only contacts of this pool.")] = "",
    resume: Annotated[str, typer.Option("--resume", help="Start after the answer with this resume_token.")] = "",
    last: Annotated[
        int,
        typer.Option("--last", min=0, max=10_000, help="How many of the site's last changes to begin with."),
    ] = 0,
    count: Count = None,
) -> None:
    """Print the steps of all contacts as they happen; a broken stream is resumed without a gap."""
    async with session.client() as client:
        printed = 0
        answers = client.watch_events(pool=pool, resume_token=resume, last_events=last, on_break=session.note_break)
        async with aclosing(answers) as stream:
            async for answer in stream:
                _print_event(session, answer)
                printed += answer.HasField("event")
                if printed == count:
                    return


async def desk(session: Session, agent: AgentName, count: Count = None) -> None:
    """Print an agent's reservations: those held now, then each change; a broken stream is resumed without a gap."""
    async with session.client() as client:
        printed, answers = 0, client.watch_reservations(agent, on_break=session.note_break)
        async with aclosing(answers) as stream:
            async for answer in stream:
                if session.as_json:
                    session.write_json(answer)
                elif answer.HasField("reservation"):
                    session.say(tables.reservation_line(answer.reservation))
                session.flush()
                printed += answer.HasField("reservation")
                if printed == count:
                    return


async def touch(
    session: Session,
    reservation: Annotated[str, typer.Argument(metavar="RESERVATION", help="The reservation.")],
    fence: Annotated[int, typer.Option("--fence", min=0, help="The reservation's fence.")] = 0,
) -> None:
    """Report that a conversation is active: an idle one uses the agent's capacity again."""
    async with session.client() as client:
        touched = await client.touch(reservation, fence=fence)
    if session.as_json:
        session.write_json(touched)
    else:
        session.show(tables.reservation(touched))


async def beat(
    session: Session,
    agent: AgentName,
    seconds: Annotated[
        float | None, typer.Option("--for", help="Seconds until the next heartbeat is due; default: 30.")
    ] = None,
) -> None:
    """Send the heartbeat of an agent's desk; without the next one in time the agent is set AWAY."""
    async with session.client() as client:
        answer = await client.beat_agent(agent, ttl=None if seconds is None else timedelta(seconds=seconds))
        away = answer.status == roster_pb2.AWAY and not session.as_json
        why = (await client.agent(agent)).status_reason if away else ""
    if session.as_json:
        session.write_json(answer)
    else:
        status = roster_pb2.AgentStatus.Name(answer.status)
        because = f" ({why})" if why else ""
        session.say(f"{agent} is {status}{because}; the next heartbeat is due at {tables.time(answer.expire_time)}")
        if away:
            session.say(f"a heartbeat does not bring {agent} back: `matcher agents set-status {agent} ONLINE` does")


def _print_event(session: Session, answer: routing_pb2.WatchEventsResponse) -> None:
    if session.as_json:
        session.write_json(answer)
    elif answer.HasField("event"):
        session.say(tables.event_line(answer.event))
    session.flush()
