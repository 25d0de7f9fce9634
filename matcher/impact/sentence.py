"""The report in one sentence, and the warnings beside it."""

from __future__ import annotations

from collections.abc import Sequence

from matcher.impact.sequence import LEAST_OUTCOMES
from matcher.model.impact import OutcomeReport, WaitsByArm
from matcher.model.outcome_kinds import kind_of, number


def sentence(outcomes: Sequence[OutcomeReport]) -> str:
    """Return one line: each outcome's difference with its interval, then what is still open, and how far away."""
    parts = [_said(outcome) for outcome in outcomes if outcome.mark.low is not None]
    parts += [_open(outcome) for outcome in outcomes if outcome.mark.low is not None and not outcome.mark.settled]
    parts += [_few(outcome) for outcome in outcomes if outcome.mark.low is None]
    return "; ".join(parts) or "no outcomes yet"


def warnings(
    outcomes: Sequence[OutcomeReport], waits: WaitsByArm | None, draw: tuple[float, float] | None
) -> tuple[str, ...]:
    """Return what puts the figures in doubt: uneven missing outcomes, waits, and shares of the arms.

    draw: the share of control contacts and the share that was drawn, where they differ by more than chance.
    """
    said = []
    if draw is not None:
        said.append(
            f"{draw[0]:.1%} of the compared contacts are control, and {draw[1]:.1%} were drawn: which contacts are"
            " compared depends on their arm"
        )
    for outcome in outcomes:
        missing = outcome.missing
        if missing.differs_by_arm:
            said.append(
                f"{outcome.kind}: {missing.treatment:.0%} of treatment's contacts have no outcome, and"
                f" {missing.control:.0%} of control's; {_worst(outcome)}"
            )
        if missing.uneven_bands:
            shares = ", ".join(f"{share:.0%} of affinity {band}" for band, share in missing.bands)
            said.append(f"{outcome.kind}: without an outcome are {shares}; {_worst(outcome)}")
    if waits is not None and waits.difference.settled:
        said.append(
            f"the arms waited differently: treatment {waits.treatment.mean:.1f} s, control {waits.control.mean:.1f} s"
            " on average"
        )
    return tuple(said)


def _said(outcome: OutcomeReport) -> str:
    mark, form = outcome.mark, kind_of(outcome.kind)
    assert mark.difference is not None
    assert mark.low is not None
    assert mark.high is not None
    unit = f" {form.unit}" if form.unit else ""
    return (
        f"{outcome.kind} {number(outcome.kind, mark.difference)}{unit},"
        f" between {number(outcome.kind, mark.low)} and {number(outcome.kind, mark.high)}"
    )


def _open(outcome: OutcomeReport) -> str:
    if outcome.more_contacts is None:
        return f"{outcome.kind} is too close to zero to be settled by a hundred times as many contacts"
    return f"{outcome.more_contacts:,} more contacts would settle {outcome.kind}"


def _few(outcome: OutcomeReport) -> str:
    mark = outcome.mark
    return f"{outcome.kind} has {mark.treatment} and {mark.control} outcomes, and needs {LEAST_OUTCOMES} in each arm"


def _worst(outcome: OutcomeReport) -> str:
    if outcome.bounds is None:
        return "how far that could move the difference has no bounds"
    low, high = outcome.bounds
    return (
        f"whatever they would have said, the difference is between {number(outcome.kind, low)}"
        f" and {number(outcome.kind, high)}"
    )
