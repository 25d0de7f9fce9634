"""The simulation of a day: which agents get the conversations under each strategy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matcher.evaluation.day import compare_strategies, draw_arrivals, match_messages, recommend, simulate
from matcher.evaluation.day_ledger import Arrivals, DayResult, Terms
from matcher.evaluation.production import Production
from matcher.evaluation.strategies import Affinity, LongestIdle
from matcher.evaluation.suite import Suite, read_suite
from matcher.evaluation.windowed_day import Window, simulate_windowed
from tests.evaluation.conftest import silent, write_suite

ONE_AT_A_TIME = Terms(capacity=1)


def one_by_one(*arrivals: tuple[float, float, int]) -> Arrivals:
    """Return arrivals of (minute, length, message)."""
    at, minutes, message = zip(*arrivals, strict=True)
    return Arrivals(np.array(at, float), np.array(minutes, float), np.array(message))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Return two agents who sail and one who bakes, and a message for each interest."""
    agents = {"ana": "sail", "ben": "sail", "cy": "bake"}
    return read_suite(write_suite(tmp_path / "day", agents, [("sail", ["ana", "ben"]), ("bake", ["cy"])]))


async def test_arrivals_above_the_capacity_are_turned_away(suite: Suite, plain: Production) -> None:
    """Three arrivals get an agent, the fourth gets none, and the fifth arrives when the first has ended."""
    await plain.encode_suite(suite, silent)
    matches = await match_messages(plain, suite, silent)
    arrivals = one_by_one((0, 10, 0), (1, 10, 0), (2, 10, 0), (3, 10, 0), (10, 1, 1))
    result = simulate(suite, matches, arrivals, ONE_AT_A_TIME, Affinity(0.0), lambda: None)
    assert result.by_agent.tolist() == [2, 1, 1]
    assert (result.conversations, result.turned_away) == (4, 1)
    assert result.recall == 2 / 4


async def test_equal_agents_are_chosen_by_load_and_then_by_idle_time(suite: Suite, plain: Production) -> None:
    """By affinity the two who sail alternate; by idle time alone all three do."""
    await plain.encode_suite(suite, silent)
    matches = await match_messages(plain, suite, silent)
    arrivals = one_by_one(*((minute, 0.5, 0) for minute in range(6)))
    by_affinity = simulate(suite, matches, arrivals, Terms(), Affinity(0.03), lambda: None)
    assert by_affinity.by_agent.tolist() == [3, 3, 0]
    assert by_affinity.recall == 1
    by_idle_time = simulate(suite, matches, arrivals, Terms(), LongestIdle(), lambda: None)
    assert by_idle_time.by_agent.tolist() == [2, 2, 2]
    assert by_idle_time.recall == 4 / 6
    assert by_idle_time.gini == pytest.approx(0)


async def test_the_arrivals_of_a_window_are_decided_jointly(tmp_path: Path, plain: Production) -> None:
    """Ana sails and bakes, Ben sails: one by one a sail message takes Ana from the bake message; jointly both fit."""
    agents = {"ana": "sail bake", "ben": "sail"}
    suite = read_suite(write_suite(tmp_path / "two", agents, [("sail bake", ["ana", "ben"]), ("bake", ["ana"])]))
    await plain.encode_suite(suite, silent)
    matches = await match_messages(plain, suite, silent)
    arrivals = one_by_one((0, 10, 0), (0.5, 10, 1))
    alone = Affinity(0.0)
    at_once = simulate(suite, matches, arrivals, ONE_AT_A_TIME, alone, lambda: None)
    together = simulate_windowed(suite, matches, arrivals, ONE_AT_A_TIME, Window(60, alone), lambda: None)
    assert (at_once.recall, together.recall) == (0.5, 1.0)
    assert at_once.mean_wait_seconds == 0
    assert together.mean_wait_seconds == pytest.approx(45)
    assert together.mean_affinity > at_once.mean_affinity
    assert together.name == "affinity only, window 60 s"


async def test_a_window_keeps_to_the_capacity(suite: Suite, plain: Production) -> None:
    """Of five arrivals in a window three get an agent and two are turned away; a later single arrival gets one."""
    await plain.encode_suite(suite, silent)
    matches = await match_messages(plain, suite, silent)
    arrivals = one_by_one(*((number / 100, 10, number % 2) for number in range(5)), (30, 1, 1))
    result = simulate_windowed(suite, matches, arrivals, ONE_AT_A_TIME, Window(6, Affinity(0.03)), lambda: None)
    assert (result.conversations, result.turned_away) == (4, 2)
    assert result.by_agent.tolist() == [1, 1, 2]


async def test_a_day_is_the_same_every_time(suite: Suite, plain: Production) -> None:
    """A repeated simulation gives the same figures, also under the random strategy."""
    days = [await compare_strategies(plain, suite, silent, Terms(hours=2), (0.05,), windows=(1, 60)) for _ in range(2)]
    assert [result.by_agent.tolist() for result in days[0]] == [result.by_agent.tolist() for result in days[1]]
    assert [result.name for result in days[0]] == [
        *("affinity only", "affinity within 0.05", "longest idle", "random"),
        *("affinity within 0.03, window 1 s", "affinity within 0.03, window 60 s"),
    ]
    assert len({result.conversations + result.turned_away for result in days[0]}) == 1


def test_a_day_is_as_busy_as_its_terms_say() -> None:
    """The arrivals' lengths together use the given share of the capacity, within the bounds of chance."""
    terms = Terms(hours=8, capacity=2, occupancy=0.3, mean_minutes=15)
    arrivals = draw_arrivals(500, 10, terms)
    assert (np.diff(arrivals.at) >= 0).all()
    assert arrivals.minutes.sum() / (500 * 2 * 8 * 60) == pytest.approx(0.3, rel=0.05)
    assert np.median(arrivals.minutes) < arrivals.minutes.mean()


def day_result(tolerance: float, affinity: float, gini: float) -> DayResult:
    """Return the result of a day under a tolerance."""
    return DayResult("", tolerance, 1, 0, affinity, 0.0, gini, 0.0, np.ones(1, np.int64))


def test_the_default_is_where_gini_falls_most_per_affinity_lost() -> None:
    """A fall without a loss is best, the largest of several; else the largest per loss; without a fall it is 0."""
    alone = day_result(0.0, 0.80, 0.50)
    steep, flat = day_result(0.05, 0.78, 0.40), day_result(0.2, 0.60, 0.20)
    assert recommend([alone, steep, flat]) == 0.05
    assert recommend([alone, day_result(0.01, 0.8, 0.49), day_result(0.02, 0.7999, 0.48), steep, flat]) == 0.02
    assert recommend([alone, day_result(0.01, 0.79, 0.51)]) == 0.0
