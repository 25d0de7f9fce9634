"""A day played: who gets the conversations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matcher.evaluation import Production
from matcher.evaluation.day import arrivals, meetings, play, play_day, recommend
from matcher.evaluation.day_ledger import Arrivals, Played, Terms
from matcher.evaluation.strategies import Affinity, LongestIdle
from matcher.evaluation.suite import Suite, read_suite
from matcher.evaluation.windowed_day import Window, play_windowed
from tests.evaluation.conftest import silent, write_suite

ONE_AT_A_TIME = Terms(capacity=1)


def one_by_one(*came: tuple[float, float, int]) -> Arrivals:
    """Return arrivals of (minute, length, message)."""
    at, minutes, message = zip(*came, strict=True)
    return Arrivals(np.array(at, float), np.array(minutes, float), np.array(message))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Give two who sail and one who bakes, and a message for each liking."""
    agents = {"ana": "sail", "ben": "sail", "cy": "bake"}
    return read_suite(write_suite(tmp_path / "day", agents, [("sail", ["ana", "ben"]), ("bake", ["cy"])]))


async def test_nobody_is_taken_above_capacity_and_the_rest_is_turned_away(suite: Suite, plain: Production) -> None:
    """Three are taken, the fourth finds nobody, the fifth comes when the first has ended."""
    await plain.learn_suite(suite, silent)
    met, floor = await meetings(plain, suite, silent)
    came = one_by_one((0, 10, 0), (1, 10, 0), (2, 10, 0), (3, 10, 0), (10, 1, 1))
    played = play(suite, met, came, ONE_AT_A_TIME, Affinity(0.0, floor), lambda: None)
    assert played.taken.tolist() == [2, 1, 1]
    assert (played.conversations, played.turned_away) == (4, 1)
    assert played.recall == 2 / 4


async def test_of_equals_the_less_loaded_then_the_longest_idle_is_taken(suite: Suite, plain: Production) -> None:
    """The two who sail take turns; longest idle alone asks everybody."""
    await plain.learn_suite(suite, silent)
    met, floor = await meetings(plain, suite, silent)
    came = one_by_one(*((minute, 0.5, 0) for minute in range(6)))
    by_affinity = play(suite, met, came, Terms(), Affinity(0.03, floor), lambda: None)
    assert by_affinity.taken.tolist() == [3, 3, 0]
    assert by_affinity.recall == 1
    anybody = play(suite, met, came, Terms(), LongestIdle(), lambda: None)
    assert anybody.taken.tolist() == [2, 2, 2]
    assert anybody.recall == 4 / 6
    assert anybody.gini == pytest.approx(0)


async def test_those_who_come_within_a_window_are_decided_together(tmp_path: Path, plain: Production) -> None:
    """Ana sails and bakes, ben sails: one by one the sailor takes her from the baker; a minute's window parts them."""
    agents = {"ana": "sail bake", "ben": "sail"}
    suite = read_suite(write_suite(tmp_path / "two", agents, [("sail bake", ["ana", "ben"]), ("bake", ["ana"])]))
    await plain.learn_suite(suite, silent)
    met, floor = await meetings(plain, suite, silent)
    came = one_by_one((0, 10, 0), (0.5, 10, 1))
    alone = Affinity(0.0, floor)
    at_once = play(suite, met, came, ONE_AT_A_TIME, alone, lambda: None)
    together = play_windowed(suite, met, came, ONE_AT_A_TIME, Window(60, alone), lambda: None)
    assert (at_once.recall, together.recall) == (0.5, 1.0)
    assert at_once.mean_wait_seconds == 0
    assert together.mean_wait_seconds == pytest.approx(45)
    assert together.mean_affinity > at_once.mean_affinity
    assert together.name == "affinity only, window 60 s"


async def test_a_window_takes_nobody_above_capacity(suite: Suite, plain: Production) -> None:
    """Five come within it and three are free: two are turned away; who comes alone later is served."""
    await plain.learn_suite(suite, silent)
    met, floor = await meetings(plain, suite, silent)
    came = one_by_one(*((number / 100, 10, number % 2) for number in range(5)), (30, 1, 1))
    played = play_windowed(suite, met, came, ONE_AT_A_TIME, Window(6, Affinity(0.03, floor)), lambda: None)
    assert (played.conversations, played.turned_away) == (4, 2)
    assert played.taken.tolist() == [1, 1, 2]


async def test_a_day_is_the_same_every_time(suite: Suite, plain: Production) -> None:
    """Whoever repeats it sees the same figures, chance included."""
    days = [await play_day(plain, suite, silent, Terms(hours=2), (0.05,), windows=(1, 60)) for _ in range(2)]
    assert [one.taken.tolist() for one in days[0]] == [one.taken.tolist() for one in days[1]]
    assert [one.name for one in days[0]] == [
        *("affinity only", "affinity within 0.05", "longest idle", "random"),
        *("affinity within 0.03, window 1 s", "affinity within 0.03, window 60 s"),
    ]
    assert len({one.conversations + one.turned_away for one in days[0]}) == 1


def test_a_day_is_as_busy_as_its_terms_say() -> None:
    """The arrivals' lengths together take the share of all slots that was asked for, within what chance allows."""
    terms = Terms(hours=8, capacity=2, occupancy=0.3, mean_minutes=15)
    came = arrivals(500, 10, terms)
    assert (np.diff(came.at) >= 0).all()
    assert came.minutes.sum() / (500 * 2 * 8 * 60) == pytest.approx(0.3, rel=0.05)
    assert np.median(came.minutes) < came.minutes.mean()


def played(tolerance: float, affinity: float, gini: float) -> Played:
    """Return what a tolerance made of a day."""
    return Played("", tolerance, 1, 0, affinity, 0.0, gini, 0.0, np.ones(1, np.int64))


def test_the_default_is_where_gini_falls_most_per_affinity_lost() -> None:
    """A fall for nothing is best, and of several the deepest; else the steepest; without a fall there is no reason."""
    alone = played(0.0, 0.80, 0.50)
    steep, flat = played(0.05, 0.78, 0.40), played(0.2, 0.60, 0.20)
    assert recommend([alone, steep, flat]) == 0.05
    assert recommend([alone, played(0.01, 0.8, 0.49), played(0.02, 0.7999, 0.48), steep, flat]) == 0.02
    assert recommend([alone, played(0.01, 0.79, 0.51)]) == 0.0
