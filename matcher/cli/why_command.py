"""The command `matcher why`: what happened to a contact, and why its agent was chosen."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from matcher.cli import candidate_tables, routing_commands, tables
from matcher.cli.contact_table import contact_table
from matcher.cli.session import Session, command, plain
from matcher.cli.waiting_words import Places
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb

FORGOTTEN = frozenset({"RESERVATION_NOT_FOUND", "DECISION_NOT_FOUND"})


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "why")(why)


async def why(
    session: Session, contact: Annotated[str, typer.Argument(metavar="CONTACT", help="The contact.")]
) -> None:
    """Show a contact, each step of its life, and the decision for its last agent with the agents considered."""
    async with session.client() as client:
        record = await client.contact(contact)
        steps = await _steps(client, contact, record.sequence)
        decision = await _decision(client, record)
        place = "" if session.as_json else await Places(client).of(record)
    if session.as_json:
        document = {"contact": plain(record), "steps": [plain(step) for step in steps]}
        session.write_json(document if decision is None else document | {"decision": plain(decision)})
        return
    session.show(contact_table(record, place))
    session.say("")
    for step in steps:
        session.say(tables.event_line(step))
    session.say("")
    if decision is None:
        session.say("no agent was chosen yet" if not record.reservation else "the decision is no longer kept")
        return
    agent = next((one for one in decision.candidates if one.agent == decision.agent), pb.Candidate())
    chosen = routing_commands.basis(decision.basis, agent)
    if decision.basis == pb.FALLBACK and not (decision.units or decision.set_aside or decision.degraded):
        chosen = routing_commands.NOTHING_COMPARED
    session.say(f"{tables.short(decision.agent)} was chosen: {chosen}")
    session.show(candidate_tables.decision(decision))


async def _steps(client: MatcherClient, contact: str, last: int) -> list[pb.ContactEvent]:
    """Return the steps of a contact up to the one that its record has."""
    steps: list[pb.ContactEvent] = []
    if last:
        async with aclosing(client.watch_contact(contact)) as stream:
            async for step in stream:
                steps.append(step)
                if step.sequence >= last:
                    break
    return steps


async def _decision(client: MatcherClient, record: pb.Contact) -> pb.Decision | None:
    """Return the decision that led to a contact's last reservation; None: there is none, or it is no longer kept."""
    if not record.reservation:
        return None
    try:
        reservation = await client.reservation(record.reservation)
        return await client.decision(reservation.decision)
    except MatcherCallError as error:
        if error.reason not in FORGOTTEN:
            raise
        return None
