"""The commands `matcher impact`: what routing by affinity changes, and what it takes to show it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matcher.cli import tables
from matcher.cli.columns import MIDDLE, Column, Listing
from matcher.cli.session import CommandError, Session, command
from matcher.model.outcome_kinds import KINDS, kind_of, number
from matcher.v1 import impact_pb2 as pb
from matcher.v1 import routing_pb2

Pool = Annotated[str, typer.Option("--pool", help="The pool; default: every pool.")]
Since = Annotated[str, typer.Option("--since", metavar="DAY", help="The first day (UTC); default: 90 days before.")]
Until = Annotated[str, typer.Option("--until", metavar="DAY", help="The day after the last (UTC); default: now.")]


class Cells(StrEnum):
    """By what the differences are shown apart."""

    BAND = "band"
    WEEK = "week"


class Of(StrEnum):
    """What is compared with its absence."""

    AFFINITY = "affinity"
    RELATIONSHIP = "relationship"


def commands() -> typer.Typer:
    """Return the commands of `matcher impact`."""
    app = typer.Typer(name="impact")
    command(app, "impact", group=True)(impact)
    command(app, "plan")(plan)
    return app


async def impact(
    session: Session,
    pool: Pool = "",
    since: Since = "",
    until: Until = "",
    by: Annotated[Cells | None, typer.Option("--by", help="Also by affinity band, or by week.")] = None,
    of: Annotated[
        Of, typer.Option("--of", help="What is compared with its absence: affinity, or agents who know the customer.")
    ] = Of.AFFINITY,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="DIR", help="Draw a PNG of each pool into this folder.")
    ] = None,
) -> None:
    """Show what routing by affinity changes: each outcome's difference between the arms of the comparison.

    The intervals hold at every look, however often one looks: docs/impact.md.
    """
    start, end = _day("--since", since), _day("--until", until)
    async with session.client() as client:
        report = await client.impact_report(
            pool,
            start=start,
            end=end,
            with_days=plot is not None or session.as_json,
            of_basis=routing_pb2.Basis.Value(of.value.upper()),
        )
    if plot is not None:
        _draw(session, report.pools, plot)
    if session.as_json:
        session.write_json(report)
        return
    for gap in report.gaps:
        session.note(
            f"the ledger lost {gap.records:,} records from {tables.time(gap.start_time)} to {tables.time(gap.end_time)}"
        )
    if not report.pools:
        session.say("no contacts in that time")
    for shown in report.pools:
        _show(session, shown, by)


async def plan(
    session: Session,
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND=DIFFERENCE]…", help="What is to be shown, as it is read: resolved=2 (points), csat=0.1."
        ),
    ] = None,
    pool: Pool = "",
) -> None:
    """Show how many contacts and days it takes until a difference is shown, at a pool's rates of the last 90 days."""
    differences = dict(_wanted(one) for one in wanted or ())
    async with session.client() as client:
        report = await client.impact_report(pool, wanted=differences)
    if session.as_json:
        session.write_json(report)
        return
    table = Listing(
        Column("pool"),
        Column("outcome"),
        Column("difference"),
        Column("contacts"),
        Column("days"),
        Column("a day now"),
    )
    for shown in report.pools:
        for outcome in shown.outcomes:
            if outcome.HasField("plan") and (not differences or outcome.kind in differences):
                table.add(
                    tables.short(shown.pool),
                    outcome.kind,
                    _with_unit(outcome.kind, outcome.plan.difference),
                    f"{outcome.plan.contacts:,}" if outcome.plan.HasField("contacts") else "cannot be shown",
                    f"{outcome.plan.days:,}" if outcome.plan.HasField("days") else "",
                    f"{shown.compared_contacts_per_day:,.0f}",
                )
    if table.row_count:
        session.show(table)
    elif not differences:
        session.say("no outcomes yet: the rates of a comparison that has run for some days are needed")
    found = {outcome.kind for shown in report.pools for outcome in shown.outcomes if outcome.HasField("plan")}
    for kind in differences:
        if kind not in found:
            session.say(f"no plan of {kind}: no compared contact of the last 90 days has that outcome yet")


def _wanted(text: str) -> tuple[str, float]:
    """Return a kind and a difference in the unit of the API. Raises CommandError."""
    kind, _, typed = text.partition("=")
    if kind not in KINDS and not kind.startswith("metrics."):
        raise CommandError(f"{kind} is no outcome: {', '.join(KINDS)}, or metrics.NAME")
    try:
        difference = float(typed)
    except ValueError:
        difference = 0.0
    if not difference or not math.isfinite(difference):
        unit = kind_of(kind).unit
        raise CommandError(
            f"{text} is not of the form KIND=DIFFERENCE, such as resolved=2: a number other than 0"
            f"{f', in {unit} of 100' if unit else ''}, without a unit"
        )
    return kind, difference / kind_of(kind).factor


def _day(option: str, typed: str) -> datetime | None:
    """Return the beginning of a day that was typed. Raises CommandError."""
    if not typed:
        return None
    try:
        return datetime.strptime(typed, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"{option} {typed} is not a day such as 2026-11-30") from None


