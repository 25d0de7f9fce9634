"""The planted bugs: the checker finds each of them, by the law that it breaks."""

from __future__ import annotations

import pytest

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS, BUGS
from matcher.store.redis.functions import FILES, lua_text

MOST_PLAYS = 8
"""Plays until a bug must be found: without the earmark 0 to 3 contacts are overtaken, in about every second play 0."""


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_the_text_that_a_planted_bug_changes_is_in_the_verbs(bug: str) -> None:
    """Takes no play: a reworded verb fails here first."""
    text = "".join(map(lua_text, FILES))
    for old, new, times in BUGS[bug].texts:
        assert text.count(old) == times
        assert new


@pytest.mark.parametrize("bug", sorted(BUGS))
async def test_a_planted_bug_is_found_by_the_law_it_breaks(bug: str) -> None:
    """At most eight days of some seconds show the bug, from the history of the clients alone."""
    for _ in range(MOST_PLAYS):
        verdict = judge((await play(for_bug(bug))).records)
        if verdict.count(BREAKS[bug]) > 0:
            return
    pytest.fail(f"the bug was never found: {verdict.counts()}")
