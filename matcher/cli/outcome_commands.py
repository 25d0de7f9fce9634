"""The commands of `matcher outcomes`; the import has a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.cli import tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.outcome_import import import_outcomes
from matcher.cli.session import Session, command
from matcher.files.file_values import observed_of, time_of
from matcher.v1 import feedback_pb2 as pb

Name = Annotated[str, typer.Argument(metavar="CONTACT", help="The contact.")]


class Recommendation(StrEnum):
    """What a customer was seen to do."""

    PROMOTED = "PROMOTED"
    WARNED = "WARNED"
    NEITHER = "NEITHER"


def commands() -> typer.Typer:
    """Return the commands of `matcher outcomes`."""
    app = typer.Typer(name="outcomes", help="Outcomes: what became of contacts afterwards.", no_args_is_help=True)
    command(app, "record")(record)
    command(app, "import")(import_outcomes)
    command(app, "show")(show)
    return app


async def record(
    session: Session,
    contact: Name,
    source: Annotated[str, typer.Option("--source", help='Who says it: "survey", "crm", "qa".')],
    observed: Annotated[
        str, typer.Option("--observed", help="When it was observed, such as 2026-11-30T12:00:00Z; default: now.")
    ] = "",
    resolved: Annotated[
        bool | None, typer.Option("--resolved/--unresolved", help="Whether the concern was resolved.")
    ] = None,
    csat: Annotated[int | None, typer.Option("--csat", help="The customer's satisfaction, 1 to 5.")] = None,
    nps: Annotated[int | None, typer.Option("--nps", help="Would the customer recommend? 0 to 10.")] = None,
    recommended: Annotated[
        Recommendation | None, typer.Option("--recommended", case_sensitive=False, help="What the customer did.")
    ] = None,
    seen: Annotated[str, typer.Option("--seen", help="When that was seen.")] = "",
    place: Annotated[str, typer.Option("--place", help="Where that was seen.")] = "",
    returned_within: Annotated[
        float | None, typer.Option("--returned-within", min=0, help="Seconds until the customer came back.")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", help="A number of your own, NAME=NUMBER.")] = None,
    praise: Annotated[str, typer.Option("--praise", help="The customer's words about the agent.")] = "",
    agreed: Annotated[
        bool, typer.Option("--agreed", help="The customer agreed that the agent and the manager read them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, and write nothing.")] = False,
) -> None:
    """Record what became of a contact. The same again changes nothing; another value is a correction."""
    if praise and not agreed:
        raise typer.BadParameter("is passed on only where the customer agreed: add --agreed", param_hint="--praise")
    outcome = pb.Outcome(
        source=source,
        observed_time=_time(observed, "--observed", observed_of),
        metrics=_metrics(metric or []),
        csat=csat,
        nps=nps,
    )
    if resolved is not None:
        outcome.resolved = resolved
    if recommended is not None:
        outcome.recommended.CopyFrom(
            pb.Recommended(
                recommendation=pb.Recommendation.Value(recommended.value), seen_time=_time(seen, "--seen"), place=place
            )
        )
    if returned_within is not None:
        outcome.returned_within.FromTimedelta(timedelta(seconds=returned_within))
    async with session.client() as client:
        answer = await client.record_outcome(contact, outcome, praise=praise, validate_only=dry_run)
    if session.as_json:
        session.write_json(answer)
        return
    told = [f"recorded {kind}" for kind in answer.recorded] + [f"{kind} unchanged" for kind in answer.unchanged]
    told += [f"praise of {tables.short(answer.praised_agent)}"] if answer.praised_agent else []
    session.say(f"{', '.join(told)}{' (dry run: nothing written)' if dry_run else ''}")


async def show(session: Session, contact: Name) -> None:
    """Show the outcomes of a contact: those that count, and those that were corrected or outranked."""
    async with session.client() as client:
        found = await client.outcomes(contact)
    if session.as_json:
        session.write_json(found)
        return
    table = Listing(
        Column("outcome"),
        Column("value"),
        Column("source"),
        Column("counts"),
        Column("observed", MIDDLE),
        Column("recorded", MIDDLE),
        Column("seen at", MIDDLE, text=True),
    )
    for outcome in found.recorded:
        table.add(
            outcome.kind,
            f"{outcome.value:g}",
            outcome.source,
            "yes" if outcome in found.standing else "",
            tables.time(outcome.observed_time),
            tables.time(outcome.record_time),
            outcome.place,
        )
    session.show(table)
    recorded = tables.counted(len(found.recorded), "outcome")
    session.say(f"{recorded} recorded of {tables.short(found.contact)}; {len(found.standing)} of them count")


def _time(given: str, option: str, read: Callable[[str], Timestamp | None] = time_of) -> Timestamp | None:
    if not given:
        return None
    stamp = read(given)
    if stamp is None:
        raise typer.BadParameter(f"{given!r} is no time such as 2026-11-30 or 2026-11-30T12:00:00Z", param_hint=option)
    return stamp


def _metrics(given: list[str]) -> dict[str, float]:
    metrics = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            metrics[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"{one!r} is not NAME=NUMBER", param_hint="--metric") from None
    return metrics
