"""`matcher events`, `matcher desk`, `matcher touch` and `matcher beat`."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Final

import grpc
import typer

from matcher.cli import tables
from matcher.cli.session import Session, command
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2, routing_pb2

RESUMED: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED})
"""A server that stops, and a reader that was too slow: the stream goes on from the last token."""

AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent.")]
Count = Annotated[int | None, typer.Option("--count", min=1, help="End after so many; never otherwise.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for run in (events, desk, touch, beat):
        command(app, run.__name__)(run)


async def events(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only contacts of this pool.")] = "",
    resume: Annotated[str, typer.Option("--resume", help="Begin after the answer that had this resume_token.")] = "",
    count: Count = None,
) -> None:
    """Tell the steps of all contacts as they happen; where the stream breaks off it is taken up again."""
    async with session.client() as client:
        told, token = 0, resume
        while True:
            try:
                async with aclosing(client.watch_events(pool=pool, resume_token=token)) as stream:
                    async for answer in stream:
                        _tell_event(session, answer)
                        told += answer.HasField("event")
                        token = answer.resume_token
                        if told == count:
                            return
            except MatcherCallError as error:
                if not token or error.code not in RESUMED:
                    raise
                session.note(f"{error.reason or error.code.name}: going on")
                await _answers(client)


async def desk(session: Session, agent: AgentName, count: Count = None) -> None:
    """Tell an agent's reservations: what is held now, then each change."""
    async with session.client() as client, aclosing(client.watch_reservations(agent)) as stream:
        told = 0
        async for answer in stream:
            if session.as_json:
                session.write_json(answer)
            elif answer.HasField("reservation"):
                session.say(tables.held(answer.reservation))
            session.flush()
            told += answer.HasField("reservation")
            if told == count:
                return


async def touch(
    session: Session,
    reservation: Annotated[str, typer.Argument(metavar="RESERVATION", help="The reservation.")],
    fence: Annotated[int, typer.Option("--fence", min=0, help="The reservation's fence.")] = 0,
) -> None:
    """Say that a conversation goes on: one that stopped counting counts again."""
    async with session.client() as client:
        touched = await client.touch(reservation, fence=fence)
    if session.as_json:
        session.write_json(touched)
    else:
        session.out.print(tables.reservation(touched))


async def beat(
    session: Session,
    agent: AgentName,
    seconds: Annotated[
        float | None, typer.Option("--for", help="For how many seconds it counts; 30 otherwise.")
    ] = None,
) -> None:
    """Say that an agent's desk is alive; without the next sign in time the agent is set AWAY."""
    async with session.client() as client:
        alive = await client.beat_agent(agent, ttl=None if seconds is None else timedelta(seconds=seconds))
    if session.as_json:
        session.write_json(alive)
    else:
        status = roster_pb2.AgentStatus.Name(alive.status)
        session.say(f"{agent} is {status}; the next sign is due at {tables.time(alive.expire_time)}")


def _tell_event(session: Session, answer: routing_pb2.WatchEventsResponse) -> None:
    if session.as_json:
        session.write_json(answer)
    elif answer.HasField("event"):
        session.say(tables.step(answer.event))
    session.flush()


async def _answers(client: MatcherClient) -> None:
    """Wait until a server answers again; gRPC waits and tries by itself. Raises MatcherCallError where none does."""
    await client.list_contacts(page_size=1)
