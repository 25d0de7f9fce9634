"""The estimate of a store's clock: no worse than the best reading, however busy the machine is."""

from __future__ import annotations

import time

import pytest

from matcher.store.clock import StoreClock

AHEAD_MS = 3_600_000.0


def read(clock: StoreClock, *, took: float, late: float = 0.0, ahead_ms: float = AHEAD_MS, after: float = 0.0) -> None:
    """Set the clock by a reading `after` seconds from now; the answer took `late` seconds longer than the question."""
    asked = time.monotonic() + after
    clock.set((asked + (took - late) / 2) * 1000 + ahead_ms, asked, asked + took)


def off_ms(clock: StoreClock, ahead_ms: float = AHEAD_MS) -> float:
    """Return the error of the estimate: the largest of 20, because a pause of this process makes it smaller."""
    return max(clock.now_ms() - (time.monotonic() * 1000 + ahead_ms) for _ in range(20))


@pytest.mark.parametrize("late", [-0.08, 0.08])
def test_a_slow_reading_does_not_move_a_clock_with_a_better_reading(late: float) -> None:
    """The question or the answer was delayed by 80 ms: the estimate stays within the 2 ms of the quick reading."""
    clock = StoreClock()
    read(clock, took=0.002)
    read(clock, took=0.08, late=late, after=2.0)
    assert abs(off_ms(clock)) <= 3
    assert clock.read_at >= time.monotonic() + 1.9


def test_the_first_reading_is_used_however_slow_and_then_a_better_reading() -> None:
    """The clock is off by 40 ms after a start on a busy machine, and right after the first quick reading."""
    clock = StoreClock()
    read(clock, took=0.08, late=0.08)
    assert 38 <= abs(off_ms(clock)) <= 42
    read(clock, took=0.002, after=2.0)
    assert abs(off_ms(clock)) <= 3


@pytest.mark.parametrize("set_by_ms", [-500.0, 500.0])
def test_the_estimate_follows_a_clock_that_was_set(set_by_ms: float) -> None:
    """Another server answers, or the server's clock was set: the estimate follows, even by a slow reading."""
    clock = StoreClock()
    read(clock, took=0.002)
    read(clock, took=0.05, ahead_ms=AHEAD_MS + set_by_ms, after=2.0)
    assert abs(off_ms(clock, AHEAD_MS + set_by_ms)) <= 26


def test_an_old_reading_loses_its_worth() -> None:
    """After two minutes the clocks may have drifted apart by 60 ms: a reading with an error of 20 ms is better."""
    clock = StoreClock()
    read(clock, took=0.002)
    read(clock, took=0.04, ahead_ms=AHEAD_MS + 30, after=120.0)
    assert abs(off_ms(clock, AHEAD_MS + 30)) <= 2
