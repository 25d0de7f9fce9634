"""The store's clock as a server estimates it: no worse than its best reading, whatever the machine is busy with."""

from __future__ import annotations

import time

import pytest

from matcher.store.clock import StoreClock

AHEAD_MS = 3_600_000.0


def reading(
    clock: StoreClock, *, took: float, late: float = 0.0, ahead_ms: float = AHEAD_MS, after: float = 0.0
) -> None:
    """Read a clock so far ahead, `after` seconds from now; the answer took `late` longer than the question."""
    asked = time.monotonic() + after
    clock.set((asked + (took - late) / 2) * 1000 + ahead_ms, asked, asked + took)


def off_ms(clock: StoreClock, ahead_ms: float = AHEAD_MS) -> float:
    """Return how far the estimate is off: as seen when this process lost no time between two looks."""
    return max(clock.now_ms() - (time.monotonic() * 1000 + ahead_ms) for _ in range(20))


@pytest.mark.parametrize("late", [-0.08, 0.08])
def test_a_reading_that_took_long_does_not_move_a_clock_that_is_known_better(late: float) -> None:
    """Question or answer stood in a queue for 80 ms: the estimate stays within the 2 ms of the quick reading."""
    clock = StoreClock()
    reading(clock, took=0.002)
    reading(clock, took=0.08, late=late, after=2.0)
    assert abs(off_ms(clock)) <= 3
    assert clock.read_at >= time.monotonic() + 1.9


def test_the_first_reading_is_taken_however_long_it_took_and_a_better_one_after_it() -> None:
    """A server that starts on a busy machine is 40 ms off, and right as soon as one reading is quick."""
    clock = StoreClock()
    reading(clock, took=0.08, late=0.08)
    assert 38 <= abs(off_ms(clock)) <= 42
    reading(clock, took=0.002, after=2.0)
    assert abs(off_ms(clock)) <= 3


@pytest.mark.parametrize("set_by_ms", [-500.0, 500.0])
def test_a_clock_that_was_set_is_followed(set_by_ms: float) -> None:
    """Another server answers, or the server's clock was put right: also where that reading was slow."""
    clock = StoreClock()
    reading(clock, took=0.002)
    reading(clock, took=0.05, ahead_ms=AHEAD_MS + set_by_ms, after=2.0)
    assert abs(off_ms(clock, AHEAD_MS + set_by_ms)) <= 26


def test_a_reading_is_worth_less_as_it_grows_old() -> None:
    """After two minutes clocks may have moved apart by 60 ms: one that is off by 20 is better."""
    clock = StoreClock()
    reading(clock, took=0.002)
    reading(clock, took=0.04, ahead_ms=AHEAD_MS + 30, after=120.0)
    assert abs(off_ms(clock, AHEAD_MS + 30)) <= 2
