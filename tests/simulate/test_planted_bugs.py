"""Bugs that are planted into the servers: the checker finds each, by the law it breaks."""

from __future__ import annotations

import pytest

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS, BUGS

MOST_PLAYS = 8
"""Nobody is overtaken in about every second play without the earmark: 0 to 3 were."""


@pytest.mark.parametrize("bug", sorted(BUGS))
async def test_a_planted_bug_is_found_by_the_law_it_breaks(bug: str) -> None:
    """A few seconds of play show it, at most eight times, from nothing but what the clients saw."""
    for _ in range(MOST_PLAYS):
        verdict = judge((await play(for_bug(bug))).records)
        if verdict.count(BREAKS[bug]) > 0:
            return
    pytest.fail(f"never seen: {verdict.counts()}")
