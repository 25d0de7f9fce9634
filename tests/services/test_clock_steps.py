"""A step of the store's clock: the sweeper looks at the clock again and again, however far the next deadline was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from matcher.services import expiry
from matcher.services.expiry import Expiry


@dataclass
class SteppingClock:
    """A clock that a test sets."""

    now: int = 1_000_000

    def now_ms(self) -> int:
        """Return the time in ms."""
        return self.now


@dataclass
class SiteWithDeadline:
    """What the sweeper's sleep asks of a replica: when the next hold lapses, and whether that has moved."""

    deadline_ms: int
    site: str = "acme"
    timers_moved: bool = False
    deadline_moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def index(self) -> SiteWithDeadline:
        """Be the index too."""
        return self

    def next_deadline(self) -> int:
        """Return when the next hold lapses."""
        return self.deadline_ms


async def test_a_forward_step_of_the_clock_wakes_the_sweeper_without_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline was an hour away; the clock steps an hour forward; the sweeper wakes at its next look."""
    monkeypatch.setattr(expiry, "LOOK_AGAIN_SECONDS", 0.001)
    clock, site = SteppingClock(), SiteWithDeadline(1_000_000 + 3_600_000)
    sweeper: Any = object.__new__(Expiry)
    sweeper._replica, sweeper._clock = site, clock
    sweeper._timer_ms, sweeper._read_timers_at = float("inf"), float("inf")
    sleep = asyncio.create_task(sweeper._sleep(3600.0))
    await asyncio.sleep(0.01)
    assert not sleep.done()
    clock.now += 3_600_000 + 10  # a deadline is written 5 ms after it
    async with asyncio.timeout(60):
        await sleep
