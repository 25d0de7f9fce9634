"""`matcher pools`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration

from matcher.cli import tables
from matcher.cli.session import CommandError, Session, command
from matcher.v1 import roster_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]
Seconds = float | None
DisplayName = Annotated[str | None, typer.Option("--name", help="What people call it.")]
Offer = Annotated[Seconds, typer.Option("--offer", help="How long an offer waits, in seconds.")]
Accepted = Annotated[Seconds, typer.Option("--accepted", help="How long an accepted one lasts, in seconds.")]
WrapUp = Annotated[Seconds, typer.Option("--wrap-up", help="How long a slot stays held after the end, in seconds.")]
Floor = Annotated[float | None, typer.Option("--floor", help="Affinity below which a message says nothing.")]
Tolerance = Annotated[float | None, typer.Option("--tolerance", help="Within this of the best counts as equal.")]

DURATIONS = ("offer_duration", "accepted_duration", "wrap_up_duration")
FIELDS = ("display_name", *DURATIONS, "affinity_floor", "affinity_tolerance")


def commands() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(name="pools", help="Teams and queues, each with a policy.", no_args_is_help=True)
    command(app, "list")(list_pools)
    command(app, "get")(get)
    command(app, "create")(create)
    command(app, "update")(update)
    command(app, "delete")(delete)
    return app


async def list_pools(session: Session) -> None:
    """List the site's pools."""
    made = tables.table("pool", "name", "offer", "accepted", "wrap-up", "floor", "tolerance")
    async with session.client() as client:
        async for pool in client.pools():
            if session.as_json:
                session.write_json(pool)
                continue
            spans = (pool.offer_duration, pool.accepted_duration, pool.wrap_up_duration)
            tables.add(
                made,
                tables.short(pool.name),
                pool.display_name,
                *(tables.seconds(span.ToTimedelta().total_seconds()) for span in spans),
                f"{pool.effective_affinity_floor:.3f}",
                f"{pool.effective_affinity_tolerance:.3f}",
            )
    if not session.as_json:
        session.out.print(made)


async def get(session: Session, pool: Name) -> None:
    """Show a pool with its policy."""
    async with session.client() as client:
        _show(session, await client.pool(pool))


async def create(
    session: Session,
    pool: Name,
    *,
    name: DisplayName = None,
    offer: Offer = None,
    accepted: Accepted = None,
    wrap_up: WrapUp = None,
    floor: Floor = None,
    tolerance: Tolerance = None,
) -> None:
    """Add a pool."""
    made = _pool(name, (offer, accepted, wrap_up), floor, tolerance)
    async with session.client() as client:
        _show(session, await client.create_pool(pool, made))


async def update(
    session: Session,
    pool: Name,
    *,
    name: DisplayName = None,
    offer: Offer = None,
    accepted: Accepted = None,
    wrap_up: WrapUp = None,
    floor: Floor = None,
    tolerance: Tolerance = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="A field that goes back to its default.")
    ] = None,
    etag: Annotated[str, typer.Option("--etag", help="Only if the pool is still at this etag.")] = "",
) -> None:
    """Change a pool's policy."""
    change = _pool(name, (offer, accepted, wrap_up), floor, tolerance)
    fields = [field.name for field, _ in change.ListFields()]
    if name == "":
        fields.append("display_name")
    if both := set(fields) & set(unset or ()):
        raise CommandError(f"{', '.join(sorted(both))} cannot be set and unset at once")
    fields += unset or ()
    if not fields:
        raise CommandError(f"nothing to change; the fields are {', '.join(FIELDS)}")
    change.name, change.etag = pool, etag
    async with session.client() as client:
        _show(session, await client.update_pool(change, fields))


async def delete(
    session: Session,
    pool: Name,
    etag: Annotated[str, typer.Option("--etag", help="Only if the pool is still at this etag.")] = "",
) -> None:
    """Remove a pool that no agent is in."""
    async with session.client() as client:
        await client.delete_pool(pool, etag=etag)
    if session.as_json:
        session.write_json({"deleted": pool})
    session.say(f"deleted {pool}")


def _pool(
    name: str | None, spans: tuple[Seconds, Seconds, Seconds], floor: float | None, tolerance: float | None
) -> pb.Pool:
    made = pb.Pool(display_name=name or "", affinity_floor=floor, affinity_tolerance=tolerance)
    for field, span in zip(DURATIONS, spans, strict=True):
        if span is not None:
            duration = Duration()
            duration.FromTimedelta(timedelta(seconds=span))
            getattr(made, field).CopyFrom(duration)
    return made


def _show(session: Session, pool: pb.Pool) -> None:
    if session.as_json:
        session.write_json(pool)
    else:
        session.out.print(tables.pool(pool))
