"""Kinds of pairs: two English texts are compared by both halves, all others by the second, and all are added up."""

from __future__ import annotations

import numpy as np
import pytest

from matcher.affinity.kinds import Others
from matcher.affinity.scorer import Scorer
from matcher.affinity.sentences import Sentences, Span
from matcher.index import Query, SiteIndex
from matcher.model import Agent, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from matcher.ranking.policy import RankingTerms, rank

HALVES = (2, 2)
ENGLISH, GERMAN = (0.6, 0.8, 1.0, 0.0), (0.0, 0.0, 0.8, 0.6)
OTHERS = Others(threshold=0.5, slope=0.8)
BLOCKS = np.diag([0.5, 0.5, 1.0, 2.0]).astype(np.float32)


def met(scorer: Scorer, unit: tuple[float, ...], interest: tuple[float, ...]) -> tuple[float, float] | None:
    """Return what the pair's cosine is worth and the cosine itself; None: the two do not meet."""
    index = SiteIndex(scorer, 4)
    index.put(Agent("a", Profile("A", ("Jazz",)), AgentStatus.ONLINE, 1, 1, 0, 0, 1), np.array([interest], np.float32))
    found = index.find(Query(np.array([unit], np.float32), [("jazz",)]), Requirements(), ignore_availability=True)
    assert len(found.agents) == len(found.evidence.cosine)
    if not len(found.agents):
        return None
    (candidate,) = rank(found, Sentences((Span(0, 4),), merged=False, set_aside=()), RankingTerms(0.0, 0.0)).candidates
    assert found.evidence.similarity is not None
    assert candidate.reasons[0].similarity == found.evidence.similarity[0]
    return float(found.evidence.cosine[0]), candidate.reasons[0].similarity


@pytest.mark.parametrize("linear", [None, BLOCKS])
def test_two_english_texts_are_compared_by_both_halves(linear: np.ndarray | None) -> None:
    """The similarity is the cosine of the whole vectors under the map."""
    scorer = Scorer(map=linear, halves=HALVES, others=OTHERS)
    unit = (1.0, 0.0, 0.6, 0.8)
    one, other = (np.array(side) @ (np.eye(4) if linear is None else linear) for side in (unit, ENGLISH))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert met(scorer, unit, ENGLISH) == pytest.approx((cosine, cosine), abs=1e-3)


@pytest.mark.parametrize("linear", [None, BLOCKS])
@pytest.mark.parametrize(("unit", "interest"), [(ENGLISH, GERMAN), (GERMAN, ENGLISH), (GERMAN, (0.0, 0.0, 1.0, 0.0))])
def test_other_pairs_are_compared_by_the_second_half_alone(
    linear: np.ndarray | None, unit: tuple[float, ...], interest: tuple[float, ...]
) -> None:
    """Whichever of the two is English: the similarity is the cosine of the second halves, its worth by `others`."""
    second = np.eye(2) if linear is None else linear[2:, 2:]
    one, other = (np.array(side[2:]) @ second for side in (unit, interest))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    scorer = Scorer(map=linear, halves=HALVES, others=Others(threshold=0.45, slope=0.8))
    assert met(scorer, unit, interest) == pytest.approx((0.3 + 0.8 * (cosine - 0.45), cosine), abs=1e-3)


@pytest.mark.parametrize(("unit", "interest"), [(ENGLISH, GERMAN), (GERMAN, ENGLISH)])
@pytest.mark.parametrize("slope", [0.1, 5.0])
def test_a_pair_of_two_languages_meets_from_its_own_threshold_on(
    unit: tuple[float, ...], interest: tuple[float, ...], slope: float
) -> None:
    """The cosine is 0.8: above a threshold of 0.79 the two meet, above one of 0.81 they do not, whatever the slope."""
    assert met(Scorer(halves=HALVES, others=Others(0.79, slope)), unit, interest) is not None
    assert met(Scorer(halves=HALVES, others=Others(0.81, slope)), unit, interest) is None


def test_shared_words_count_between_two_english_texts_alone() -> None:
    """Words are stemmed as English: "rot" is no shared word of a German text and an English one."""
    index = SiteIndex(Scorer(halves=HALVES, others=OTHERS), 4)
    for name, vector in (("english", ENGLISH), ("german", (0.0, 0.0, 1.0, 0.0))):
        agent = Agent(name, Profile(name, ("Rot",)), AgentStatus.ONLINE, 1, 1, 0, 0, 1)
        index.put(agent, np.array([vector], np.float32))
    found = index.find(Query(np.array([ENGLISH], np.float32), [("rot",)]), Requirements(), ignore_availability=True)
    shared = dict(zip((agent.id for agent in found.agents), found.evidence.lexical.tolist(), strict=True))
    assert shared["english"] > 0
    assert shared["german"] == 0


def test_an_interest_without_a_vector_is_never_met() -> None:
    """What no model knows anything of is zeros, and meets neither an English unit nor another."""
    for unit in (ENGLISH, GERMAN):
        assert met(Scorer(halves=HALVES, others=Others(0.1)), unit, (0.0, 0.0, 0.0, 0.0)) is None


def test_what_does_not_belong_together_is_refused() -> None:
    """Halves without a threshold for others, a map that mixes the halves, and a slope that turns the order round."""
    with pytest.raises(ValueError, match="belong together"):
        Scorer(halves=HALVES)
    with pytest.raises(ValueError, match="one block a half"):
        Scorer(map=np.ones((4, 4), np.float32), halves=HALVES, others=OTHERS)
    with pytest.raises(ValueError, match="positive"):
        Others(0.3, 0.0)
