"""Tests of the ranking policy: the order of the candidates, and their reasons and confidences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity.search_result import top_k
from matcher.model import Basis, Constraint, LeftOut, interest_id
from matcher.ranking.floors import Floors, floor_of
from matcher.ranking.policy import CONVINCING, RankingTerms, rank
from tests.ranking.search_results import TEXT, UNITS, found_of

people = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 100)), max_size=5),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.integers(0, 2),
    ),
    max_size=12,
)


@given(people, st.sampled_from([0.0, 0.02, 0.3, 1.0]), st.integers(1, 9))
def test_equals_come_first_by_load_then_idleness_then_id_and_the_rest_by_score(
    drawn: list[tuple[list[tuple[int, int, int]], float, int]], tolerance: float, most: int
) -> None:
    """The order is that of sorting all agents of the result by the rule, cut at `most`."""
    result = found_of(drawn)
    ranking = rank(result, UNITS, RankingTerms(0.0, tolerance, most=most))
    if not len(result.agents):
        assert ranking.basis is Basis.FALLBACK
        return
    best = result.scores.affinity.max()
    everyone = sorted(
        (
            -np.inf if result.scores.affinity[at] >= best - tolerance else -result.scores.score[at],
            result.utilization[at],
            result.idle_since_ms[at],
            agent.id,
        )
        for at, agent in enumerate(result.agents)
    )
    assert ranking.basis is Basis.AFFINITY
    assert [candidate.agent for candidate in ranking.candidates] == [agent for *_, agent in everyone[:most]]
    affinity = {agent.id: result.scores.affinity[at] for at, agent in enumerate(result.agents)}
    assert all(candidate.affinity == affinity[candidate.agent] for candidate in ranking.candidates)


def test_without_tolerance_the_closest_agent_comes_first_also_when_busy() -> None:
    """The closest agent is nearly full, and comes first unless a tolerance makes another agent equal."""
    drawn = [([(1, 0, 60)], 0.0, 0), ([(1, 0, 61)], 1.0, 9), ([(1, 0, 40)], 0.0, 0)]
    ranking = rank(found_of(drawn), UNITS, RankingTerms(0.0, 0.0))
    assert [candidate.agent for candidate in ranking.candidates] == ["agent-98", "agent-99", "agent-97"]
    ranking = rank(found_of(drawn), UNITS, RankingTerms(0.0, 0.02))
    assert [candidate.agent for candidate in ranking.candidates] == ["agent-99", "agent-98", "agent-97"]


def test_the_reasons_are_the_three_strongest_with_their_place_in_the_text() -> None:
    """Four sentences match interests; start and end of the three strongest cut them out of the customer's text."""
    result = found_of([([(0, 0, 35), (1, 0, 40), (1, 1, 80), (2, 2, 60), (3, 2, 50)], 0.0, 0)])
    reasons = rank(result, UNITS, RankingTerms(0.0, 0.0)).candidates[0].reasons
    assert [TEXT[reason.start : reason.end] for reason in reasons] == [
        "I love apple pie.",
        "And jazz at night.",
        "Bye.",
    ]
    assert [reason.interest for reason in reasons] == ["interest 1 of 0", "interest 2 of 0", "interest 2 of 0"]
    assert [reason.interest_id for reason in reasons] == [interest_id(reason.interest) for reason in reasons]
    assert [reason.similarity for reason in reasons] == pytest.approx([0.8, 0.6, 0.5])


def test_a_reason_too_weak_to_convince_a_person_is_marked() -> None:
    """Each agent has one pair; the record keeps all, and marks those below the strength at which readers agreed."""
    result = found_of([([(1, 0, cosine)], 0.0, 0) for cosine in range(30, 90, 4)])
    candidates = rank(result, UNITS, RankingTerms(0.0, 0.0, most=99)).candidates
    reason_of = {candidate.agent: candidate.reasons[0] for candidate in candidates}
    scores = result.scores
    for at, agent in enumerate(result.agents):
        strength = scores.strength[scores.first[at]]
        assert reason_of[agent.id].weak == (strength < CONVINCING)
    assert {reason.weak for reason in reason_of.values()} == {True, False}


