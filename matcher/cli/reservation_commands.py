"""The commands on reservations: `accept`, `complete`, `end-wrap-up`, `reservations`, `show` and others."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import candidate_tables, tables
from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.contact_commands import show_contact
from matcher.cli.session import Session, command
from matcher.v1 import routing_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="RESERVATION", help="The reservation.")]
Fence = Annotated[int, typer.Option("--fence", min=0, help="The reservation's fence; another fence is refused.")]


class Kind(StrEnum):
    """A kind of record that `show` can print."""

    CONTACT = "contact"
    DECISION = "decision"
    RESERVATION = "reservation"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for run in (accept, decline, renew, complete, end_wrap_up, cancel, reservations, show):
        command(app, run.__name__.replace("_", "-"))(run)


async def accept(session: Session, reservation: Name, fence: Fence = 0) -> None:
    """Accept an offer."""
    async with session.client() as client:
        _show(session, await client.accept(reservation, fence=fence))


async def decline(
    session: Session,
    reservation: Name,
    fence: Fence = 0,
    reason: Annotated[str, typer.Option("--reason", help="The reason, without the customer's words.")] = "",
    retry_after: Annotated[
        float | None,
        typer.Option("--retry-after", min=0, help="Seconds after which the contact may be offered to the agent again."),
    ] = None,
) -> None:
    """Decline an offer; the contact goes on to another agent if it waits, else it is RETURNED."""
    delay = None if retry_after is None else timedelta(seconds=retry_after)
    async with session.client() as client:
        _show(session, await client.decline(reservation, fence=fence, reason=reason, retry_after=delay))


async def renew(
    session: Session,
    reservation: Name,
    fence: Fence = 0,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, help="Seconds from now to the new deadline; default: the pool's.")
    ] = None,
) -> None:
    """Extend the deadline of an accepted reservation."""
    duration = None if seconds is None else timedelta(seconds=seconds)
    async with session.client() as client:
        _show(session, await client.renew(reservation, fence=fence, duration=duration))


async def complete(
    session: Session,
    reservation: Name,
    fence: Fence = 0,
    resolved: Annotated[
        bool | None, typer.Option("--resolved/--unresolved", help="Whether the customer was helped.")
    ] = None,
    rating: Annotated[int, typer.Option("--rating", min=0, max=5, help="The customer's rating, 1 to 5.")] = 0,
) -> None:
    """End a conversation; a repeat changes nothing, and may report how the customer was served."""
    async with session.client() as client:
        _show(session, await client.complete(reservation, fence=fence, resolved=resolved, rating=rating))


async def end_wrap_up(session: Session, reservation: Name, fence: Fence = 0) -> None:
    """End a wrap-up before its time; the agent is free again."""
    async with session.client() as client:
        _show(session, await client.end_wrap_up(reservation, fence=fence))


async def cancel(session: Session, reservation: Name, fence: Fence = 0) -> None:
    """Cancel an offer or a conversation, and its contact; the agent is free after the pool's wrap-up."""
    async with session.client() as client:
        _show(session, await client.cancel(reservation, fence=fence))


async def reservations(
    session: Session,
    agent: Annotated[str, typer.Option("--agent", help="Only reservations of this agent.")] = "",
) -> None:
    """List the reservations that have not ended, by deadline."""
    table = Listing(
        Column("reservation"),
        Column("agent"),
        Column("state"),
        Column("contact", MIDDLE),
        Column("channel", WIDE),
        Column("basis", MIDDLE),
        Column("expires"),
    )
    listed = 0
    async with session.client() as client:
        async for reservation in client.reservations(agent=agent):
            listed += 1
            if session.as_json:
                session.write_json(reservation)
                continue
            table.add(
                tables.short(reservation.name),
                tables.short(reservation.agent),
                pb.ReservationState.Name(reservation.state),
                tables.short(reservation.contact),
                f"{reservation.channel} (cost {reservation.cost})",
                pb.Basis.Name(reservation.basis),
                tables.time(reservation.expire_time),
            )
        if agent and not listed:
            await client.agent(agent)  # an id that nobody has is an error, and no agent without reservations
    if not session.as_json:
        session.show(table)
        session.say(f"{tables.counted(table.row_count, 'reservation')}")


async def show(
    session: Session,
    kind: Annotated[Kind, typer.Argument(help="The kind of record.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="The record's id.")],
) -> None:
    """Show a contact, a decision or a reservation."""
    async with session.client() as client:
        if kind is Kind.RESERVATION:
            _show(session, await client.reservation(name))
        elif kind is Kind.CONTACT:
            await show_contact(session, client, await client.contact(name))
        else:
            decision = await client.decision(name)
            if session.as_json:
                session.write_json(decision)
            else:
                session.show(candidate_tables.decision(decision))


def _show(session: Session, reservation: pb.Reservation) -> None:
    if session.as_json:
        session.write_json(reservation)
    else:
        session.show(tables.reservation(reservation))
