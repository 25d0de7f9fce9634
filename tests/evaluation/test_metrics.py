"""The metrics, on cases that a person can compute by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.evaluation.metrics import (
    auroc,
    bins,
    busiest_share,
    by_chance,
    calibration_error,
    gini,
    half_width,
    places_of,
    recall,
    reciprocal_rank,
    reciprocal_rank_by_chance,
)


def test_recall_and_reciprocal_rank_count_places_from_one() -> None:
    """The four places are first, third, eleventh and not found."""
    places = np.array([1, 3, 11, 0])
    assert recall(places, 1).tolist() == [1, 0, 0, 0]
    assert recall(places, 5).tolist() == [1, 1, 0, 0]
    assert reciprocal_rank(places).tolist() == [1, 1 / 3, 0, 0]


def test_equal_scores_are_ordered_by_the_roster_and_a_score_of_0_is_not_found() -> None:
    """Of two right agents the better place counts; a right agent with a score of 0 is not found."""
    scores = np.array([[0.5, 0.9, 0.5, 0.5], [0.0, 0.0, 0.1, 0.0], [0.2, 0.1, 0.0, 0.3]])
    right = [np.array([2, 3]), np.array([0]), np.array([], np.int64)]
    assert places_of(scores, right).tolist() == [3, 0, 0]


@given(st.integers(1, 7).flatmap(lambda agents: st.tuples(st.just(agents), st.integers(1, agents))))
def test_the_expectation_of_a_random_order_is_the_mean_over_all_orders(case: tuple[int, int]) -> None:
    """The chance of one right agent of four is a quarter, which is the mean over all orders."""
    agents, right = case
    first = [1 + next(at for at in range(agents) if order >> at & 1) for order in range(1, 2**agents)]
    sizes = [order.bit_count() for order in range(1, 2**agents)]
    places = [place for place, size in zip(first, sizes, strict=True) if size == right]
    assert by_chance(agents, right, 1) == pytest.approx(right / agents)
    assert by_chance(agents, right, 5) == pytest.approx(sum(place <= 5 for place in places) / len(places))
    assert reciprocal_rank_by_chance(agents, right) == pytest.approx(sum(1 / place for place in places) / len(places))


def test_a_confidence_equal_to_the_share_of_right_answers_has_no_calibration_error() -> None:
    """In ten bins of ten the confidence is first exact, and then too high by 0.2."""
    confidence = np.repeat(np.arange(1, 11) / 10, 10)
    right = np.concatenate([np.arange(10) < tenth for tenth in range(1, 11)])
    assert calibration_error(confidence, right) == pytest.approx(0)
    assert calibration_error(confidence + 0.2, right) == pytest.approx(0.2)
    assert [size for *_, size in bins(confidence, right)] == [10] * 10
    assert math.isnan(calibration_error(np.zeros(0), np.zeros(0, np.bool_)))


def test_auroc_is_the_probability_that_a_right_answer_has_more_confidence() -> None:
    """Of the four pairs of a right and a wrong answer two are in order and one is a tie, which counts half."""
    assert auroc(np.array([0.9, 0.5, 0.5, 0.7]), np.array([True, True, False, False])) == pytest.approx(2.5 / 4)
    assert math.isnan(auroc(np.array([0.9, 0.5]), np.array([True, True])))


def test_shares_of_the_busiest_and_gini() -> None:
    """The amounts are all equal, all with one of four, and two against one."""
    assert gini([3, 3, 3]) == pytest.approx(0)
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([2, 1]) == pytest.approx(1 / 6)
    assert math.isnan(gini([0, 0]))
    assert busiest_share(np.array([6, 3, 1])) == pytest.approx(0.6)
    assert busiest_share(np.arange(200)) == pytest.approx((199 + 198) / sum(range(200)))


def test_a_half_width_depends_on_the_agents_and_not_on_their_messages() -> None:
    """A hundred messages of one agent are one cluster: the bootstrap can draw only that one, so the width is 0."""
    values = np.array([1.0, 0.0] * 50)
    assert half_width(values, np.zeros(100, np.int64)) == 0
    alone = half_width(values, np.arange(100))
    together = half_width(values, np.arange(100) // 2 * 2)
    assert 0.08 < alone < 0.12
    assert together == 0
    assert half_width(values, np.arange(100)) == alone