def test_below_the_floor_of_equal_loads_the_longest_idle_comes_first_and_reasons_are_kept() -> None:
    """A weak match outweighs neither load nor idleness: the longest idle comes first, each with its small affinity."""
    drawn = [([(1, 0, 33)], 0.0, 2), ([], 0.0, 0), ([(2, 1, 31)], 0.0, 1)]
    ranking = rank(found_of(drawn), UNITS, RankingTerms(0.2, 0.02), left_out=LeftOut({Constraint.STATUS: 4}))
    assert ranking.basis is Basis.FALLBACK
    assert [candidate.agent for candidate in ranking.candidates] == ["agent-98", "agent-97", "agent-99"]
    assert [len(candidate.reasons) for candidate in ranking.candidates] == [0, 1, 1]
    assert ranking.candidates[0].affinity == ranking.candidates[0].score == 0
    assert ranking.candidates[2].affinity > ranking.candidates[1].affinity > 0
    assert (ranking.affinity_floor, ranking.affinity_tolerance, ranking.eligible) == (0.2, 0.02, 3)
    assert (ranking.units, ranking.units_merged, ranking.left_out.counts) == (4, False, {Constraint.STATUS: 4})


def test_at_the_floor_affinity_decides() -> None:
    """An affinity that equals the floor is enough."""
    result = found_of([([(1, 0, 50)], 0.0, 5), ([], 0.0, 0)])
    reached = float(result.scores.affinity[0])
    assert rank(result, UNITS, RankingTerms(reached, 0.0)).basis is Basis.AFFINITY
    assert rank(result, UNITS, RankingTerms(float(np.nextafter(reached, 1)), 0.0)).basis is Basis.FALLBACK


@given(people)
def test_every_confidence_is_a_probability(drawn: list[tuple[list[tuple[int, int, int]], float, int]]) -> None:
    """Each candidate has a confidence in [0, 1], the same in both orders; without a match it is 0."""
    result = found_of(drawn)
    by_idleness = rank(result, UNITS, RankingTerms(2.0, 0.0)).candidates
    by_affinity = {
        candidate.agent: candidate.confidence for candidate in rank(result, UNITS, RankingTerms(0.0, 0.0)).candidates
    }
    for candidate in by_idleness:
        assert 0 <= candidate.confidence <= 1
        if not candidate.reasons:
            assert candidate.confidence == 0
        elif by_affinity and candidate.agent in by_affinity:
            assert candidate.confidence == pytest.approx(by_affinity[candidate.agent])


def test_confidence_is_the_lead_over_the_other_agents_not_the_affinity() -> None:
    """Two equally close agents have equal confidence; a single match that is less close has more."""
    tied = rank(found_of([([(1, 0, 95)], 0.0, 0), ([(1, 0, 95)], 0.0, 0)]), UNITS, RankingTerms(0.0, 0.0))
    alone = rank(found_of([([(1, 0, 70)], 0.0, 0), ([], 0.0, 0)]), UNITS, RankingTerms(0.0, 0.0))
    first, second = (candidate.confidence for candidate in tied.candidates)
    assert first == second
    assert alone.candidates[0].confidence > first


def test_without_eligible_agents_there_are_no_candidates() -> None:
    """With no eligible agent the ranking is empty and nothing fails."""
    ranking = rank(found_of([]), UNITS, RankingTerms(0.0, 0.0))
    assert (ranking.candidates, ranking.basis, ranking.eligible) == ((), Basis.FALLBACK, 0)


@given(st.lists(st.floats(0, 1), max_size=200))
def test_at_least_95_percent_of_small_talk_is_at_or_below_the_floor(best: list[float]) -> None:
    """At most one in twenty small-talk messages is above the floor, and one message is exactly at it."""
    value = floor_of(best)
    assert sum(affinity > value for affinity in best) <= 0.05 * len(best)
    assert value in best or not best


def test_no_floor_is_lower_than_the_absolute_one() -> None:
    """Each language has the higher of both floors, and a language without any has that of unknown languages."""
    floors = Floors({"en": 0.2, "es": 0.6}, 0.6).at_least(Floors({"en": 0.3, "es": 0.1, "tr": 0.4}, 0.1))
    assert {tag: floors.of(tag) for tag in ("en", "es", "tr", "", "tlh")} == {
        "en": 0.3,
        "es": 0.6,
        "tr": 0.4,
        "": 0.6,
        "tlh": 0.6,
    }


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 45),
)
def test_the_top_k_are_those_of_a_full_sort(rows: list[tuple[int, int, int]], most: int) -> None:
    """Choosing without sorting gives the rows that a sort puts first, and the rows that tie with the last of them."""
    chosen = top_k([np.array(column) for column in zip(*rows, strict=True)], most)
    assert len(set(chosen.tolist())) == len(chosen)
    last = sorted(rows)[:most][-1]
    assert sorted(rows[at] for at in chosen) == sorted(row for row in rows if row <= last)
