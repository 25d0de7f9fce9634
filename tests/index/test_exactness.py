"""A search gives what comparing the message with every agent would give, whatever happened to the roster before."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields, replace
from itertools import cycle

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from matcher.affinity.lexicon import stems
from matcher.affinity.scorer import Evidence, Scorer, Scores
from matcher.affinity.search_result import SearchResult
from matcher.index import Query, SiteIndex
from matcher.index.view import View
from matcher.model import Agent, Capacity, Constraint, Hold, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from tests.index.plain import PlainIndex
from tests.index.rosters import (
    DIMENSION,
    NAMES,
    PAIR_SCORERS,
    POOLS,
    SCORERS,
    crowd,
    holds,
    interests,
    profiles,
    requirements,
    seeds,
    statuses,
    vectors,
    vectors_of_two_halves,
)

# A cosine this near the threshold may be on either side of it, by the order in which its products are summed.
HAIR = 1e-6

WEIGHTS = (None, (0.5, 0.0, 2.0, 1.0), (1.0,) * 4)

names = st.sampled_from(NAMES)


def assert_same(one: object, other: object) -> None:
    """Compare two results, arrays by their bits."""
    assert type(one) is type(other)
    if isinstance(one, (SearchResult, Evidence, Scores)):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        assert np.array_equal(one, other)
    else:
        assert one == other


class RosterChanges(RuleBasedStateMachine):
    """Change a roster in every way, in the index and in the plain model, and ask both."""

    scorers: tuple[Scorer, ...] = SCORERS
    vectors = staticmethod(vectors)

    @initialize(mapped=st.booleans())
    def begin(self, mapped: bool) -> None:
        """Begin without agents."""
        self.index = SiteIndex(self.scorers[mapped], DIMENSION)
        self.plain = PlainIndex(self.index.scorer)
        self.version = 0

    @rule(name=names, profile=profiles, status=statuses, idle=st.integers(0, 3), seed=seeds, drawn=st.lists(holds))
    def put(self, name: str, profile: Profile, status: AgentStatus, idle: int, seed: int, drawn: list[Hold]) -> None:
        """Create an agent, or replace one whole."""
        self.version += 1
        once = tuple({hold.reservation: hold for hold in drawn}.values())
        agent = Agent(name, profile, status, self.version, self.version, 0, 0, idle, once)
        rows = self.vectors(seed, len(profile.interests))
        self.index.put(agent, rows)
        self.plain.put(agent, rows)

    @precondition(lambda self: self.plain.agents)
    @rule(name=names, capacity=profiles.map(lambda profile: profile.capacity))
    def change_capacity(self, name: str, capacity: Capacity) -> None:
        """Change a profile in something else than its interests, perhaps the capacity to below the load."""
        before = self.plain.agents.get(name)
        if before is not None:
            agent = replace(before, profile=replace(before.profile, capacity=capacity))
            self.index.put(agent, self.plain.vectors[name])
            self.plain.put(agent, self.plain.vectors[name])

    @rule(name=names, status=statuses, idle=st.integers(0, 3))
    def declare(self, name: str, status: AgentStatus, idle: int) -> None:
        """Change an agent's status; the status of an unknown agent is ignored."""
        self.index.put_status(name, status, idle)
        if name in self.plain.agents:
            self.plain.put_status(name, status, idle)

    @rule(name=names)
    def remove(self, name: str) -> None:
        """Let an agent leave."""
        self.index.remove(name)
        if name in self.plain.agents:
            self.plain.remove(name)

    @rule(name=names, hold=holds)
    def hold(self, name: str, hold: Hold) -> None:
        """Add a hold, or give a reservation another deadline."""
        self.index.hold(name, hold)
        if name in self.plain.agents:
            self.plain.hold(name, hold)

    @rule(name=names, reservation=st.sampled_from(["r1", "r2", "r3"]))
    def free(self, name: str, reservation: str) -> None:
        """Free a reservation, held or not."""
        self.index.free(name, reservation, None)
        if name in self.plain.agents:
            self.plain.free(name, reservation)

    @rule(now=st.integers(0, 100))
    def lapse(self, now: int) -> None:
        """Let time pass."""
        assert self.index.lapse(now) == self.plain.lapse(now)

    @rule(pool=st.sampled_from(POOLS), number=st.none() | st.integers(0, 2))
    def set_scorer(self, pool: str, number: int | None) -> None:
        """Let another scorer rank a pool, or the default scorer again."""
        scorer = None if number is None else self.scorers[number]
        with nullcontext() if scorer is None else self.index.prepared(pool, scorer):
            self.index.set_scorer(pool, scorer)
        self.plain.scorers[pool] = scorer or self.plain.scorer

    @rule(
        text=st.lists(interests, min_size=1, max_size=4),
        required=requirements,
        seed=seeds,
        everybody=st.booleans(),
        weights=st.sampled_from(WEIGHTS),
    )
    def find(
        self, text: list[str], required: Requirements, seed: int, everybody: bool, weights: tuple[float, ...] | None
    ) -> None:
        """Find the same agents with the same affinities, and compare no other agent's interests."""
        units, words = self.vectors(seed, len(text)), [stems(interest) for interest in text]
        eligible = self.plain.eligible(required, ignore_availability=everybody)
        before = self.index.rows_scored
        query = Query(units, words, weights and weights[: len(text)])
        found = self.index.find(query, required, ignore_availability=everybody)
        expected = self.plain.affinities(eligible, query, required.pool)
        assert {agent.id for agent in found.agents} == set(expected)
        assert found.scorer == self.plain.scorers.get(required.pool, self.plain.scorer).fingerprint
        for at, agent in enumerate(found.agents):
            assert (found.scores.score[at], found.scores.affinity[at]) == pytest.approx(expected[agent.id], abs=HAIR)
            assert found.utilization[at] == self.plain.utilization(self.plain.agents[agent.id])
        rows = sum(len(agent.profile.interests) for agent in eligible)
        assert (found.eligible, found.rows) == (len(eligible), rows)
        assert found.pool_agents == sum(required.pool in agent.profile.pools for agent in self.plain.agents.values())
        assert self.index.rows_scored - before == rows
        free = sorted((self.plain.utilization(agent), agent.idle_since_ms, agent.id) for agent in eligible)[:8]
        assert [(one.utilization, one.idle_since_ms, one.agent.id) for one in found.least_utilized] == free

    @rule(
        texts=st.lists(st.lists(interests, max_size=3), min_size=1, max_size=5),
        required=requirements,
        seed=seeds,
        floor=st.sampled_from([0.0, 0.4, np.inf]),
    )
    def find_each(self, texts: list[list[str]], required: Requirements, seed: int, floor: float) -> None:
        """Find for messages together, an empty one among them, what is found for each alone, to the bit."""
        queries = [
            Query(
                self.vectors(seed + number, len(text)),
                [stems(interest) for interest in text],
                weights and weights[: len(text)],
            )
            for number, (text, weights) in enumerate(zip(texts, cycle(WEIGHTS), strict=False))
        ]
        before = self.index.rows_scored
        together = self.index.find_each(queries, required, floor=floor)
        compared = self.index.rows_scored - before
        alone = [self.index.find(query, required, floor=floor) for query in queries]
        assert self.index.rows_scored - before == 2 * compared
        for one, other in zip(together, alone, strict=True):
            assert_same(one, other)

    @rule(required=requirements)
    def explain(self, required: Requirements) -> None:
        """Name the excluded agents by the first constraint not met, and the full agents."""
        unmet = {agent.id: self.plain.unmet(agent, required) for agent in self.plain.agents.values()}
        left_out = self.index.left_out(required, name_agents=len(NAMES))
        assert dict(left_out.agents) == {agent: why for agent, why in unmet.items() if why is not None}
        counted = [why for why in unmet.values() if why is not None]
        assert dict(left_out.counts) == {why: counted.count(why) for why in set(counted)}
        assert self.index.left_out(required).counts == left_out.counts
        full = sorted(agent for agent, why in unmet.items() if why is Constraint.CAPACITY)
        assert self.index.eligible_but_full(required) == full
        eligible = self.plain.eligible(required)
        free = sorted((self.plain.utilization(agent), agent.idle_since_ms, agent.id) for agent in eligible)
        assert self.index.least_utilized(required, 3) == [agent for *_, agent in free[:3]]

    @invariant()
    def knows_all_agents(self) -> None:
        """Know every agent as last written."""
        if not hasattr(self, "plain"):
            return
        assert self.index.ids() == sorted(self.plain.agents)
        assert len(self.index) == len(self.plain.agents)
        assert self.index.next_deadline() == self.plain.next_deadline()
        for name, agent in self.plain.agents.items():
            indexed = self.index.agent(name)
            assert indexed is not None
            assert set(indexed.holds) == set(agent.holds)
            assert replace(indexed, holds=()) == replace(agent, holds=())


