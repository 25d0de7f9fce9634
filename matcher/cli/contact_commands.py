"""The commands of `matcher contacts`."""

from __future__ import annotations

from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.assign_command import assign
from matcher.cli.columns import MIDDLE, WIDE, Column, Listing
from matcher.cli.contact_table import contact_table
from matcher.cli.session import Session, command
from matcher.cli.waiting_words import Places
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import routing_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="CONTACT", help="The contact.")]


class State(StrEnum):
    """A state of a contact that has not ended."""

    QUEUED = "QUEUED"
    RESERVED = "RESERVED"
    ASSIGNED = "ASSIGNED"
    RETURNED = "RETURNED"
    QUARANTINED = "QUARANTINED"


def commands() -> typer.Typer:
    """Return the commands of `matcher contacts`."""
    app = typer.Typer(
        name="contacts", help="Contacts: the customers' requests that wait or are served.", no_args_is_help=True
    )
    command(app, "list")(list_contacts)
    command(app, "quarantined")(quarantined)
    command(app, "show")(show)
    command(app, "watch")(watch)
    command(app, "cancel")(cancel)
    command(app, "assign")(assign)
    return app


async def list_contacts(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only contacts of this pool.")] = "",
    state: Annotated[
        State | None, typer.Option("--state", case_sensitive=False, help="Only contacts in this state.")
    ] = None,
) -> None:
    """List the contacts that have not ended, oldest first."""
    table = Listing(
        Column("contact"),
        Column("state"),
        Column("cause", MIDDLE, text=True),
        Column("pool"),
        Column("channel", MIDDLE),
        Column("reservation", WIDE),
        Column("place", text=True),
        Column("created"),
    )
    state_filter = pb.CONTACT_STATE_UNSPECIFIED if state is None else pb.ContactState.Value(f"CONTACT_{state}")
    async with session.client() as client:
        places = Places(client)
        async for contact in client.contacts(pool=pool, state=state_filter):
            if session.as_json:
                session.write_json(contact)
                continue
            table.add(
                tables.short(contact.name),
                tables.contact_state(contact.state),
                tables.cause(contact.cause),
                tables.short(contact.pool),
                contact.channel,
                tables.short(contact.reservation),
                await places.in_list(contact),
                tables.time(contact.create_time),
            )
    if not session.as_json:
        session.show(table)
        session.say(f"{tables.counted(table.row_count, 'contact')}")


async def quarantined(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="Only contacts of this pool.")] = "",
) -> None:
    """List the contacts whose record cannot be read or whose message cannot be opened: they are offered to nobody.

    `matcher contacts cancel` ends one; a platform may also route it again.
    """
    await list_contacts(session, pool, State.QUARANTINED)


async def show(session: Session, contact: Name) -> None:
    """Show a contact and, if it waits, its place in the queue."""
    async with session.client() as client:
        await show_contact(session, client, await client.contact(contact))


async def watch(
    session: Session,
    contact: Name,
    after: Annotated[int, typer.Option("--after", min=0, help="Only the steps after this sequence number.")] = 0,
    progress: Annotated[
        bool, typer.Option("--progress", help="Also print the place in the queue, whenever it has changed.")
    ] = False,
) -> None:
    """Print a contact's steps as they happen, until the contact has ended; a broken stream is resumed without a gap."""
    async with session.client() as client:
        events = client.watch_contact(
            contact, after_sequence=after, include_progress=progress, on_break=session.note_break
        )
        async with aclosing(events) as stream:
            async for step in stream:
                if session.as_json:
                    session.write_json(step)
                elif step.cause != pb.CAUSE_UNSPECIFIED:
                    session.say(tables.event_line(step))
                elif step.HasField("queued"):
                    session.say(await Places(client).line(step))
                session.flush()


async def cancel(session: Session, contact: Name) -> None:
    """End a contact: it leaves the queue, and the agent who was reserved for it is free again."""
    async with session.client() as client:
        await show_contact(session, client, await client.cancel_contact(contact))


async def show_contact(session: Session, client: MatcherClient, contact: pb.Contact) -> None:
    """Print a contact, with its place in the queue if it waits, and its agent if it has one."""
    if session.as_json:
        session.write_json(contact)
    else:
        session.show(contact_table(contact, await Places(client).of(contact), await _agent(client, contact)))


async def _agent(client: MatcherClient, contact: pb.Contact) -> str:
    """Return the agent who is offered a contact or has it; "" where there is none."""
    if contact.state not in (pb.CONTACT_RESERVED, pb.CONTACT_ASSIGNED):
        return ""
    try:
        return tables.short((await client.reservation(contact.reservation)).agent)
    except MatcherCallError as error:
        if error.reason != "RESERVATION_NOT_FOUND":
            raise
        return ""
