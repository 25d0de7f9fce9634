"""Bugs that are planted into the servers: the checker finds each, by the law it breaks."""

from __future__ import annotations

import pytest

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS, BUGS


@pytest.mark.parametrize("bug", sorted(BUGS))
async def test_a_planted_bug_is_found_by_the_law_it_breaks(bug: str) -> None:
    """A few seconds of play show it, from nothing but what the clients saw."""
    verdict = judge((await play(for_bug(bug))).records)
    assert verdict.count(BREAKS[bug]) > 0, verdict.counts()
