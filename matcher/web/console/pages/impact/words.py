"""Words of the impact page: what a report says, for a person who is not a statistician."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from matcher.model.outcome_kinds import kind_of, number
from matcher.v1 import impact_pb2 as pb
from matcher.web.console.pages.impact.chart import BandChart, PathChart, bands_of, path_of
from matcher.web.console.pages.impact.verdicts import (
    FORMS,
    LEAST_OUTCOMES,
    VERDICTS,
    Verdict,
    answer,
    title_of,
    verdict_of,
)
from matcher.web.console.render import count

OUTSIDE: Final[Mapping[str, str]] = {
    "PREFERRED": "the request asked for certain agents",
    "RELATIONSHIP": "an agent knew the customer",
    "TRANSFER": "a transfer named the agent",
    "ASSIGNED": "a supervisor assigned the contact",
    "DEGRADED": "the model was away, so the message was compared with nothing",
    "FALLBACK": "the message said too little to go by, so both ways choose the same agent",
    "AFFINITY": "the choice was by affinity, and this comparison is of agents who know the customer",
    "NO_COMPARISON": "nothing was compared in the pool when the contact came",
    "NEVER_OFFERED": "the contact was never offered to an agent",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A difference within a band or a week: its name, and its cells."""

    name: str
    treatment: str
    control: str
    difference: str
    between: str


@dataclass(frozen=True, slots=True)
class Planned:
    """What a wanted difference needs; typed: the difference as people type it; unit: of it."""

    kind: str
    title: str
    typed: str
    unit: str
    needs: str


@dataclass(frozen=True, slots=True)
class OutcomeWords:
    """An outcome as the page tells it."""

    kind: str
    title: str
    verdict: Verdict
    verdict_words: str
    means: str
    interval: str
    open_words: str
    doubts: tuple[str, ...]
    adjusted: str
    path: PathChart | None
    bands_chart: BandChart | None
    bands: tuple[Row, ...]
    weeks: tuple[Row, ...]
    planned: Planned | None


@dataclass(frozen=True, slots=True)
class PoolWords:
    """A pool's comparison as the page tells it.

    answer: of "does it pay?", in a word or two; tone: of that answer. next_step: what a person can do where nothing is
    compared or recorded; "" else.
    """

    pool: str
    answer: str
    tone: Verdict
    because: str
    next_step: str
    sentence: str
    counts: str
    outside: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]
    outcomes: tuple[OutcomeWords, ...]
    waits: pb.WaitImpact | None
    waits_words: str
    overrides: str


def pool_words(pool: pb.PoolImpact) -> PoolWords:
    """Return a pool's report in words."""
    outcomes = tuple(_outcome(one, pool) for one in pool.outcomes)
    said, tone, because = answer([(one.title, one.verdict) for one in outcomes])
    return PoolWords(
        pool=pool.pool.rpartition("/")[2],
        answer=said,
        tone=tone,
        because=because,
        next_step=_next_step(pool),
        sentence=pool.sentence,
        counts=_counts(pool),
        outside=tuple(
            (contacts, OUTSIDE.get(reason, reason.replace("_", " ").lower()))
            for reason, contacts in sorted(pool.outside.items(), key=lambda one: (-one[1], one[0]))
        ),
        warnings=tuple(pool.warnings),
        outcomes=outcomes,
        waits=pool.waits if pool.HasField("waits") else None,
        waits_words=_waits(pool.waits) if pool.HasField("waits") else "",
        overrides=_overrides(pool.overrides) if pool.HasField("overrides") else "",
    )


def _next_step(pool: pb.PoolImpact) -> str:
    if not pool.compared_contacts:
        return (
            "Nothing was compared in this time. Give the pool a control share, such as 0.1: a tenth of the new contacts"
            " is then routed by load, and what becomes of both is compared."
        )
    if not pool.outcomes:
        return (
            "Nobody has said what became of the contacts. Agents say so at the end of a conversation (resolved, rating)"
            "; a survey or a CRM says so by RecordOutcome or `matcher outcomes import`."
        )
    return ""


def _counts(pool: pb.PoolImpact) -> str:
    if not pool.compared_contacts:
        return f"{count(pool.contacts, 'contact')} came in this time; none is compared."
    return (
        f"{count(pool.contacts, 'contact')} came in this time. {pool.compared_contacts:,} of them are compared,"
        f" {pool.compared_contacts_per_day:,.0f} a day: {pool.control_share:.0%} were routed by load alone (control),"
        " the others by affinity (treatment). Who belongs to which was drawn by lot."
    )


def _outcome(outcome: pb.OutcomeImpact, pool: pb.PoolImpact) -> OutcomeWords:
    kind, found = outcome.kind, outcome.difference
    verdict = verdict_of(kind, found)
    form = kind_of(kind)
    return OutcomeWords(
        kind=kind,
        title=title_of(kind),
        verdict=verdict,
        verdict_words=VERDICTS[verdict],
        means=_means(kind, found),
        interval=_interval(kind, found),
        open_words=_open(outcome, pool.compared_contacts_per_day) if verdict is Verdict.OPEN else "",
        doubts=tuple(_doubts(outcome)),
        adjusted=_adjusted(outcome),
        path=path_of(outcome.days, form.factor),
        bands_chart=bands_of(outcome.bands, form.factor),
        bands=tuple(_row(kind, cell) for cell in outcome.bands),
        weeks=tuple(_row(kind, cell) for cell in outcome.weeks),
        planned=_planned(kind, outcome.plan) if outcome.HasField("plan") else None,
    )


