"""The commands of `matcher pools`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration

from matcher.cli import tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.pool_options import (
    DURATIONS,
    NUMBERS,
    OPTIONS,
    Accepted,
    ControlRelationship,
    ControlRelationships,
    ControlShare,
    DisplayName,
    FirstResponse,
    Floor,
    HeadStart,
    Idle,
    Listening,
    MaxDeclined,
    MaxMissed,
    Offer,
    ProfileWeight,
    Relationship,
    RelationshipWait,
    ReturnWithin,
    Scorer,
    SecondComplete,
    SecondCompletes,
    SmallTalk,
    Switch,
    Tolerance,
    Wait,
    WaitWeight,
    WhenOverloaded,
    Window,
    WrapUp,
    WrapUpCancel,
    WrapUpComplete,
    WrapUpExpiry,
    WrapUpTransfer,
)
from matcher.cli.session import CommandError, Session, command
from matcher.v1 import roster_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]


def commands() -> typer.Typer:
    """Return the commands of `matcher pools`."""
    app = typer.Typer(
        name="pools", help="Pools: groups of agents, each with a queue and a policy.", no_args_is_help=True
    )
    command(app, "list")(list_pools)
    command(app, "get")(get)
    command(app, "create")(create)
    command(app, "update")(update)
    command(app, "delete")(delete)
    return app


async def list_pools(session: Session) -> None:
    """List the site's pools."""
    table = Listing(
        Column("pool"),
        Column("name", text=True),
        Column("offer"),
        Column("accepted"),
        Column("wrap-up", MIDDLE),
        Column("floor"),
        Column("tolerance", MIDDLE),
    )
    async with session.client() as client:
        async for pool in client.pools():
            if session.as_json:
                session.write_json(pool)
                continue
            spans = (pool.offer_duration, pool.accepted_duration, pool.wrap_up_duration)
            table.add(
                tables.short(pool.name),
                pool.display_name,
                *(tables.seconds(span.ToTimedelta().total_seconds()) for span in spans),
                f"{pool.effective_affinity_floor:.3f}",
                f"{pool.effective_affinity_tolerance:.3f}",
            )
    if not session.as_json:
        session.show(table)


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
    wrap_up_complete: WrapUpComplete = None,
    wrap_up_transfer: WrapUpTransfer = None,
    wrap_up_cancel: WrapUpCancel = None,
    wrap_up_expiry: WrapUpExpiry = None,
    second_complete: SecondComplete = None,
    floor: Floor = None,
    tolerance: Tolerance = None,
    profile_weight: ProfileWeight = None,
    listening: Listening = None,
    scorer: Scorer = None,
    wait: Wait = None,
    wait_weight: WaitWeight = None,
    head_start: HeadStart = None,
    max_missed: MaxMissed = None,
    max_declined: MaxDeclined = None,
    return_within: ReturnWithin = None,
    idle: Idle = None,
    first_response: FirstResponse = None,
    relationship: Relationship = None,
    relationship_wait: RelationshipWait = None,
    window: Window = None,
    small_talk: SmallTalk = None,
    when_overloaded: WhenOverloaded = None,
    control_share: ControlShare = None,
    control_known: ControlRelationship = None,
) -> None:
    """Add a pool."""
    new_pool = _pool(locals())
    async with session.client() as client:
        _show(session, await client.create_pool(pool, new_pool))


