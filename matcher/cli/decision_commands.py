"""The commands of `matcher decisions`: shows a decision again, and makes its choice again from what the store saw."""

from __future__ import annotations

from typing import Annotated

import typer

from matcher.cli import candidate_tables, tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.client.replay import NotReplayable, Replay, replayed
from matcher.v1 import routing_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="DECISION", help="The decision.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher decisions`."""
    app = typer.Typer(
        name="decisions", help="Decisions: why an agent was chosen, and the same choice again.", no_args_is_help=True
    )
    command(app, "show")(show)
    command(app, "replay")(replay)
    return app


async def show(session: Session, decision: Name) -> None:
    """Show a decision with the agents considered."""
    async with session.client() as client:
        record = await client.decision(decision)
    if session.as_json:
        session.write_json(record)
    else:
        session.show(candidate_tables.decision(record))


async def replay(session: Session, decision: Name) -> None:
    """Choose again by what the store saw of the candidates; exit with 1 where that is another agent.

    The message is not kept, so it is neither encoded nor searched for again.
    """
    async with session.client() as client:
        record = await client.decision(decision)
    try:
        again = replayed(record)
    except NotReplayable as why:
        raise CommandError(str(why)) from None
    same = again.agent == record.agent
    if session.as_json:
        document = {"decision": record.name, "agent": record.agent, "replayed": again.agent, "same": same}
        session.write_json(document | {"not_redone": list(again.not_redone)})
    else:
        session.say(
            f"{tables.short(again.agent) or 'nobody'} is chosen{' again' if same else ''}: {_rule(record, again)}"
        )
        session.show(_table(record, again))
        for part in again.not_redone:
            session.say(f"not done again: {part}")
    if not same:
        raise CommandError(f"the decision chose {tables.short(record.agent)}")


def _rule(record: pb.Decision, again: Replay) -> str:
    among = (
        "of all seen"
        if again.tolerance < 0
        else f"of those within {record.affinity_tolerance:.3f} of the best affinity"
    )
    return f"{among} the least utilized, of equals the longest idle"


def _table(record: pb.Decision, again: Replay) -> Listing:
    table = Listing(
        Column("agent"), Column("affinity"), Column("load"), Column("idle since", MIDDLE), Column("seen as")
    )
    idle = {seen.agent: tables.time(seen.idle_since) for seen in record.seen_agents}
    for seen in again.seen:
        word = seen.refused or ("chosen" if seen.agent == again.agent else "free")
        load = "" if seen.refused else f"{seen.load} of {seen.total}"
        table.add(tables.short(seen.agent), f"{again.affinities[seen.agent]:.3f}", load, idle[seen.agent], word)
    return table
