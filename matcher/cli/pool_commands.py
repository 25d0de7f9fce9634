"""`matcher pools`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

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

Scorer = Annotated[
    str | None,
    typer.Option(
        "--scorer", help="What ranks: packaged, untrained, or a file's name in the service's MATCHER_SCORERS."
    ),
]
Wait = Annotated[Seconds, typer.Option("--wait", help="How long a contact may wait, in seconds.")]
WaitWeight = Annotated[
    float | None, typer.Option("--wait-weight", help="How much affinity a second of waiting is worth.")
]
HeadStart = Annotated[Seconds, typer.Option("--head-start", help="Before the contacts of other pools, in seconds.")]
MaxMissed = Annotated[
    int | None, typer.Option("--max-missed", help="After so many unanswered offers in a row: AWAY; 0: never.")
]
Idle = Annotated[Seconds, typer.Option("--idle", help="After this long without a sign a talk stops counting.")]
Relationship = Annotated[Seconds, typer.Option("--relationship", help="How long a customer is led back, in seconds.")]
RelationshipWait = Annotated[
    Seconds, typer.Option("--relationship-wait", help="How long a contact is kept for the agent it knows, in seconds.")
]
Window = Annotated[Seconds, typer.Option("--window", help="Gathers messages of this long to decide them jointly.")]

DURATIONS = {
    "offer_duration": "offer",
    "accepted_duration": "accepted",
    "wrap_up_duration": "wrap_up",
    "wait_duration": "wait",
    "head_start": "head_start",
    "idle_duration": "idle",
    "relationship_duration": "relationship",
    "relationship_wait": "relationship_wait",
    "matching_window": "window",
}
NUMBERS = {
    "affinity_floor": "floor",
    "affinity_tolerance": "tolerance",
    "wait_weight": "wait_weight",
    "max_missed": "max_missed",
}
FIELDS = ("display_name", "scorer", *DURATIONS, *NUMBERS)


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
    scorer: Scorer = None,
    wait: Wait = None,
    wait_weight: WaitWeight = None,
    head_start: HeadStart = None,
    max_missed: MaxMissed = None,
    idle: Idle = None,
    relationship: Relationship = None,
    relationship_wait: RelationshipWait = None,
    window: Window = None,
) -> None:
    """Add a pool."""
    made = _pool(locals())
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
    scorer: Scorer = None,
    wait: Wait = None,
    wait_weight: WaitWeight = None,
    head_start: HeadStart = None,
    max_missed: MaxMissed = None,
    idle: Idle = None,
    relationship: Relationship = None,
    relationship_wait: RelationshipWait = None,
    window: Window = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="A field that goes back to its default.")
    ] = None,
    etag: Annotated[str, typer.Option("--etag", help="Only if the pool is still at this etag.")] = "",
) -> None:
    """Change a pool's policy."""
    change = _pool(locals())
    fields = [field.name for field, _ in change.ListFields()]
    fields += [field for field, said in (("display_name", name), ("scorer", scorer)) if said == ""]
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


def _pool(said: Mapping[str, Any]) -> pb.Pool:
    """Return a pool with what was said; said: the command's arguments by name, None where they were not given."""
    numbers = {field: said[option] for field, option in NUMBERS.items()}
    made = pb.Pool(display_name=said["name"] or "", scorer=said["scorer"] or "", **numbers)
    for field, option in DURATIONS.items():
        if said[option] is not None:
            duration = Duration()
            duration.FromTimedelta(timedelta(seconds=said[option]))
            getattr(made, field).CopyFrom(duration)
    return made


def _show(session: Session, pool: pb.Pool) -> None:
    if session.as_json:
        session.write_json(pool)
    else:
        session.out.print(tables.pool(pool))
