"""The commands of `matcher decisions`: shows a decision again, and makes its choice again from what the store saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from matcher.cli import candidate_tables, tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.model import SeenAgent
from matcher.ranking.comparison import choose
from matcher.v1 import routing_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="DECISION", help="The decision.")]

BY_HAND: Final = frozenset({pb.ASSIGNED})
NOT_REDONE: Final = (
    "encoding: the message is not kept",
    "search: the affinities, and who met the constraints, are those of the record",
)
JOINT: Final = "the joint choice: this agent alone was asked for, chosen beside other contacts or by another rule"
ALL_EQUAL: Final = -1.0


@dataclass(frozen=True, slots=True)
class Replay:
    """The choice of a decision, made again; agent "": by what was seen, nobody had free capacity."""

    agent: str
    tolerance: float
    seen: tuple[SeenAgent, ...]
    affinities: dict[str, float]
    not_redone: tuple[str, ...]


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
    again = replayed(record)
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


def replayed(record: pb.Decision) -> Replay:
    """Make the choice of a decision again. Raises CommandError where the record does not hold what it needs."""
    if record.basis in BY_HAND:
        raise CommandError("a person assigned the contact: there is no choice to make again")
    if not record.seen_agents:
        raise CommandError(
            "the decision holds nothing of what the store saw: an earlier version made it, or its agent was forgotten"
        )
    affinities = {candidate.agent: candidate.affinity for candidate in record.candidates}
    seen = tuple(_seen(agent) for agent in record.seen_agents)
    if missing := [agent.agent for agent in seen if agent.agent not in affinities]:
        raise CommandError(f"the record names {', '.join(map(tables.short, missing))} no more")
    tolerance = record.affinity_tolerance if record.basis == pb.AFFINITY else ALL_EQUAL
    alone = len(seen) == 1 and len(record.candidates) > 1 and record.candidates[0].agent != seen[0].agent
    return Replay(
        choose(seen, affinities, tolerance) or "",
        tolerance,
        seen,
        affinities,
        (*NOT_REDONE, JOINT) if alone else NOT_REDONE,
    )


def _seen(record: pb.SeenAgent) -> SeenAgent:
    refused = "GONE" if record.gone else pb.Constraint.Name(record.refused).removeprefix("CONSTRAINT_")
    idle_since_ms = record.idle_since.ToMilliseconds()
    free = not (record.gone or record.refused)
    return SeenAgent(record.agent, record.load, record.total, idle_since_ms, refused="" if free else refused)


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
