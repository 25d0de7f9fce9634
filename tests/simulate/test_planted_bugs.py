"""Bugs that are planted into the servers: the checker finds each by the law that it breaks."""

from __future__ import annotations

import pytest

from benchmarks.simulate.checker import judge
from benchmarks.simulate.day import play
from benchmarks.simulate.plan import for_bug
from benchmarks.simulate.planted import BREAKS, BUGS
from matcher.store.redis.functions import lua_text
from matcher.store.verbs import VERBS

MOST_PLAYS = 8
"""Without the earmark no contact is overtaken in about every second play: 0 to 3 were."""


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_the_text_that_a_planted_bug_changes_is_in_the_verbs(bug: str) -> None:
    """Takes no play: a reworded verb fails here first."""
    text = "".join(map(lua_text, VERBS))
    for old, new, times in BUGS[bug].texts:
        assert text.count(old) == times
        assert new


@pytest.mark.parametrize("bug", sorted(BUGS))
async def test_a_planted_bug_is_found_by_the_law_it_breaks(bug: str) -> None:
    """At most eight plays of a few seconds show it, by nothing but the clients' records."""
    for _ in range(MOST_PLAYS):
        verdict = judge((await play(for_bug(bug))).records)
        if verdict.count(BREAKS[bug]) > 0:
            return
    pytest.fail(f"the law was never broken: {verdict.counts()}")