def _means(kind: str, found: pb.Difference) -> str:
    if not (found.HasField("treatment_mean") and found.HasField("control_mean")):
        return f"{found.treatment_outcomes:,} outcomes with affinity, {found.control_outcomes:,} without."
    t = number(kind, found.treatment_mean, signed=False)
    c = number(kind, found.control_mean, signed=False)
    form = FORMS.get(kind)
    said = (
        form.means if form else "On average {t} with affinity, {c} without. Whether more is better is for you to say."
    )
    return f"{said.format(t=t, c=c)} ({found.treatment_outcomes:,} and {found.control_outcomes:,} outcomes.)"


def _interval(kind: str, found: pb.Difference) -> str:
    if not found.HasField("low"):
        return (
            f"{found.treatment_outcomes:,} outcomes with affinity and {found.control_outcomes:,} without: each needs"
            f" {LEAST_OUTCOMES}."
        )
    return (
        f"The difference is {with_unit(kind, found.difference)}. The true one lies between {number(kind, found.low)}"
        f" and {number(kind, found.high)}, with 95 % certainty, however often you look."
    )


def _open(outcome: pb.OutcomeImpact, a_day: float) -> str:
    """Return what is open where zero lies within the interval."""
    if not outcome.HasField("more_contacts"):
        return "No difference at all is possible too, and a hundred times as many contacts would not settle it."
    days = f" (about {_days(outcome.more_contacts / a_day)})" if a_day else ""
    return (
        "No difference at all is possible too. If the difference stays what it is today,"
        f" {outcome.more_contacts:,} more contacts{days} would settle it."
    )


def _doubts(outcome: pb.OutcomeImpact) -> Iterable[str]:
    missing = outcome.missing
    if missing.treatment_share or missing.control_share:
        yield (
            f"No outcome is known of {missing.treatment_share:.0%} of the contacts with affinity and of"
            f" {missing.control_share:.0%} without"
            + (": more in one arm than chance explains." if missing.differs_by_arm else ".")
        )
    if outcome.HasField("worst_low") and (missing.treatment_share or missing.control_share):
        kind = outcome.kind
        yield (
            f"Whatever those would have said, the difference lies between {number(kind, outcome.worst_low)} and"
            f" {number(kind, outcome.worst_high)}."
        )


def _adjusted(outcome: pb.OutcomeImpact) -> str:
    if not outcome.HasField("adjusted"):
        return ""
    kind, found = outcome.kind, outcome.adjusted.difference
    if not found.HasField("low"):
        return ""
    return (
        f"With what is known of the same customers from before taken out: {with_unit(kind, found.difference)}, between"
        f" {number(kind, found.low)} and {number(kind, found.high)}."
    )


def _row(kind: str, cell: pb.DifferenceOf) -> Row:
    found = cell.difference
    return Row(
        name=cell.name,
        treatment=_mean(kind, found.treatment_mean, found.treatment_outcomes),
        control=_mean(kind, found.control_mean, found.control_outcomes),
        difference=with_unit(kind, found.difference) if found.HasField("difference") else "",
        between=f"{number(kind, found.low)} to {number(kind, found.high)}" if found.HasField("low") else "too few",
    )


def _mean(kind: str, mean: float, outcomes: int) -> str:
    return f"{number(kind, mean, signed=False)} ({outcomes:,})" if outcomes else "none"


def with_unit(kind: str, difference: float) -> str:
    """Return a difference with its unit."""
    return f"{number(kind, difference)} {kind_of(kind).unit}".rstrip()


def _planned(kind: str, plan: pb.ImpactPlan) -> Planned:
    if not plan.HasField("contacts"):
        needs = "cannot be shown with this control share and these outcomes"
    elif not plan.HasField("days"):
        needs = f"{plan.contacts:,} contacts"
    else:
        needs = f"{plan.contacts:,} contacts, about {_days(plan.days)}"
    return Planned(kind, title_of(kind), f"{plan.difference * kind_of(kind).factor:g}", kind_of(kind).unit, needs)


def _days(days: float) -> str:
    whole = max(1, math.ceil(days))
    if whole < 60:
        return f"{whole} {'day' if whole == 1 else 'days'}"
    return f"{round(whole / 30.4)} months" if whole < 730 else f"{round(whole / 365.25)} years"


def _waits(waits: pb.WaitImpact) -> str:
    found = waits.difference
    if found.HasField("low") and not found.low <= 0 <= found.high:
        return "The arms waited differently, and waiting could explain any other difference."
    return "The arms waited alike, so waiting explains no difference."


def _overrides(overrides: pb.OverrideImpact) -> str:
    return (
        f"Assigned by hand: {count(overrides.contacts, 'contact')}. The router would have given"
        f" {overrides.same_agent:,} to the same agent and {overrides.other_agent:,} to another. They are in no figure"
        " above."
    )
