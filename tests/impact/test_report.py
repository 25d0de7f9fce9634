"""Report of a comparison: what a person reads of contacts whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matcher.impact.plan import Rates, plan
from matcher.impact.report import report
from matcher.impact.rows import BANDS, DAY_MS, ImpactRow
from matcher.impact.sequence import path
from matcher.model.impact import OutcomeReport, PoolReport

MONDAY_MS = 1_793_577_600_000
"""2026-11-02, 0:00 UTC."""


def contacts(
    count: int,
    *,
    effect: float = 0.0,
    answers: tuple[float, float] = (1.0, 1.0),
    wait_seconds: tuple[float, float] = (20.0, 20.0),
    affinities: tuple[float, float] = (0.3, 0.95),
    days: int = 28,
) -> list[ImpactRow]:
    """Return contacts of a pool, seven of ten of treatment; answers: the share with an outcome in either arm."""
    random = np.random.default_rng(count)
    rows = []
    for number in range(count):
        treated = bool(random.random() < 0.7)
        outcomes = {}
        if random.random() < answers[not treated]:
            outcomes["resolved"] = float(random.random() < 0.7 + effect * treated)
            outcomes["nps"] = float(random.choice([3, 8, 10]))
        rows.append(
            ImpactRow(
                pool="default",
                at_ms=MONDAY_MS + number * days * DAY_MS // count,
                treated=treated,
                probability=0.7 if treated else 0.3,
                affinity=float(random.uniform(*affinities)),
                waited_ms=int(random.exponential(1000 * wait_seconds[not treated])),
                outcomes=outcomes,
            )
        )
    return rows


def only(rows: list[ImpactRow], **wanted: float) -> PoolReport:
    """Return the report of the only pool."""
    (pool,) = report(rows, wanted)
    return pool


def outcome(pool: PoolReport, kind: str) -> OutcomeReport:
    """Return a pool's outcome of a kind."""
    return next(outcome for outcome in pool.outcomes if outcome.kind == kind)


def test_the_sentence_says_what_is_shown_and_what_would_settle_the_rest() -> None:
    """Ten planted points are named with their interval, and the open outcome with the contacts it needs."""
    pool = only(contacts(6000, effect=0.1))
    first, second, third = pool.sentence.split("; ")
    assert first.startswith("resolved +")
    assert " points, between +" in first
    assert second.startswith("nps ")
    assert third.endswith(("more contacts would settle nps", "a hundred times as many contacts"))
    assert pool.warnings == ()


def test_an_outcome_with_too_few_answers_says_how_many_it_needs() -> None:
    """Of 60 contacts no interval is shown, and the sentence says why."""
    pool = only(contacts(60))
    mark = outcome(pool, "resolved").mark
    assert (mark.low, mark.high) == (None, None)
    assert mark.difference is not None
    assert f"resolved has {mark.treatment} and {mark.control} outcomes, and needs 100 in each arm" in pool.sentence


def test_nps_is_promoters_less_detractors() -> None:
    """9 and 10 count 1, 0 to 6 count -1, 7 and 8 count 0."""
    rows = [
        ImpactRow("default", MONDAY_MS + value, treated=True, outcomes={"nps": float(value)}) for value in range(11)
    ]
    assert outcome(only(rows), "nps").mark.treatment_mean == pytest.approx((2 - 7) / 11)


def test_who_is_not_said_to_have_returned_did_not_return() -> None:
    """returned_within of one contact makes `returned` an outcome of all, and nobody of it is missing."""
    rows = contacts(400)
    rows[7] = ImpactRow("default", MONDAY_MS, treated=True, outcomes={"returned_within": 3600.0})
    found = outcome(only(rows), "returned")
    assert found.mark.treatment + found.mark.control == 400
    assert found.missing.treatment == found.missing.control == 0


def test_contacts_outside_the_comparison_and_without_a_topic_are_counted_by_reason() -> None:
    """The main estimate holds only contacts that would have been AFFINITY in either arm."""
    rows = contacts(300)
    rows += [ImpactRow("default", MONDAY_MS, outside="PREFERRED")] * 5
    rows += [ImpactRow("default", MONDAY_MS, outside="FALLBACK", outcomes={"resolved": 0.0})] * 9
    pool = only(rows)
    assert (pool.contacts, pool.compared) == (314, 300)
    assert pool.outside == {"FALLBACK": 9, "PREFERRED": 5}


def test_answers_that_are_missing_more_often_in_one_arm_raise_a_warning_with_the_worst_case() -> None:
    """60 % of treatment and 80 % of control answer: the warning says so, and how far that could move the difference."""
    pool = only(contacts(5000, effect=0.1, answers=(0.6, 0.8)))
    assert any("of treatment's contacts have no outcome" in warning for warning in pool.warnings)
    found = outcome(pool, "resolved")
    assert found.missing.differs_by_arm
    assert found.bounds is not None
    low, high = found.bounds
    assert low == pytest.approx(0.6 * 0.8 - (0.8 * 0.7 + 0.2), abs=0.03)
    assert high == pytest.approx(0.6 * 0.8 + 0.4 - 0.8 * 0.7, abs=0.03)