class RosterChangesOfAPair(RosterChanges):
    """Do the same with vectors of a pair of models, of texts in English and in other languages."""

    scorers = PAIR_SCORERS
    vectors = staticmethod(vectors_of_two_halves)


TestRosterChanges = pytest.mark.filterwarnings("error")(RosterChanges.TestCase)
TestRosterChanges.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRosterChangesOfAPair = pytest.mark.filterwarnings("error")(RosterChangesOfAPair.TestCase)
TestRosterChangesOfAPair.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("online", [1, 5, 50, 500])
def test_search_compares_only_the_rows_of_free_agents(online: int) -> None:
    """With few of 500 agents online, a search compares the three rows of each of these few and no other."""
    index, agents = crowd(500, online=online)
    found = index.find(Query(vectors(99, 2), [(), ()]), Requirements())
    assert (found.eligible, found.rows, index.rows_scored) == (online, 3 * online, 3 * online)
    index.hold(agents[0].id, Hold("r1", "chat", 2, 10))
    assert index.find(Query(vectors(99, 2), [(), ()]), Requirements()).rows == 3 * (online - 1)


def test_change_touches_only_the_rows_of_that_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """When one of 500 agents is held and freed, the rows of that agent alone leave the view and return."""
    index, agents = crowd(500, online=500)
    index.find(Query(vectors(99, 1), [()]), Requirements())
    changed: list[int] = []
    add, drop = View.add, View.drop

    def counted_add(view: View, agent: int, rows: np.ndarray) -> None:
        changed.append(len(rows))
        add(view, agent, rows)

    def counted_drop(view: View, agent: int) -> None:
        changed.append(-len(view.positions_of(agent)))
        drop(view, agent)

    monkeypatch.setattr(View, "add", counted_add)
    monkeypatch.setattr(View, "drop", counted_drop)
    monkeypatch.setattr(View, "fill", None)
    index.hold(agents[7].id, Hold("r1", "chat", 1, 10))
    index.hold(agents[7].id, Hold("r2", "chat", 1, 20))
    index.free(agents[7].id, "r1", 5)
    assert changed == [-3, 3]
