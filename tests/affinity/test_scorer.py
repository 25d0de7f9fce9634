"""Laws of the scorer, for any evidence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity.scorer import Scorer, Scores
from tests.affinity.evidence import Meeting, evidence_of, held_by, meetings, plain_scores, unit_weights

SCORER = Scorer()
scorers = st.sampled_from([SCORER, Scorer(threshold=0.2, lexical_weight=0.0), Scorer(corroboration=0.0, handicap=0.2)])


def affinities(scores: Scores) -> dict[int, float]:
    """Return the affinity of each agent who was met."""
    return dict(zip(scores.agent.tolist(), scores.affinity.tolist(), strict=True))


@given(meetings, scorers)
def test_scores_are_those_of_the_definition(found: list[Meeting], scorer: Scorer) -> None:
    """All meetings at once in arrays or one after the other: the same score, and affinity 1 - exp(-3 score)."""
    scores = scorer.score(evidence_of(found))
    assert dict(zip(scores.agent.tolist(), scores.score.tolist(), strict=True)) == pytest.approx(
        plain_scores(scorer, found)
    )
    assert scores.affinity == pytest.approx(1 - np.exp(-scorer.saturation * scores.score))


@given(meetings, st.randoms())
def test_the_order_of_the_evidence_changes_nothing(found: list[Meeting], chance: st.DataObject) -> None:
    """Shuffled evidence gives the same scores to the last bit, and the same reasons."""
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # st.randoms() gives a random.Random
    one, other = SCORER.score(evidence_of(found)), SCORER.score(evidence_of(shuffled))
    assert one.agent.tolist() == other.agent.tolist()
    assert one.score.tolist() == other.score.tolist()
    assert [found[at] for at in one.reason] == [shuffled[at] for at in other.reason]


@given(meetings, scorers)
def test_affinity_is_a_share_and_orders_as_the_score(found: list[Meeting], scorer: Scorer) -> None:
    """It is in [0, 1], and an agent with a higher score has no less of it; breadth is in [0, 1], too."""
    scores = scorer.score(evidence_of(found))
    assert ((scores.affinity >= 0) & (scores.affinity <= 1)).all()
    assert ((scores.breadth >= 0) & (scores.breadth <= 1 + 1e-12)).all()
    by_score = scores.affinity[np.argsort(scores.score, kind="stable")]
    assert (np.diff(by_score) >= 0).all()


@given(meetings.filter(bool), st.data(), st.floats(0.01, 1.0))
def test_a_rising_similarity_lowers_nothing(found: list[Meeting], data: st.DataObject, more: float) -> None:
    """One unit closer to one interest: that agent's affinity is no less, all others' are the same."""
    at = data.draw(st.integers(0, len(found) - 1))
    closer = list(found)
    closer[at] = replace(found[at], cosine=min(found[at].cosine + more, 1.0))
    before, after = (affinities(SCORER.score(evidence_of(one))) for one in (found, closer))
    for agent in {one.agent for one in found}:
        if agent == found[at].agent:
            assert after.get(agent, 0.0) >= before.get(agent, 0.0)
        else:
            assert after.get(agent) == before.get(agent)


@given(meetings, st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(-100, 29))
def test_a_sentence_that_meets_no_interest_changes_no_affinity(
    found: list[Meeting], agents: list[int], percent: int
) -> None:
    """A support request around a personal remark lowers no affinity, wherever in the message it is."""
    neutral = [Meeting(0, agent, at, percent / 100, 2.0) for at, agent in enumerate(agents)]
    later = [replace(one, unit=one.unit + 1) for one in found]
    before, after = SCORER.score(evidence_of(found)), SCORER.score(evidence_of(neutral + later))
    assert affinities(after) == affinities(before)


@given(meetings, st.integers(0, 9), st.integers(0, 5), st.integers(-100, 100))
def test_an_added_interest_never_lowers_the_best_reason(
    found: list[Meeting], agent: int, unit: int, percent: int
) -> None:
    """An agent's best reason is no weaker when the agent has one interest more."""
    evidence = evidence_of(found)
    more = evidence_of([*found, Meeting(unit, agent, 99, percent / 100, 0.0)])
    more = replace(more, held=np.where(more.agent == agent, held_by(agent) + 1, more.held))
    for met in set(evidence.agent.tolist()):
        assert best_reason(SCORER.score(more), met) >= best_reason(SCORER.score(evidence), met)


def best_reason(scores: Scores, agent: int) -> float:
    """Return the strength of an agent's best reason; 0: there is none."""
    for at in np.flatnonzero(scores.agent == agent).tolist():
        return float(scores.strength[scores.first[at] : scores.first[at + 1]].max())
    return 0.0


