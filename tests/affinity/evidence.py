"""Evidence that hypothesis draws, and a plain scoring by the definition."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from matcher.affinity.scorer import Evidence, Scorer


@dataclass(frozen=True, slots=True)
class Meeting:
    """A unit that meets an interest of an agent."""

    unit: int
    agent: int
    interest: int
    cosine: float
    lexical: float


def held_by(agent: int) -> int:
    """Return how many interests an agent has, few or many."""
    return (1, 4, 5, 20, 64)[agent % 5]


def evidence_of(meetings: list[Meeting]) -> Evidence:
    """Return meetings as the arrays of a search."""
    return Evidence(
        unit=np.array([meeting.unit for meeting in meetings], np.int64),
        agent=np.array([meeting.agent for meeting in meetings], np.int64),
        interest=np.array([meeting.interest for meeting in meetings], np.int64),
        cosine=np.array([meeting.cosine for meeting in meetings], np.float32),
        lexical=np.array([meeting.lexical for meeting in meetings], np.float32),
        held=np.array([held_by(meeting.agent) for meeting in meetings], np.int64),
    )


cosines = st.integers(-100, 100).map(lambda percent: percent / 100)
meetings = st.lists(
    st.builds(
        Meeting,
        unit=st.integers(0, 5),
        agent=st.integers(0, 9),
        interest=st.integers(0, 4),
        cosine=cosines,
        lexical=st.integers(0, 8).map(lambda quarters: quarters / 4),
    ),
    unique_by=lambda one: (one.unit, one.agent, one.interest),
    max_size=60,
)
unit_weights = st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=6, max_size=6)
"""Weights of the units of `meetings`."""


def plain_scores(scorer: Scorer, drawn: list[Meeting]) -> dict[int, float]:
    """Score by the definition, one meeting after the other."""
    strengths: dict[tuple[int, int], list[float]] = defaultdict(list)
    for one in drawn:
        excess = float(np.float32(one.cosine)) - scorer.threshold
        if np.float32(one.cosine) > scorer.threshold:
            gate = (excess - scorer.lexical_from) / (scorer.lexical_full - scorer.lexical_from)
            strength = excess + scorer.lexical_weight * one.lexical * min(max(gate, 0.0), 1.0)
            strengths[one.agent, one.unit].append(strength)
    scores: dict[int, float] = defaultdict(float)
    for (agent, _), each in strengths.items():
        plenty = max(held_by(agent), scorer.ample)
        lowered = [max(one - scorer.handicap * math.log(plenty / scorer.ample), 0.0) for one in each]
        scores[agent] += (1 - scorer.corroboration) * max(lowered) + scorer.corroboration * sum(lowered) / plenty
    return dict(scores)
