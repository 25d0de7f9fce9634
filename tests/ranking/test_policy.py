"""The order in which those found are offered, and what is said about each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity.search_result import top_k
from matcher.model import Basis, Constraint, LeftOut, interest_id
from matcher.ranking.policy import RankingTerms, floor_of, rank
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
    """The order is that of sorting everybody found by the rule, cut where it was asked to end."""
    found = found_of(drawn)
    ranking = rank(found, UNITS, RankingTerms(0.0, tolerance, most=most))
    if not len(found.agents):
        assert ranking.basis is Basis.FALLBACK
        return
    best = found.scores.affinity.max()
    everyone = sorted(
        (
            -np.inf if found.scores.affinity[at] >= best - tolerance else -found.scores.score[at],
            found.utilization[at],
            found.idle_since_ms[at],
            agent.id,
        )
        for at, agent in enumerate(found.agents)
    )
    assert ranking.basis is Basis.AFFINITY
    assert [candidate.agent for candidate in ranking.candidates] == [agent for *_, agent in everyone[:most]]
    affinity = {agent.id: found.scores.affinity[at] for at, agent in enumerate(found.agents)}
    assert all(candidate.affinity == affinity[candidate.agent] for candidate in ranking.candidates)


def test_without_tolerance_the_closest_comes_first_however_busy() -> None:
    """The closest agent is nearly full, and still comes first where nobody counts as equal."""
    drawn = [([(1, 0, 60)], 0.0, 0), ([(1, 0, 61)], 1.0, 9), ([(1, 0, 40)], 0.0, 0)]
    ranking = rank(found_of(drawn), UNITS, RankingTerms(0.0, 0.0))
    assert [candidate.agent for candidate in ranking.candidates] == ["agent-98", "agent-99", "agent-97"]
    ranking = rank(found_of(drawn), UNITS, RankingTerms(0.0, 0.02))
    assert [candidate.agent for candidate in ranking.candidates] == ["agent-99", "agent-98", "agent-97"]


def test_reasons_are_the_three_strongest_with_their_place_in_the_text() -> None:
    """Four sentences meet interests; the three strongest are told, sliceable out of the customer's own text."""
    found = found_of([([(0, 0, 35), (1, 0, 40), (1, 1, 80), (2, 2, 60), (3, 2, 50)], 0.0, 0)])
    reasons = rank(found, UNITS, RankingTerms(0.0, 0.0)).candidates[0].reasons
    assert [TEXT[reason.start : reason.end] for reason in reasons] == [
        "I love apple pie.",
        "And jazz at night.",
        "Bye.",
    ]
    assert [reason.interest for reason in reasons] == ["interest 1 of 0", "interest 2 of 0", "interest 2 of 0"]
    assert [reason.interest_id for reason in reasons] == [interest_id(reason.interest) for reason in reasons]
    assert [reason.similarity for reason in reasons] == pytest.approx([0.8, 0.6, 0.5])


def test_below_the_floor_the_longest_idle_is_offered_and_still_explained() -> None:
    """A weak meeting does not outdo waiting: the longest idle comes first, each with what little affinity there is."""
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
    found = found_of([([(1, 0, 50)], 0.0, 5), ([], 0.0, 0)])
    reached = float(found.scores.affinity[0])
    assert rank(found, UNITS, RankingTerms(reached, 0.0)).basis is Basis.AFFINITY
    assert rank(found, UNITS, RankingTerms(float(np.nextafter(reached, 1)), 0.0)).basis is Basis.FALLBACK


@given(people)
def test_every_confidence_is_a_probability(drawn: list[tuple[list[tuple[int, int, int]], float, int]]) -> None:
    """Whoever is listed has a confidence in [0, 1], the same by whichever order; whom nothing met has 0."""
    found = found_of(drawn)
    by_idleness = rank(found, UNITS, RankingTerms(2.0, 0.0)).candidates
    by_affinity = {one.agent: one.confidence for one in rank(found, UNITS, RankingTerms(0.0, 0.0)).candidates}
    for candidate in by_idleness:
        assert 0 <= candidate.confidence <= 1
        if not candidate.reasons:
            assert candidate.confidence == 0
        elif by_affinity and candidate.agent in by_affinity:
            assert candidate.confidence == pytest.approx(by_affinity[candidate.agent])


def test_confidence_is_the_lead_over_the_others_not_the_closeness() -> None:
    """Two equally close agents are equally sure; a lone one who is less close is surer of hers."""
    tied = rank(found_of([([(1, 0, 95)], 0.0, 0), ([(1, 0, 95)], 0.0, 0)]), UNITS, RankingTerms(0.0, 0.0))
    alone = rank(found_of([([(1, 0, 70)], 0.0, 0), ([], 0.0, 0)]), UNITS, RankingTerms(0.0, 0.0))
    first, second = (candidate.confidence for candidate in tied.candidates)
    assert first == second
    assert alone.candidates[0].confidence > first


def test_nobody_is_an_order_of_nobody() -> None:
    """With nobody eligible there is no candidate and nothing fails."""
    ranking = rank(found_of([]), UNITS, RankingTerms(0.0, 0.0))
    assert (ranking.candidates, ranking.basis, ranking.eligible) == ((), Basis.FALLBACK, 0)


@given(st.lists(st.floats(0, 1), max_size=200))
def test_the_floor_leaves_at_least_95_percent_of_small_talk_below_or_at_it(best: list[float]) -> None:
    """At most one in twenty small-talk messages lies above the floor, and some message lies at it."""
    value = floor_of(best)
    assert sum(one > value for one in best) <= 0.05 * len(best)
    assert value in best or not best


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.integers(1, 45),
)
def test_the_foremost_are_those_of_a_full_sort(rows: list[tuple[int, int, int]], most: int) -> None:
    """Choosing without sorting gives the rows a sort would put first, and those that tie with the last of them."""
    chosen = top_k([np.array(column) for column in zip(*rows, strict=True)], most)
    assert len(set(chosen.tolist())) == len(chosen)
    last = sorted(rows)[:most][-1]
    assert sorted(rows[at] for at in chosen) == sorted(row for row in rows if row <= last)