@given(meetings)
def test_reasons_are_the_best_interest_of_each_unit(found: list[Meeting]) -> None:
    """Each agent has one reason for each unit that met the agent, in the order of the message."""
    scores = SCORER.score(evidence_of(found))
    assert scores.first[0] == 0
    assert scores.first[-1] == len(scores.reason) == len(scores.strength)
    for at, agent in enumerate(scores.agent.tolist()):
        reasons = [found[triple] for triple in scores.reason[scores.first[at] : scores.first[at + 1]]]
        units = [one.unit for one in reasons]
        met = {one.unit for one in found if one.agent == agent and np.float32(one.cosine) > SCORER.threshold}
        assert units == sorted(met)
        assert {one.agent for one in reasons} == {agent}


@given(meetings, scorers)
def test_units_of_weight_1_count_as_units_without_weights(found: list[Meeting], scorer: Scorer) -> None:
    """Scores, affinities, breadths and reasons are equal to the last bit."""
    evidence = evidence_of(found)
    plain, weighted = scorer.score(evidence), scorer.score(evidence, np.ones(len(found), np.float32))
    for field in fields(plain):
        assert np.array_equal(getattr(weighted, field.name), getattr(plain, field.name))


@given(meetings, scorers, st.integers(0, 5))
def test_a_unit_of_weight_0_counts_as_if_the_message_did_not_have_it(
    found: list[Meeting], scorer: Scorer, silent: int
) -> None:
    """The same agents with the same scores and the same reasons, to the last bit; nobody is met by that unit alone."""
    evidence = evidence_of(found)
    without = [one for one in found if one.unit != silent]
    weighted = scorer.score(evidence, (evidence.unit != silent).astype(np.float32))
    plain = scorer.score(evidence_of(without))
    for name in ("agent", "score", "affinity", "breadth", "first", "strength"):
        assert np.array_equal(getattr(weighted, name), getattr(plain, name))
    assert [found[at] for at in weighted.reason] == [without[at] for at in plain.reason]


@given(meetings, scorers, unit_weights)
def test_each_unit_counts_by_its_weight(found: list[Meeting], scorer: Scorer, weights: list[float]) -> None:
    """A score is the sum over units of weight times what the unit alone would score; so is a reason's strength."""
    expected: dict[int, float] = defaultdict(float)
    strengths: dict[tuple[int, int], float] = {}
    for unit, weight in enumerate(weights):
        alone = scorer.score(evidence_of([one for one in found if one.unit == unit]))
        for at, agent in enumerate(alone.agent.tolist()):
            if weight:
                expected[agent] += weight * alone.score[at]
                strengths[agent, unit] = weight * alone.strength[at]
    evidence = evidence_of(found)
    scores = scorer.score(evidence, np.array(weights, np.float32)[evidence.unit])
    assert dict(zip(scores.agent.tolist(), scores.score.tolist(), strict=True)) == pytest.approx(dict(expected))
    reasons = [found[at] for at in scores.reason]
    pairs = [(one.agent, one.unit) for one in reasons]
    assert dict(zip(pairs, scores.strength.tolist(), strict=True)) == pytest.approx(strengths)


def test_shared_words_count_only_where_the_meaning_is_close() -> None:
    """At the threshold a shared rare word adds nothing; where the meaning is close it adds a tenth of its weight."""
    added = {
        cosine: plain_scores(SCORER, [Meeting(0, 2, 0, cosine, 1.0)])[2]
        - plain_scores(SCORER, [Meeting(0, 2, 0, cosine, 0.0)])[2]
        for cosine in (0.31, 0.44, 0.6)
    }
    assert added[0.31] == added[0.44] == 0
    assert added[0.6] == pytest.approx(0.1 * (0.7 + 0.3 / 5))


def test_sixty_four_generic_interests_are_worth_less_than_five() -> None:
    """The same meeting counts less in a profile of many interests."""
    scores = SCORER.score(evidence_of([Meeting(0, agent, 0, 0.6, 0.0) for agent in range(5)]))
    one, four, five, twenty, sixty_four = scores.score.tolist()
    assert one == four == five > twenty > sixty_four > 0


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_projected_vectors_have_length_1_and_the_identity_changes_none(dimension: int, seed: int) -> None:
    """A map turns and stretches, and the length is removed; zero stays zero."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(5, dimension)).astype(np.float32)
    vectors[0] = 0
    assert SCORER.project(vectors) is vectors
    mapped = Scorer(map=np.eye(dimension, dtype=np.float32) * 3).project(vectors)
    assert np.linalg.norm(mapped, axis=1) == pytest.approx([0, 1, 1, 1, 1], abs=1e-5)


def test_every_change_of_a_scorer_changes_the_fingerprint() -> None:
    """A decision names its scorer by the fingerprint, so no two scorers may share one."""
    others = [Scorer(threshold=0.2), Scorer(handicap=0.0), Scorer(map=np.eye(2, dtype=np.float32))]
    assert len({one.fingerprint for one in [SCORER, *others]}) == 4
    assert Scorer().fingerprint == SCORER.fingerprint
