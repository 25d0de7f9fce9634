"""Conversion of an impact report to its message."""

from __future__ import annotations

from matcher.model.impact import Adjustment, ImpactReport, Mark, Missing, OutcomeReport, Overrides, PoolReport, Waits
from matcher.model.impact import Plan as PlanFigures
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import timestamp
from matcher.v1 import impact_pb2 as pb


def impact_report(site: str, report: ImpactReport, *, with_days: bool) -> pb.ImpactReport:
    """Convert a report; with_days: with each outcome's path."""
    return pb.ImpactReport(
        start_time=timestamp(report.from_ms),
        end_time=timestamp(report.to_ms),
        pools=(_pool(site, pool, with_days=with_days) for pool in report.pools),
        gaps=(
            pb.LedgerGap(start_time=timestamp(gap.from_ms), end_time=timestamp(gap.to_ms), records=gap.lost)
            for gap in report.gaps
        ),
    )


def _pool(site: str, pool: PoolReport, *, with_days: bool) -> pb.PoolImpact:
    return pb.PoolImpact(
        pool=name(Kind.POOL, site, pool.pool),
        contacts=pool.contacts,
        compared_contacts=pool.compared,
        outside=pool.outside,
        compared_contacts_per_day=pool.contacts_a_day,
        control_share=pool.control_share,
        outcomes=(_outcome(outcome, with_days=with_days) for outcome in pool.outcomes),
        waits=pb.WaitImpact(
            treatment=_waits(pool.waits.treatment),
            control=_waits(pool.waits.control),
            difference=_difference(pool.waits.difference),
        )
        if pool.waits
        else None,
        overrides=_overrides(pool.overrides) if pool.overrides else None,
        sentence=pool.sentence,
        warnings=pool.warnings,
    )


def _outcome(outcome: OutcomeReport, *, with_days: bool) -> pb.OutcomeImpact:
    low, high = outcome.bounds or (None, None)
    return pb.OutcomeImpact(
        kind=outcome.kind,
        difference=_difference(outcome.mark),
        adjusted=_adjusted(outcome.adjustment) if outcome.adjustment else None,
        worst_low=low,
        worst_high=high,
        missing=_missing(outcome.missing),
        bands=_each(outcome.bands),
        weeks=_each(outcome.weeks),
        days=_each(outcome.days) if with_days else (),
        more_contacts=outcome.more_contacts,
        plan=_plan(outcome.plan) if outcome.plan else None,
    )


def _difference(mark: Mark) -> pb.Difference:
    return pb.Difference(
        treatment_outcomes=mark.treatment,
        control_outcomes=mark.control,
        treatment_mean=mark.treatment_mean,
        control_mean=mark.control_mean,
        difference=mark.difference,
        low=mark.low,
        high=mark.high,
    )


def _each(cells: tuple[tuple[str, Mark], ...]) -> list[pb.DifferenceOf]:
    return [pb.DifferenceOf(name=cell, difference=_difference(mark)) for cell, mark in cells]


def _adjusted(adjustment: Adjustment) -> pb.AdjustedDifference:
    return pb.AdjustedDifference(
        difference=_difference(adjustment.mark),
        known_contacts=adjustment.known,
        explained_variance=adjustment.explained,
    )


def _missing(missing: Missing) -> pb.MissingOutcomes:
    return pb.MissingOutcomes(
        treatment_share=missing.treatment,
        control_share=missing.control,
        differs_by_arm=missing.differs_by_arm,
        bands=(
            pb.MissingOfBand(band=band, share=share, differs=band in missing.uneven_bands)
            for band, share in missing.bands
        ),
    )


def _waits(waits: Waits) -> pb.Waits:
    return pb.Waits(contacts=waits.contacts, mean=waits.mean, median=waits.median, ninth_decile=waits.ninth_decile)


def _overrides(overrides: Overrides) -> pb.OverrideImpact:
    return pb.OverrideImpact(
        contacts=overrides.contacts,
        same_agent=overrides.same,
        other_agent=overrides.other,
        outcomes=(
            pb.OverrideOutcome(kind=one.kind, same_agent=one.same_agent, contacts=one.contacts, mean=one.mean)
            for one in overrides.outcomes
        ),
    )


def _plan(plan: PlanFigures) -> pb.ImpactPlan:
    return pb.ImpactPlan(difference=plan.effect, contacts=plan.contacts, days=plan.days)