def test_answers_that_are_missing_in_one_band_raise_a_warning() -> None:
    """Contacts of the closest matches answer half as often."""
    rows = contacts(3000, affinities=(0.5, 0.79)) + contacts(3001, affinities=(0.8, 0.95), answers=(0.5, 0.5))
    found = outcome(only(rows), "resolved").missing
    assert not found.differs_by_arm
    assert BANDS[3] in found.uneven_bands


def test_arms_that_wait_alike_raise_no_warning_and_arms_that_do_not_raise_one() -> None:
    """A control arm that waits twice as long could explain any difference."""
    assert only(contacts(3000)).warnings == ()
    (warning,) = only(contacts(3000, wait_seconds=(20, 40))).warnings
    assert warning.startswith("the arms waited differently: treatment ")


def test_arms_of_other_sizes_than_were_drawn_raise_a_warning() -> None:
    """Where contacts of one arm are lost, the others cannot be compared: a third of control's are gone here."""
    rows = [row for number, row in enumerate(contacts(3000)) if row.treated or number % 3]
    (warning,) = only(rows).warnings
    assert " of the compared contacts are control, and 30.0% were drawn" in warning


def test_bands_weeks_and_days_add_up_to_the_whole() -> None:
    """Four weeks from a Monday on, each with its contacts, and a path of 28 days that ends at today's figures."""
    found = outcome(only(contacts(4000)), "resolved")
    for cells in (found.bands, found.weeks):
        assert sum(mark.treatment for _, mark in cells) == found.mark.treatment
        assert sum(mark.control for _, mark in cells) == found.mark.control
    assert [week for week, _ in found.weeks] == ["2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23"]
    assert len(found.days) == 28
    assert found.days[-1] == ("2026-11-29", found.mark)


def test_contacts_that_a_supervisor_assigned_are_shown_apart() -> None:
    """Their outcomes stand beside the router's own choice, and are not of the main estimate."""
    by_hand = [
        ImpactRow(
            "default",
            MONDAY_MS,
            outside="ASSIGNED",
            assigned=True,
            same_agent=number < 2,
            outcomes={"resolved": float(number % 2), **({"returned_within": 60.0} if number == 4 else {})},
        )
        for number in range(5)
    ]
    pool = only(contacts(300) + by_hand)
    assert pool.compared == 300
    assert pool.overrides is not None
    assert (pool.overrides.contacts, pool.overrides.same, pool.overrides.other) == (5, 2, 3)
    assert [(one.same_agent, one.contacts, one.mean) for one in pool.overrides.outcomes] == [
        (False, 3, pytest.approx(1 / 3)),
        (True, 2, 0.5),
        (False, 3, pytest.approx(1 / 3)),
        (True, 2, 0.0),
    ]


def test_a_plan_says_how_many_contacts_and_days_a_wanted_difference_needs() -> None:
    """A comparison that the plan calls long enough shows the difference in about 80 % of the runs."""
    planned = plan(0.05, Rates(deviation=0.45, answered=0.5, control_share=0.3, contacts_a_day=200))
    assert planned.contacts is not None
    assert planned.days == -(-planned.contacts // 200)
    random, shown = np.random.default_rng(1), 0
    for _ in range(200):
        treated = random.random(planned.contacts) < 0.7
        said = random.random(planned.contacts) < 0.5
        values = (random.random(planned.contacts) < np.where(treated, 0.745, 0.695)).astype(float)[said]
        shown += bool(path(values, treated[said], ends=(0, 1)).low[-1] > 0)
    assert 0.7 <= shown / 200 <= 0.9
    assert plan(0.05, Rates(0.45, 0.0, 0.3, 200)).contacts is None, "nobody answers"
    assert outcome(only(contacts(2000), resolved=0.01), "resolved").plan is not None


def test_a_pool_without_a_comparison_has_a_report_without_figures() -> None:
    """No arm, no outcomes: the report says so and fails at nothing."""
    pool = only([ImpactRow("default", MONDAY_MS, outside="NO_COMPARISON")])
    assert (pool.compared, pool.outcomes, pool.sentence) == (0, (), "no outcomes yet")
    assert report([], {}) == ()


@pytest.mark.parametrize("largest", [1e160, 1.7e308])
@pytest.mark.parametrize("wanted", [5e-324, 1.0, 1.7e308])
def test_metrics_of_any_size_are_reported_or_left_out_and_break_nothing(largest: float, wanted: float) -> None:
    """A sum of the largest numbers has no value: the figures of that metric are missing, and the others are there."""
    rows = []
    for number, row in enumerate(contacts(2000, effect=0.1)):
        huge = {
            "metrics.same": largest,
            "metrics.apart": largest if row.treated else -largest,
            "metrics.mixed": largest if number % 2 else -largest,
            "metrics.least": 5e-324 * number,
        }
        rows.append(replace(row, outcomes={**row.outcomes, **huge}, earlier=huge))
    pool = only(rows, **{f"metrics.{name}": wanted for name in ("same", "apart", "mixed", "least")})
    assert outcome(pool, "resolved").mark.difference is not None
    for kind in ("same", "apart", "mixed", "least"):
        mark = outcome(pool, f"metrics.{kind}").mark
        figures = (mark.treatment_mean, mark.control_mean, mark.difference, mark.low, mark.high)
        assert all(figure is None or np.isfinite(figure) for figure in figures)
