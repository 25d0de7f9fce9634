"""The command `matcher coverage`: what customers bring up, what of it nobody shares, and what rises."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from matcher.cli import tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.files.csv_cells import text_cell
from matcher.model import DEFAULT_POOL
from matcher.v1 import coverage_pb2 as pb

MOST_SHOWN: Final = 40
MOST_DRAWN: Final = 30
KINDS: Final = {pb.COVERAGE_KIND_INTEREST: "interest", pb.COVERAGE_KIND_THEME: "theme"}


class Format(StrEnum):
    """A form in which the counts are exported."""

    CSV = "csv"


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "coverage")(coverage)


async def coverage(
    session: Session,
    pool: Annotated[str, typer.Option("--pool", help="The pool.")] = DEFAULT_POOL,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="Days back, today among them.")] = 28,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw what is brought up most into this PNG.")
    ] = None,
    export: Annotated[
        Format | None,
        typer.Option("--export", help="Print the counts for product people as CSV; nothing names an agent."),
    ] = None,
) -> None:
    """Show what customers bring up, what of it nobody shares or was free for, what rises, and what nobody asks for.

    Only pools with `--listening on` are listened to. Numbers are rounded to 5, and what fewer than ten customers bring
    up on every day is not shown.
    """
    async with session.client() as client:
        report = await client.coverage(pool, days=days)
    if plot:
        _draw(session, report, plot)
    if export:
        session.out.print(_csv(report), end="", markup=False, highlight=False, soft_wrap=True)
        return
    if session.as_json:
        session.write_json(report)
        return
    _say(session, report)


def _say(session: Session, report: pb.GetCoverageResponse) -> None:
    period = f"{report.first_day} to {report.last_day}"
    name = tables.short(report.pool)
    if not report.listening:
        session.say(f"{name} does not listen: `matcher pools update {name} --listening on` begins it")
    days = f"{report.days_heard} {'day' if report.days_heard == 1 else 'days'}"
    session.say(f"{name}, {period}: about {report.contacts:,} contacts on {days}")
    if not report.entries:
        session.say("nothing was brought up by ten customers on one day")
    else:
        session.show(_listing(report))
        if len(report.entries) > MOST_SHOWN:
            session.say(f"… and {len(report.entries) - MOST_SHOWN} more: --export csv prints all")
        interests = [entry for entry in report.entries if entry.kind == pb.COVERAGE_KIND_INTEREST]
        _name(session, "rises", [entry.display_name for entry in report.entries if entry.rising])
        _name(session, "nobody shares", [entry.display_name for entry in interests if not entry.sharing_agents])
        short = [
            f"{one.display_name} ({one.nobody_free})" for one in interests if one.nobody_free and one.sharing_agents
        ]
        _name(session, "shared, but nobody was free (contacts)", short)
    of_agents = defaultdict[str, list[str]](list)
    for one in report.unasked:
        of_agents[tables.short(one.agent)].append(one.display_name)
    if of_agents:
        session.say("")
        listing = Listing(Column("agent"), Column("interests that too few asked for to be shown", text=True))
        for agent, names in of_agents.items():
            listing.add(agent, ", ".join(names))
        session.show(listing)


def _listing(report: pb.GetCoverageResponse) -> Listing:
    listing = Listing(
        Column("brought up", text=True),
        Column("kind"),
        Column("contacts"),
        Column("this week"),
        Column("a week before"),
        Column("agents", MIDDLE),
        Column("nobody free", MIDDLE),
    )
    for entry in report.entries[:MOST_SHOWN]:
        interest = entry.kind == pb.COVERAGE_KIND_INTEREST
        listing.add(
            entry.display_name,
            KINDS.get(entry.kind, ""),
            f"{entry.contacts:,}",
            (f"{entry.this_week:,}" if entry.HasField("this_week") else "few") + (" rises" if entry.rising else ""),
            f"{entry.week_before:,}" if entry.HasField("week_before") else "few",
            entry.sharing_agents if interest else "",
            entry.nobody_free if interest else "",
        )
    return listing


def _name(session: Session, what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        session.say(f"{what}: {', '.join(names[:MOST_SHOWN])}{more}")


def _csv(report: pb.GetCoverageResponse) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        (
            *("first_day", "last_day", "kind", "entry", "name", "contacts", "most_customers", "sharing_agents"),
            *("nobody_free", "this_week", "week_before", "rising"),
        )
    )
    for entry in report.entries:
        interest = entry.kind == pb.COVERAGE_KIND_INTEREST
        rows.writerow(
            (
                report.first_day,
                report.last_day,
                KINDS.get(entry.kind, ""),
                entry.entry,
                text_cell(entry.display_name),
                entry.contacts,
                entry.most_customers,
                entry.sharing_agents if interest else "",
                entry.nobody_free if interest else "",
                entry.this_week if entry.HasField("this_week") else "",
                entry.week_before if entry.HasField("week_before") else "",
                int(entry.rising),
            )
        )
    return text.getvalue()


def _draw(session: Session, report: pb.GetCoverageResponse, path: Path) -> None:
    """Draw the entries that are brought up most. Raises CommandError where that cannot be."""
    from matcher.evaluation.coverage_plot import Bar, draw_coverage
    from matcher.evaluation.extras import ExtraMissing

    bars = [
        Bar(entry.display_name, entry.contacts, _group(entry), rising=entry.rising)
        for entry in report.entries[:MOST_DRAWN]
    ]
    if not bars:
        raise CommandError("there is nothing to draw: nothing was brought up by ten customers on one day")
    title = f"{tables.short(report.pool)}, {report.first_day} to {report.last_day}: {report.contacts:,} contacts"
    try:
        drawn = draw_coverage(bars, title, path)
    except ExtraMissing as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    session.note(f"drew {drawn}", style="dim")


def _group(entry: pb.CoverageEntry) -> str:
    if entry.kind != pb.COVERAGE_KIND_INTEREST:
        return "theme"
    return "interest that agents share" if entry.sharing_agents else "interest that nobody shares"