def _show(session: Session, pool: pb.PoolImpact, by: Cells | None) -> None:
    session.say(
        f"{tables.short(pool.pool)}: {tables.counted(pool.contacts, 'contact')}, {pool.compared_contacts:,} compared,"
        f" {pool.control_share:.0%} of them control, {pool.compared_contacts_per_day:,.0f} a day"
    )
    session.say(f"  {pool.sentence}")
    if pool.outside:
        session.say(f"  outside: {', '.join(f'{count:,} {reason}' for reason, count in sorted(pool.outside.items()))}")
    for warning in pool.warnings:
        session.note(f"  warning: {warning}")
    if pool.outcomes:
        session.show(_outcomes(pool.outcomes))
    if pool.HasField("waits"):
        one, other = pool.waits.treatment, pool.waits.control
        session.say(
            f"waited: treatment {one.mean:.1f} s on average (nine of ten at most {one.ninth_decile:.1f} s),"
            f" control {other.mean:.1f} s ({other.ninth_decile:.1f} s)"
        )
    if pool.HasField("overrides"):
        _show_overrides(session, pool.overrides)
    if by is not None and pool.outcomes:
        session.show(_cells(pool.outcomes, by))
    session.say("")


def _outcomes(outcomes: Iterable[pb.OutcomeImpact]) -> Listing:
    table = Listing(
        Column("outcome"),
        Column("treatment"),
        Column("control"),
        Column("difference"),
        Column("between"),
        Column("adjusted", MIDDLE),
        Column("no outcome", MIDDLE),
        Column("at worst", MIDDLE),
    )
    for outcome in outcomes:
        kind, found = outcome.kind, outcome.difference
        table.add(
            kind,
            _mean(kind, found.treatment_mean, found.treatment_outcomes),
            _mean(kind, found.control_mean, found.control_outcomes),
            _with_unit(kind, found.difference) if found.HasField("difference") else "",
            _between(kind, found),
            _between(kind, outcome.adjusted.difference) if outcome.HasField("adjusted") else "",
            f"{outcome.missing.treatment_share:.0%}, {outcome.missing.control_share:.0%}",
            f"{number(kind, outcome.worst_low)} to {number(kind, outcome.worst_high)}"
            if outcome.HasField("worst_low")
            else "",
        )
    return table


def _cells(outcomes: Iterable[pb.OutcomeImpact], by: Cells) -> Listing:
    table = Listing(
        Column("outcome"),
        Column("affinity" if by is Cells.BAND else "week from"),
        Column("treatment"),
        Column("control"),
        Column("difference"),
        Column("between"),
    )
    for outcome in outcomes:
        for cell in outcome.bands if by is Cells.BAND else outcome.weeks:
            kind, found = outcome.kind, cell.difference
            table.add(
                kind,
                cell.name,
                _mean(kind, found.treatment_mean, found.treatment_outcomes),
                _mean(kind, found.control_mean, found.control_outcomes),
                _with_unit(kind, found.difference) if found.HasField("difference") else "",
                _between(kind, found),
            )
    return table


def _show_overrides(session: Session, overrides: pb.OverrideImpact) -> None:
    session.say(
        f"assigned by hand: {overrides.contacts:,}; the router would have given {overrides.same_agent:,} to the same"
        f" agent, {overrides.other_agent:,} to another"
    )
    for one in overrides.outcomes:
        agent = "the same agent" if one.same_agent else "another agent"
        session.say(f"  {one.kind}, would have been {agent}: {_mean(one.kind, one.mean, one.contacts)}")


def _mean(kind: str, mean: float, outcomes: int) -> str:
    return f"{number(kind, mean, signed=False)} ({outcomes:,})" if outcomes else "none"


def _with_unit(kind: str, difference: float) -> str:
    return f"{number(kind, difference)} {kind_of(kind).unit}".rstrip()


def _between(kind: str, found: pb.Difference) -> str:
    if not found.HasField("low"):
        return "needs 100 in each arm"
    return f"{number(kind, found.low)} to {number(kind, found.high)}"


def _draw(session: Session, pools: Sequence[pb.PoolImpact], folder: Path) -> None:
    """Draw every pool with an outcome."""
    from matcher.evaluation.extras import ExtraMissing
    from matcher.evaluation.impact_plots import OutcomeLine, Whisker, draw_impact

    def whisker(kind: str, cell: pb.DifferenceOf) -> Whisker:
        found, factor = cell.difference, kind_of(kind).factor
        low, high = (found.low * factor, found.high * factor) if found.HasField("low") else (None, None)
        return Whisker(cell.name, found.difference * factor, low, high)

    for pool in pools:
        lines = [
            OutcomeLine(
                outcome.kind,
                kind_of(outcome.kind).unit,
                [whisker(outcome.kind, day) for day in outcome.days if day.difference.HasField("difference")],
                [whisker(outcome.kind, band) for band in outcome.bands],
            )
            for outcome in pool.outcomes
        ]
        if not lines:
            session.note(f"nothing to draw of {tables.short(pool.pool)}: no outcomes yet", style="dim")
            continue
        name = tables.short(pool.pool)
        try:
            drawn = draw_impact(name, pool.sentence, lines, folder / f"impact-{name}.png")
        except ExtraMissing as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}") from None
        session.note(f"drew {drawn}", style="dim")