async def update(
    session: Session,
    pool: Name,
    *,
    name: DisplayName = None,
    offer: Offer = None,
    accepted: Accepted = None,
    wrap_up: WrapUp = None,
    wrap_up_complete: WrapUpComplete = None,
    wrap_up_transfer: WrapUpTransfer = None,
    wrap_up_cancel: WrapUpCancel = None,
    wrap_up_expiry: WrapUpExpiry = None,
    second_complete: SecondComplete = None,
    floor: Floor = None,
    tolerance: Tolerance = None,
    profile_weight: ProfileWeight = None,
    listening: Listening = None,
    scorer: Scorer = None,
    wait: Wait = None,
    wait_weight: WaitWeight = None,
    head_start: HeadStart = None,
    max_missed: MaxMissed = None,
    max_declined: MaxDeclined = None,
    return_within: ReturnWithin = None,
    idle: Idle = None,
    first_response: FirstResponse = None,
    relationship: Relationship = None,
    relationship_wait: RelationshipWait = None,
    window: Window = None,
    small_talk: SmallTalk = None,
    when_overloaded: WhenOverloaded = None,
    control_share: ControlShare = None,
    control_known: ControlRelationship = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="OPTION", help="An option to reset to its default, as in --unset floor."),
    ] = None,
    etag: Annotated[str, typer.Option("--etag", help="Change the pool only if it still has this etag.")] = "",
) -> None:
    """Change a pool's policy."""
    change = _pool(locals())
    fields = [field.name for field, _ in change.ListFields() if field.name != "wrap_up"]
    fields += [f"wrap_up.{field.name}" for field, _ in change.wrap_up.ListFields()]
    fields += ["second_complete_ends_wrap_up"] if second_complete is SecondCompletes.CHANGES_NOTHING else []
    fields += ["listening"] if listening is Switch.OFF else []
    fields += ["control_share"] if control_share == 0.0 else []
    fields += ["control_forgoes_relationships"] if control_known is ControlRelationships.KEEP else []
    fields += [field for field, text in (("display_name", name), ("scorer", scorer)) if text == ""]
    reset = [_field(option) for option in unset or ()]
    if both := set(fields) & set(reset):
        raise CommandError(f"{', '.join(map(_typed, sorted(both)))} cannot be set and unset in one call")
    fields += reset
    if not fields:
        raise CommandError(f"nothing to change; the options are {', '.join(map(_typed, OPTIONS))}")
    change.name, change.etag = pool, etag
    async with session.client() as client:
        _show(session, await client.update_pool(change, fields))


async def delete(
    session: Session,
    pool: Name,
    etag: Annotated[str, typer.Option("--etag", help="Remove the pool only if it still has this etag.")] = "",
) -> None:
    """Remove a pool that has no agents."""
    async with session.client() as client:
        await client.delete_pool(pool, etag=etag)
    if session.as_json:
        session.write_json({"deleted": pool})
    session.say(f"deleted {pool}")


def _typed(field: str) -> str:
    """Return the option of a field, as it is typed."""
    return f"--{OPTIONS[field].replace('_', '-')}"


def _field(option: str) -> str:
    """Return the field that an option sets; the field's own name is understood, too."""
    given = option.removeprefix("--").replace("-", "_")
    for field, name in OPTIONS.items():
        if given in (field, name):
            return field
    options = ", ".join(_typed(field).removeprefix("--") for field in OPTIONS)
    raise CommandError(f"--unset {option}: it is none of {options}")


def _pool(arguments: Mapping[str, Any]) -> pb.Pool:
    """Return a pool of the command's arguments; arguments: by name, None where an option was not given."""
    numbers = {field: arguments[option] for field, option in NUMBERS.items()}
    pool = pb.Pool(display_name=arguments["name"] or "", scorer=arguments["scorer"] or "", **numbers)
    if arguments["small_talk"] is not None:
        pool.small_talk.extend(_sentences(arguments["small_talk"]))
    if arguments["when_overloaded"] is not None:
        pool.when_overloaded = pb.WhenOverloaded.Value(f"WHEN_OVERLOADED_{arguments['when_overloaded']}")
    for field, option in DURATIONS.items():
        if arguments[option] is not None:
            duration = Duration()
            duration.FromTimedelta(timedelta(seconds=arguments[option]))
            attrgetter(field)(pool).CopyFrom(duration)
    if arguments["second_complete"] is SecondCompletes.ENDS_WRAP_UP:
        pool.second_complete_ends_wrap_up = True
    pool.listening = arguments["listening"] is Switch.ON
    pool.control_forgoes_relationships = arguments["control_known"] is ControlRelationships.FORGO
    return pool


def _sentences(file: Path) -> list[str]:
    """Return the filled lines of a file; raise CommandError where it cannot be read."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read ({type(error).__name__})") from None
    return [line.strip() for line in lines if line.strip()]


def _show(session: Session, pool: pb.Pool) -> None:
    if session.as_json:
        session.write_json(pool)
    else:
        session.show(tables.pool(pool))
