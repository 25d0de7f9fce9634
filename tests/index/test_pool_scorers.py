"""Pools of one site, ranked by different scorers."""

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
    """Return an index of these agents."""
    index = SiteIndex(scorer, DIMENSION)
    for agent, rows in agents:
        index.put(agent, rows)
    return index


def ranked(index: SiteIndex, pool: str) -> tuple[str, dict[str, float]]:
    """Return which scorer ranks a message for a pool, and the affinity of every agent."""
    result = index.find(Query(UNITS, UNIT_STEMS), Requirements(pool=pool))
    return result.scorer, dict(zip([agent.id for agent in result.agents], result.scores.affinity.tolist(), strict=True))


def same(one: SiteIndex, other: SiteIndex, pool: str) -> bool:
    """Tell whether two sites rank a pool by the same scorer with the same affinities."""
    (here, scores), (there, others) = ranked(one, pool), ranked(other, pool)
    assert len(scores) > 3
    return here == there and scores == pytest.approx(others, abs=1e-6)


def test_each_pool_is_ranked_as_on_a_site_of_its_own() -> None:
    """Three pools with three scorers rank one message as three sites would, also agents of all three pools."""
    agents = roster(("north", "south", "default"))
    index = site(LENIENT, agents)
    index.set_scorer("north", PLAIN)
    index.set_scorer("south", MAPPED)
    for pool, scorer in (("north", PLAIN), ("south", MAPPED), ("default", LENIENT)):
        assert same(index, site(scorer, agents), pool)
    everywhere = {agent.id for agent, _ in agents if len(agent.profile.pools) == 3}
    scores = [ranked(index, pool)[1] for pool in ("north", "south")]
    assert any(scores[0][agent] != scores[1].get(agent) for agent in everywhere & set(scores[0]))


def test_a_pool_changes_its_scorer_while_agents_come_and_go() -> None:
    """After any change the new scorer alone ranks the pool, with holds and new profiles in between."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    for round_number, scorer in enumerate((MAPPED, OTHERWISE, LENIENT, None, MAPPED)):
        index.set_scorer("north", scorer)
        held, rewritten = agents[round_number][0], 7 + round_number
        index.hold(held.id, Hold("r", "chat", 1, 10_000))
        agents[rewritten] = (replace(agents[rewritten][0], version=2 + round_number), vectors(500 + round_number, 3))
        index.put(*agents[rewritten])
        index.free(held.id, "r", None)
        assert same(index, site(scorer or PLAIN, agents), "north")
        assert same(index, site(PLAIN, agents), "south")


def test_vectors_and_views_of_a_former_scorer_are_dropped() -> None:
    """A pool that had twenty scorers keeps the vectors under one map, and no view of another."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    random = np.random.default_rng(1)
    for round_number in range(20):
        linear = np.asarray(np.eye(DIMENSION) + random.normal(size=(DIMENSION, DIMENSION)) * 0.05, np.float32)
        index.set_scorer("north", replace(MAPPED, map=linear))
        ranked(index, "north")
        ranked(index, "south")
        assert len(index._views) == 2, round_number
    del linear
    assert len(index._vectors._projections) == 2


def test_prepared_rows_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared rows are computed once: neither the change of the scorer nor the first search computes them again."""
    agents = roster(("north", "south"))
    index = site(PLAIN, agents)
    rows = 3 * sum("north" in agent.profile.pools for agent, _ in agents)
    with index.prepared("north", MAPPED):
        ready = index._vectors.projected(MAPPED.map)
        computed = np.flatnonzero(~np.isnan(ready._shrink))
        assert len(computed) == rows
        monkeypatch.setattr(np.linalg, "norm", None)
        index.set_scorer("north", MAPPED)
    monkeypatch.setattr(Scorer, "project", lambda _scorer, vectors: vectors)
    assert ranked(index, "north")[0] == MAPPED.fingerprint
    assert np.array_equal(np.flatnonzero(~np.isnan(ready._shrink)), computed)


def test_small_talk_is_measured_by_the_scorer_of_the_pool() -> None:
    """The best affinities that a pool's floor is computed from are those of its own scorer."""
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
