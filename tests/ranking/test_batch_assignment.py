"""Tests of the assignment of a batch: shortlists lose nothing, and the ranking contains the chosen agent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from matcher.affinity.search_result import SearchResult
from matcher.model import Basis
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch
from matcher.ranking.policy import RankingTerms, rank_with
from tests.ranking.search_results import UNITS, found_of, person

FLOOR = 0.3
TOLERANCE = 0.05
CHAT = {"chat": (1, 1)}

Crew = list[tuple[float, int]]


@st.composite
def batches(draw: st.DrawFn) -> list[SearchResult]:
    """Draw the search results of several messages among the same agents."""
    crew: Crew = draw(st.lists(st.tuples(st.sampled_from([0.0, 0.5]), st.integers(0, 2)), min_size=1, max_size=7))
    matches = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(25, 100)), max_size=2)
    return [found_of([(draw(matches), used, idle) for used, idle in crew]) for _ in range(draw(st.integers(1, 5)))]


def counted(result: SearchResult) -> NDArray[np.float64]:
    """Return the affinity that counts of each agent [agents], by row."""
    values = np.zeros(result.eligible)
    for agent, affinity in zip(result.agents, result.scores.affinity, strict=True):
        values[99 - int(agent.id.removeprefix("agent-"))] = affinity if affinity >= FLOOR else 0.0
    return values


@given(batches())
def test_shortlists_lose_nothing(batch: list[SearchResult]) -> None:
    """The sum of the affinities is the same as if every message were compared with every agent."""
    crew = [person(row) for row in range(batch[0].eligible)]
    openings = {agent.id: Opening(agent.id, 1, 0, 0, CHAT) for agent in crew}
    chosen = assign_batch([BatchEntry(result, FLOOR, "chat") for result in batch], openings)
    values = np.stack([counted(result) for result in batch])
    place = {agent.id: at for at, agent in enumerate(crew)}
    pairs = [(row, place[agent]) for row, agent in enumerate(chosen) if agent is not None]
    assert len({at for _, at in pairs}) == len(pairs) == min(values.shape)
    rows, columns = linear_sum_assignment(values, maximize=True)
    assert sum(values[pair] for pair in pairs) == pytest.approx(values[rows, columns].sum())


@given(batches(), st.sampled_from([0.0, 0.05, 0.3, 0.6, 0.9]))
def test_with_tolerances_it_is_never_below_one_by_one(batch: list[SearchResult], tolerance: float) -> None:
    """As many are served as when each message in its order gets the policy's first free agent, at no smaller sum."""
    crew = [person(row) for row in range(batch[0].eligible)]
    idle_agents = {idle.agent.id: idle for idle in batch[0].least_utilized}
    openings = {
        agent: Opening(agent, 2, round(2 * idle.utilization), idle.idle_since_ms, {"chat": (1, 2)})
        for agent, idle in idle_agents.items()
    }
    chosen = assign_batch([BatchEntry(result, FLOOR, "chat", tolerance) for result in batch], openings)
    place = {agent.id: at for at, agent in enumerate(crew)}
    affinity = [counted(result) for result in batch]
    together = [row[place[agent]] for row, agent in zip(affinity, chosen, strict=True) if agent is not None]
    left, alone = dict(openings), []
    for row in affinity:
        able = [opening for opening in left.values() if opening.free_for("chat")]
        best = max((row[place[opening.agent]] for opening in able), default=0.0)
        equal = [
            opening
            for opening in able
            if row[place[opening.agent]] >= best - tolerance and row[place[opening.agent]] > 0
        ]
        order = sorted(equal or able, key=lambda opening: (opening.used, opening.idle_since_ms, opening.agent))
        if order:
            left[order[0].agent] = order[0].with_contact("chat")
            alone.append(row[place[order[0].agent]])
    assert len(together) == len(alone)
    assert sum(together) >= sum(alone) - 1e-8


def test_affinities_within_the_tolerance_count_as_equal() -> None:
    """Two messages are a little closer to the busy agent: within the tolerance both go to the idle agent."""
    result = found_of([([(0, 0, 90)], 0.5, 0), ([(0, 0, 89)], 0.0, 9)])
    openings = {
        "agent-99": Opening("agent-99", 4, 2, 0, {"chat": (1, 2)}),
        "agent-98": Opening("agent-98", 4, 0, 9, {"chat": (1, 4)}),
    }
    assert set(assign_batch([BatchEntry(result, FLOOR, "chat", 0.05)] * 2, openings)) == {"agent-98"}
    assert set(assign_batch([BatchEntry(result, FLOOR, "chat", 0.0)] * 2, openings)) == {"agent-99"}


def test_an_agent_who_was_deleted_or_is_full_gets_no_message() -> None:
    """Of three matching agents one is deleted and one is full: the third gets the first message, and no second one."""
    result = found_of([([(0, 0, 90)], 0.0, 0), ([(0, 0, 80)], 1.0, 0), ([(0, 0, 70)], 0.0, 0)])
    openings = {
        "agent-98": Opening("agent-98", 1, 1, 0, CHAT),
        "agent-97": Opening("agent-97", 1, 0, 0, CHAT),
    }
    assert assign_batch([BatchEntry(result, FLOOR, "chat")], openings) == ["agent-97"]
    assert assign_batch([BatchEntry(result, FLOOR, "chat")] * 2, openings) == ["agent-97", None]
    assert assign_batch([BatchEntry(result, FLOOR, "chat")] * 2, {}) == [None, None]
    assert assign_batch([], openings) == []


def test_a_message_without_affinity_leaves_an_agent_to_a_message_that_matches() -> None:
    """Small talk alone goes to the longest idle; another message matches that agent, so it goes to the next."""
    crew = [(0.0, 1), (0.0, 5), (0.0, 9)]
    matches = found_of([([(0, 0, 90)], *crew[0]), ([], *crew[1]), ([], *crew[2])])
    small_talk = found_of([([], *agent) for agent in crew])
    openings = {
        f"agent-{99 - row}": Opening(f"agent-{99 - row}", 1, 0, idle, CHAT) for row, (_, idle) in enumerate(crew)
    }
    alone = [BatchEntry(small_talk, FLOOR, "chat")]
    assert assign_batch(alone, openings) == ["agent-99"]
    assert assign_batch([*alone, BatchEntry(matches, FLOOR, "chat")], openings) == ["agent-98", "agent-99"]


@given(batches(), st.integers(1, 4))
def test_the_ranking_contains_the_chosen_agent_with_basis_and_affinity(batch: list[SearchResult], most: int) -> None:
    """Any agent of the result can be chosen: the ranking has at most so many candidates, AFFINITY above the floor."""
    (result, *_) = batch
    for chosen in {idle.agent.id for idle in result.least_utilized} | {agent.id for agent in result.agents}:
        ranking = rank_with(result, UNITS, RankingTerms(FLOOR, TOLERANCE, most=most), chosen)
        (candidate,) = (candidate for candidate in ranking.candidates if candidate.agent == chosen)
        assert len(ranking.candidates) <= most
        affinity = dict(zip((agent.id for agent in result.agents), result.scores.affinity.tolist(), strict=True))
        assert candidate.affinity == affinity.get(chosen, 0.0)
        assert (ranking.basis is Basis.AFFINITY) == (chosen in affinity and affinity[chosen] >= FLOOR)
        assert ranking.affinity_tolerance == TOLERANCE
    with pytest.raises(ValueError, match="not in the search result"):
        rank_with(result, UNITS, RankingTerms(FLOOR, TOLERANCE), "nobody")
