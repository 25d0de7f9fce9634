"""Long steps say how far they are and how long the rest takes, by what was measured."""

from __future__ import annotations

import io

from rich.console import Console

from matcher.cli.progress import _lines


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def told(total: int, seconds_each: float) -> list[str]:
    """Return the lines of a step of equal parts, without a terminal."""
    clock, out = Clock(), io.StringIO()
    step = _lines(Console(file=out, width=120), "encoding", total, clock)
    for _ in range(total):
        clock.now += seconds_each
        step()
    return out.getvalue().splitlines()


def test_the_time_left_is_the_time_measured() -> None:
    """A thousand parts of an eighth of a second: a line after every ten seconds, each with the rest at that speed."""
    lines = told(1_000, 0.125)
    assert lines[0] == "encoding: 80 of 1000, about 1 min 55 s left"
    assert lines[-1] == "encoding: 1000 of 1000"
    assert len(lines) >= 9


def test_a_short_step_promises_nothing() -> None:
    """Four lines, one for each quarter."""
    assert told(60, 0.001) == [f"encoding: {done} of 60" for done in (15, 30, 45, 60)]
