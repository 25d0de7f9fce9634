"""The commands of `matcher access`: make, list, rotate and revoke the keys of those who call the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from matcher.auth.access_keys import ID
from matcher.auth.grant_text import FORM, grant_text, parse_grant
from matcher.cli.columns import WIDE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.cli.store_access import store_of_service
from matcher.cli.tables import short, time
from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import keys_pb2 as pb

if TYPE_CHECKING:
    from matcher.cli.local_keys import LocalKeys

DAY: Final = 86_400.0
HOUR: Final = 3_600.0

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who calls with the key, such as crm or wallboard-2.")]
Grants = Annotated[
    list[str], typer.Option("--grant", metavar="GRANT", help=f"What the caller may: {FORM}. Repeatable.")
]
Days = Annotated[
    float | None,
    typer.Option(
        "--days",
        min=0.001,
        max=3_650,
        help="After how many days the key expires; not given: never, or as before.",
    ),
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Write into the store itself, on its machine, without asking the service: for the first key.",
    ),
]


def commands() -> typer.Typer:
    """Return the commands of `matcher access`."""
    app = typer.Typer(
        name="access",
        help="Access keys: who may call the service (docs/security.md). The keys that seal texts are `matcher keys`.",
        no_args_is_help=True,
    )
    command(app, "create")(create)
    command(app, "list")(list_keys)
    command(app, "rotate")(rotate)
    command(app, "revoke")(revoke)
    return app


async def create(session: Session, name: Name, grant: Grants, days: Days = None, local: Local = False) -> None:
    """Make a caller's first key; its text is printed once, and kept nowhere."""
    # Imported here, because the service's side would slow down every command.
    from matcher.rpc.key_servicer import grant_message

    try:
        grants = [grant_message(parse_grant(text)) for text in grant]
    except ValueError as fault:
        raise CommandError(f"--grant {fault}") from None
    async with _keys(session, local=local) as keys:
        made = await keys.create_key(name, grants, lifetime=_seconds(days, DAY))
        missing = await _missing(keys, grants) if isinstance(keys, MatcherClient) else []
    for site in missing:
        session.note(f"there is no {site} yet: the grant counts once it is created")
    _show_made(session, made)


async def list_keys(session: Session, local: Local = False) -> None:
    """List the keys with what their callers may; no secret is shown, and those that ended stay for a month."""
    async with _keys(session, local=local) as keys:
        listed = (await keys.list_keys()).keys
    listing = Listing(
        Column("name"), Column("key"), Column("may"), Column("state"), Column("last used"), Column("made", WIDE)
    )
    for key in listed:
        if session.as_json:
            session.write_json(key)
        else:
            used = time(key.use_time) or "never"
            listing.add(key.principal, short(key.name), _may(key), _state(key), used, time(key.create_time))
    if listing.row_count:
        session.show(listing)
    elif not listed:
        session.say("no keys")


async def rotate(
    session: Session,
    name: Name,
    days: Days = None,
    overlap: Annotated[
        float | None,
        typer.Option("--overlap", min=0, max=87_600, help="Hours for which the present key stays valid."),
    ] = None,
    local: Local = False,
) -> None:
    """Make a caller's next key, with the same grants; the present key counts until --overlap is over, or it expires."""
    async with _keys(session, local=local) as keys:
        made = await keys.rotate_key(name, lifetime=_seconds(days, DAY), overlap=_seconds(overlap, HOUR))
    _show_made(session, made)


async def revoke(
    session: Session,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A key's id, or the name of a caller: all its keys.")],
    local: Local = False,
) -> None:
    """Revoke a key; every process follows within 2 s, and the streams that are open with it end within 5 s."""
    key_id, principal = (key, "") if ID(key) else ("", key)
    async with _keys(session, local=local) as keys:
        owners = {short(one.name) for one in (await keys.list_keys()).keys if _owns(one)}
        revoked = (await keys.revoke_key(key_id, principal=principal)).keys
    if owners and owners <= {short(one.name) for one in revoked}:
        session.note("no owner's key is left: `matcher access create NAME --grant owner --local` makes the next one")
    for one in revoked:
        if session.as_json:
            session.write_json(one)
        session.say(f"revoked {short(one.name)} of {one.principal}")


def _owns(key: pb.AccessKey) -> bool:
    """Return whether a live key may make other keys."""
    return _state(key).startswith("live") and any(
        grant.role == pb.ROLE_OWNER and not grant.sites for grant in key.grants
    )


async def _missing(client: MatcherClient, grants: Sequence[pb.Grant]) -> list[str]:
    """Return the sites of grants that do not exist."""
    named, missing = {site for grant in grants for site in grant.sites}, list[str]()
    for site in sorted(named):
        try:
            await client.usage(site.removeprefix("sites/"))
        except MatcherCallError as error:
            if error.reason == "SITE_NOT_FOUND":
                missing.append(site)
    return missing


@asynccontextmanager
async def _keys(session: Session, *, local: bool) -> AsyncIterator[MatcherClient | LocalKeys]:
    """Open the service, or with `local` the store itself."""
    if local:
        # Imported here, because the store's libraries would slow down every command.
        from matcher.cli.local_keys import LocalKeys

        async with store_of_service(session) as (connection, _):
            yield LocalKeys(connection)
    else:
        async with session.client() as client:
            yield client


def _show_made(session: Session, made: pb.CreateKeyResponse | pb.RotateKeyResponse) -> None:
    if session.as_json:
        session.write_json(made)
        return
    key = made.key
    until = f", until {time(key.expire_time)}" if key.HasField("expire_time") else ""
    session.note(
        f"key {short(key.name)} of {key.principal} for {_may(key)}{until}; its text is shown only here:", "dim"
    )
    session.say(made.text)


def _may(key: pb.AccessKey) -> str:
    from matcher.rpc.validation.keys import grant_of

    return " ".join(grant_text(grant_of(grant)) for grant in key.grants)


def _state(key: pb.AccessKey) -> str:
    if key.HasField("revoke_time"):
        return f"revoked {time(key.revoke_time)}"
    if not key.HasField("expire_time"):
        return "live"
    ended = key.expire_time.ToDatetime(UTC) <= datetime.now(UTC)
    return f"{'expired' if ended else 'live until'} {time(key.expire_time)}"


def _seconds(count: float | None, unit: float) -> float | None:
    return None if count is None else count * unit
