"""The commands of `matcher customers`; the import has a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.columns import MIDDLE, Column, Facts, Listing
from matcher.cli.customer_import import import_customers
from matcher.cli.file_access import form_of, write_text
from matcher.cli.session import Session, command
from matcher.files.customer_file import text_of
from matcher.files.roster_file import Form
from matcher.v1 import customers_pb2 as pb

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id; with --handle one of the handles.")]
ByHandle = Annotated[bool, typer.Option("--handle", help="CUSTOMER is a handle: a mail address, a phone number.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher customers`."""
    app = typer.Typer(name="customers", help="Customers: what they agreed to leave.", no_args_is_help=True)
    command(app, "list")(list_customers)
    command(app, "get")(get)
    command(app, "import")(import_customers)
    command(app, "export")(export)
    command(app, "link")(link)
    command(app, "forget")(forget)
    return app


async def list_customers(session: Session) -> None:
    """List the customers of whom anything is remembered, first those whose records end soonest."""
    table = Listing(
        Column("customer"),
        Column("handles", text=True),
        Column("interests"),
        Column("consent until", MIDDLE),
        Column("remembered until"),
    )
    async with session.client() as client:
        async for customer in client.customers():
            if session.as_json:
                session.write_json(customer)
                continue
            table.add(
                tables.short(customer.name),
                ", ".join(customer.handles),
                str(len(customer.interests)),
                tables.time(customer.consent.expire_time),
                tables.time(customer.expire_time),
            )
    if not session.as_json:
        session.show(table)
        session.say(tables.counted(table.row_count, "customer"))


async def get(session: Session, customer: Who, handle: ByHandle = False) -> None:
    """Show everything that is stored of a customer, ended contacts too. With --json: what the customer may ask for."""
    async with session.client() as client:
        read = client.lookup_customer if handle else client.customer
        _show(session, await read(customer, with_ended_contacts=True))


async def export(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help='The file to write; "-": standard output.')],
    form: Annotated[Form | None, typer.Option("--format", help="The format; default: by the file's name.")] = None,
) -> None:
    """Write the site's customers to a file, without how agents served them; importing that file changes nothing."""
    file_form = form_of(file, form)
    async with session.client() as client:
        customers = [customer async for customer in client.customers()]
    write_text(file, text_of(customers, file_form))
    if file != "-":
        if session.as_json:
            session.write_json({"file": file, "customers": len(customers)})
        session.say(f"{tables.counted(len(customers), 'customer')} written to {file}")


async def link(
    session: Session,
    handles: Annotated[list[str], typer.Argument(metavar="HANDLE…", help="The handles of one customer, 2 to 16.")],
) -> None:
    """Join handles of one customer: an agent who served one of them well is preferred for all."""
    async with session.client() as client:
        _show(session, await client.link_customers(*handles))


async def forget(
    session: Session,
    customer: Who,
    handle: ByHandle = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also while the customer waits or is served: the contact goes on alone."),
    ] = False,
) -> None:
    """Remove every trace of a customer; it cannot be undone."""
    async with session.client() as client:
        await (client.forget_handle if handle else client.forget_customer)(customer, force=force)
    said = customer if handle else tables.short(customer)
    if session.as_json:
        session.write_json({"forgotten": said})
    session.say(f"forgot {said}")


def _show(session: Session, customer: pb.Customer) -> None:
    if session.as_json:
        session.write_json(customer)
    else:
        session.show(_facts(customer))


def _facts(customer: pb.Customer) -> Facts:
    """Return what is remembered of a customer."""
    consent = customer.consent
    interests = (
        ("interest", f"{interest.text} ({interest.source})" if interest.source else interest.text)
        for interest in customer.interests
    )
    notes = (
        ("served", f"{'well' if note.good else 'badly'} by {tables.short(note.agent)}, {tables.time(note.time)}")
        for note in customer.relationship_notes
    )
    return tables.facts(
        (
            ("customer", tables.short(customer.name)),
            ("handles", ", ".join(customer.handles)),
            ("unnamed handles", customer.unnamed_handles or ""),
            *interests,
            ("consent", consent.basis),
            ("given", tables.time(consent.time)),
            ("ends", tables.time(consent.expire_time)),
            ("may be shown", ("yes" if consent.shareable else "no") if customer.HasField("consent") else ""),
            *notes,
            ("open contacts", ", ".join(tables.short(contact) for contact in customer.open_contacts)),
            ("ended contacts", ", ".join(tables.short(contact) for contact in customer.ended_contacts)),
            ("decisions", ", ".join(tables.short(decision) for decision in customer.decisions)),
            ("remembered until", tables.time(customer.expire_time)),
        )
    )
