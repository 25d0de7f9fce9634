"""`matcher accept`, `decline`, `renew`, `complete`, `cancel`, `reservations` and `show`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.session import Session, command
from matcher.v1 import routing_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="RESERVATION", help="The reservation.")]
Fence = Annotated[int, typer.Option("--fence", min=0, help="The reservation's fence, to be sure it is this hold.")]


class Kind(StrEnum):
    """What `show` can show."""

    CONTACT = "contact"
    DECISION = "decision"
    RESERVATION = "reservation"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for run in (accept, decline, renew, complete, cancel, reservations, show):
        command(app, run.__name__)(run)


async def accept(session: Session, reservation: Name, fence: Fence = 0) -> None:
    """Take an offer."""
    async with session.client() as client:
        _show(session, await client.accept(reservation, fence=fence))


async def decline(
    session: Session,
    reservation: Name,
    fence: Fence = 0,
    reason: Annotated[str, typer.Option("--reason", help="Why; no words of the customer.")] = "",
    retry_after: Annotated[
        float | None, typer.Option("--retry-after", min=0, help="Offer it to the agent again after so many seconds.")
    ] = None,
) -> None:
    """Turn an offer down; the contact can be routed again, not to this agent."""
    again = None if retry_after is None else timedelta(seconds=retry_after)
    async with session.client() as client:
        _show(session, await client.decline(reservation, fence=fence, reason=reason, retry_after=again))


async def renew(
    session: Session,
    reservation: Name,
    fence: Fence = 0,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, help="How long from now, in seconds; what the pool says otherwise.")
    ] = None,
) -> None:
    """Move the deadline of an accepted reservation on."""
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
    """End a conversation; during the wrap-up, end the wrap-up."""
    async with session.client() as client:
        _show(session, await client.complete(reservation, fence=fence, resolved=resolved, rating=rating))


async def cancel(session: Session, reservation: Name, fence: Fence = 0) -> None:
    """Give a slot back without a conversation."""
    async with session.client() as client:
        _show(session, await client.cancel(reservation, fence=fence))


async def reservations(
    session: Session,
    agent: Annotated[str, typer.Option("--agent", help="Only what this agent holds.")] = "",
) -> None:
    """List what is held now, by deadline."""
    made = tables.table("reservation", "agent", "contact", "state", "channel", "basis", "expires")
    async with session.client() as client:
        async for held in client.reservations(agent=agent):
            if session.as_json:
                session.write_json(held)
                continue
            tables.add(
                made,
                tables.short(held.name),
                tables.short(held.agent),
                tables.short(held.contact),
                pb.ReservationState.Name(held.state),
                f"{held.channel} (cost {held.cost})",
                pb.Basis.Name(held.basis),
                tables.time(held.expire_time),
            )
    if not session.as_json:
        session.out.print(made)
        session.say(f"{made.row_count} reservations")


async def show(
    session: Session,
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
) -> None:
    """Show a contact, the record of a decision, or a reservation."""
    async with session.client() as client:
        if kind is Kind.RESERVATION:
            _show(session, await client.reservation(name))
        elif kind is Kind.CONTACT:
            contact = await client.contact(name)
            if session.as_json:
                session.write_json(contact)
            else:
                session.out.print(tables.contact(contact))
        else:
            decision = await client.decision(name)
            if session.as_json:
                session.write_json(decision)
            else:
                session.out.print(tables.decision(decision))


def _show(session: Session, reservation: pb.Reservation) -> None:
    if session.as_json:
        session.write_json(reservation)
    else:
        session.out.print(tables.reservation(reservation))
