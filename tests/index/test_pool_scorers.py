"""Pools of one site may be ranked by different scorers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Scorer
from matcher.index import Query, SiteIndex
from matcher.model import Agent, Hold, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from tests.index.plain import Floats
from tests.index.rosters import DIMENSION, SCORERS, WORDS, vectors

PLAIN, MAPPED, OTHERWISE, LENIENT = SCORERS
UNITS = vectors(99, 3)
UNIT_STEMS = [stems(f"{word} in the evening") for word in WORDS[:3]]


def roster(pools: Sequence[str]) -> list[tuple[Agent, Floats]]:
    """Return forty agents with their vectors, each in one of the pools, every fourth in all of them."""
    made = []
    for number in range(40):
        interests = tuple(f"{WORDS[(number + at) % len(WORDS)]} {number} {at}" for at in range(3))
        own = tuple(pools) if number % 4 == 0 else (pools[number % len(pools)],)
        profile = Profile(f"Agent {number}", interests, pools=own)
        agent = Agent(f"a{number:02d}", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 1000 + number)
        made.append((agent, vectors(number, 3)))
    return made


def site(scorer: Scorer, agents: Sequence[tuple[Agent, Floats]]) -> SiteIndex:
    """Index agents."""
    index = SiteIndex(scorer, DIMENSION)
    for agent, rows in agents:
        index.put(agent, rows)
    return index


def told(index: SiteIndex, pool: str) -> tuple[str, dict[str, float]]:
    """Return by which scorer a message is ranked for a pool, and everyone's affinity."""
    found = index.find(UNITS, UNIT_STEMS, Requirements(pool=pool))
    return found.scorer, dict(zip([agent.id for agent in found.agents], found.scores.affinity.tolist(), strict=True))


def same(one: SiteIndex, other: SiteIndex, pool: str) -> bool:
    """Tell whether two sites rank a pool by the same scorer with the same affinities."""
    (here, scores), (there, others) = told(one, pool), told(other, pool)
    assert len(scores) > 3
    return here == there and scores == pytest.approx(others, abs=1e-6)


def test_each_pool_is_ranked_as_on_a_site_of_its_own() -> None:
    """Three pools with three scorers rank one message as three sites would, also for those in all the pools."""
    agents = roster(("north", "south", "default"))
    index = site(LENIENT, agents)
    index.set_scorer("north", PLAIN)
    index.set_scorer("south", MAPPED)
    for pool, scorer in (("north", PLAIN), ("south", MAPPED), ("default", LENIENT)):
        assert same(index, site(scorer, agents), pool)
    everywhere = {agent.id for agent, _ in agents if len(agent.profile.pools) == 3}
    scores = [told(index, pool)[1] for pool in ("north", "south")]
    assert any(scores[0][agent] != scores[1].get(agent) for agent in everywhere & set(scores[0]))


def test_a_pool_changes_its_scorer_while_people_come_and_go() -> None:
    """After any change the pool is ranked by the new scorer alone, with claims and new profiles in between."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    for turn, scorer in enumerate((MAPPED, OTHERWISE, LENIENT, None, MAPPED)):
        index.set_scorer("north", scorer)
        claimed, rewritten = agents[turn][0], 7 + turn
        index.hold(claimed.id, Hold("r", "chat", 1, 10_000))
        agents[rewritten] = (replace(agents[rewritten][0], version=2 + turn), vectors(500 + turn, 3))
        index.put(*agents[rewritten])
        index.free(claimed.id, "r", None)
        assert same(index, site(scorer or PLAIN, agents), "north")
        assert same(index, site(PLAIN, agents), "south")


def test_what_is_kept_for_a_scorer_goes_with_it() -> None:
    """A pool that went through twenty scorers keeps the rows of one map, and no view of another."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    random = np.random.default_rng(1)
    for turn in range(20):
        linear = np.asarray(np.eye(DIMENSION) + random.normal(size=(DIMENSION, DIMENSION)) * 0.05, np.float32)
        index.set_scorer("north", replace(MAPPED, map=linear))
        told(index, "north")
        told(index, "south")
        assert len(index._views) == 2, turn
    del linear
    assert len(index._lines._mapped) == 2


def test_only_what_was_not_ready_is_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared rows are reckoned once: neither the change of the scorer nor the first search does it again."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    rows = 3 * sum("north" in agent.profile.pools for agent, _ in agents)
    with index.prepared("north", MAPPED):
        ready = index._lines.under(MAPPED.map)
        known = np.flatnonzero(~np.isnan(ready._shrink))
        assert len(known) == rows
        monkeypatch.setattr(np.linalg, "norm", None)
        index.set_scorer("north", MAPPED)
    monkeypatch.setattr(Scorer, "project", lambda _scorer, vectors: vectors)
    assert told(index, "north")[0] == MAPPED.fingerprint
    assert np.array_equal(np.flatnonzero(~np.isnan(ready._shrink)), known)


def test_small_talk_is_measured_by_the_scorer_of_the_pool() -> None:
    """The best affinities that a pool's floor comes from are those of its own scorer."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    index.set_scorer("north", MAPPED)
    messages = [Query(UNITS, UNIT_STEMS), Query(UNITS[:1], UNIT_STEMS[:1])]
    own = [site(scorer, agents).best_affinities(messages, "north") for scorer in (MAPPED, PLAIN)]
    assert index.best_affinities(messages, "north") == pytest.approx(own[0], abs=1e-6)
    assert index.best_affinities(messages, "south") == pytest.approx(
        site(PLAIN, agents).best_affinities(messages, "south"), abs=1e-6
    )
    assert own[0] != pytest.approx(own[1], abs=1e-3)
