"""Confidence sequence: what an interval that is looked at after every outcome promises, on simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.impact_coverage import TRUTHS, Truth, measure, resolved
from matcher.impact.adjustment import adjusted
from matcher.impact.sequence import LEAST_OUTCOMES, path

RUNS = 100


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_the_interval_covers_the_truth_along_the_whole_path_and_is_less_than_twice_as_wide(truth: Truth) -> None:
    """Of 100 seeded runs at least 94 cover after every single outcome; docs/impact.md has the table of 1,000."""
    row = measure(truth, RUNS)
    assert row.covers >= 0.94
    assert row.width < 2
    assert row.fixed_covers < 0.9, "an interval for a fixed time would do, and this test would show nothing"


def test_five_points_are_found_and_an_a_a_comparison_finds_nothing() -> None:
    """Who stops as soon as the interval leaves zero finds 5 points of 10,000 contacts, and seldom what is not there."""
    assert measure(Truth("five points", resolved(0.75, 0.7), 0.05, (0, 1)), RUNS).found >= 0.95
    assert measure(Truth("the same", resolved(0.7, 0.7), 0, (0, 1)), RUNS).found <= 0.05


def test_there_is_no_interval_below_a_hundred_outcomes_in_an_arm() -> None:
    """The 100th outcome of the smaller arm brings the interval."""
    treated = np.array([True] * 500 + [False] * LEAST_OUTCOMES)
    along = path(np.resize([1.0, 0.0, 1.0], len(treated)), treated)
    assert np.isnan(along.low[:-1]).all()
    assert not np.isnan([along.low[-1], along.high[-1]]).any()


def test_a_hundred_resolved_contacts_in_a_row_still_have_an_interval_with_a_width() -> None:
    """Without a single unresolved contact the variance is not taken for none."""
    treated = np.array([True, False] * 100)
    along = path(np.ones(200), treated, ends=(0, 1))
    assert along.high[-1] - along.low[-1] > 0.05


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.booleans()), min_size=2, max_size=60))
def test_the_running_means_are_those_of_the_outcomes_so_far(outcomes: list[tuple[float, bool]]) -> None:
    """At every place of a path the means are the plain means up to there."""
    values, treated = np.array([value for value, _ in outcomes]), np.array([arm for _, arm in outcomes])
    along = path(values, treated)
    for place in range(len(values)):
        for arm, mean in ((True, along.treatment_mean), (False, along.control_mean)):
            so_far = values[: place + 1][treated[: place + 1] == arm]
            if len(so_far):
                assert mean[place] == pytest.approx(so_far.mean(), abs=1e-6)
            else:
                assert np.isnan(mean[place])


def test_a_share_that_changes_does_not_compare_one_month_with_another() -> None:
    """A tenth of control contacts in a bad month and a half in a good one: weights keep the arms comparable."""
    random = np.random.default_rng(5)
    share = np.repeat([0.1, 0.5], 20_000)
    treated = random.random(40_000) >= share
    values = (random.random(40_000) < np.repeat([0.5, 0.9], 20_000)).astype(float)
    plain = path(values, treated, ends=(0, 1))
    weighted = path(values, treated, 1 / np.where(treated, 1 - share, share), ends=(0, 1))
    assert plain.high[-1] < 0, "the plain difference is a difference of months"
    assert weighted.low[-1] < 0 < weighted.high[-1]


def test_what_is_known_of_a_customer_before_narrows_the_interval_and_moves_no_truth() -> None:
    """Earlier outcomes of half of the customers take a fifth of the width, and the planted difference stays."""
    random = np.random.default_rng(8)
    customer = random.normal(0, 1, 20_000)
    treated = random.random(20_000) < 0.7
    values = customer + random.normal(0.2 * treated, 0.3)
    earlier = np.where(random.random(20_000) < 0.5, random.normal(customer, 0.3), np.nan)
    after = adjusted(values, earlier)
    assert after is not None
    assert after.known == int((~np.isnan(earlier)).sum())
    plain, narrow = path(values, treated), path(after.values, treated)
    assert narrow.high[-1] - narrow.low[-1] < 0.8 * (plain.high[-1] - plain.low[-1])
    assert narrow.low[-1] < 0.2 < narrow.high[-1]
    assert adjusted(values[:150], np.where(np.arange(150) < 99, earlier[:150], np.nan)) is None
