"""Dataset: a scorer learns from the same evidence that a search finds."""

from __future__ import annotations

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.index import Query, SiteIndex
from matcher.model import Agent, Profile, Requirements
from matcher.model.lifecycle import AgentStatus
from matcher.training.dataset import Dataset, evidence_of
from tests.index.rosters import DIMENSION, PAIR_SCORERS, SCORERS, vectors, vectors_of_two_halves

AGENTS, UNITS = 12, 9
WORDS = ("jazz", "chess", "goats", "bread")


@pytest.mark.parametrize("scorer", [*SCORERS, *PAIR_SCORERS])
def test_learning_and_searching_compare_alike(scorer: Scorer) -> None:
    """Every unit meets the same interests as closely, and shares the same words, also of texts in several languages."""
    make = vectors if scorer.halves is None else vectors_of_two_halves
    interests = make(1, 2 * AGENTS).astype(np.float16).astype(np.float32)
    units = make(2, UNITS)
    words = [(WORDS[at % 4],) for at in range(2 * AGENTS)]
    index = SiteIndex(scorer, DIMENSION)
    for number in range(AGENTS):
        own = slice(2 * number, 2 * number + 2)
        profile = Profile(f"{number}", tuple(f"{word} {number}" for (word,) in words[own]))
        index.put(Agent(f"{number:02d}", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 1), interests[own])
    stems = [(WORDS[at % 4],) for at in range(UNITS)]
    result = index.find(Query(units, stems), Requirements(), ignore_availability=True)
    found = result.evidence
    learned = evidence_of(
        Dataset(
            name="made",
            agents=AGENTS,
            interests=interests,
            owner=np.repeat(np.arange(AGENTS), 2),
            interest_stems=[(*of, str(number // 2)) for number, of in enumerate(words)],
            units=units,
            message=np.zeros(UNITS, np.int64),
            unit_stems=stems,
            relevant=np.eye(1, AGENTS, dtype=np.bool_),
            person=[""] * AGENTS,
        ),
        scorer,
    )
    tables = [
        {
            (int(unit), int(agent), int(interest)): (float(cosine), float(lexical))
            for unit, agent, interest, cosine, lexical in zip(
                one.unit, one.agent, one.interest, one.cosine, one.lexical, strict=True
            )
        }
        for one in (found, learned)
    ]
    assert tables[0].keys() == tables[1].keys()
    assert len(tables[0]) > UNITS
    for triple, expected in tables[0].items():
        assert tables[1][triple] == pytest.approx(expected, abs=1e-5)
