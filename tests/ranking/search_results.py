"""Search results made by hand, as an index would return them."""

from __future__ import annotations

import numpy as np

from matcher.affinity.scorer import UNTRAINED, Evidence, Scorer
from matcher.affinity.search_result import FreeAgent, SearchResult
from matcher.affinity.sentences import split
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus

TEXT = "My router is dead. I love apple pie. And jazz at night. Bye."
UNITS = split(TEXT)


def person(row: int) -> Agent:
    """Return the agent of a row; the order of the ids is the reverse of the order of the rows."""
    profile = Profile(f"Number {row}", tuple(f"interest {at} of {row}" for at in range(3)))
    return Agent(f"agent-{99 - row}", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 0)


def found_of(drawn: list[tuple[list[tuple[int, int, int]], float, int]]) -> SearchResult:
    """Return the search result for agents given as (unit, interest, cosine in percent), utilization, idle since."""
    triples = [(unit, row, at, cosine) for row, (matches, _, _) in enumerate(drawn) for unit, at, cosine in matches]
    unit, row, at, cosine = np.array(triples, np.int64).reshape(-1, 4).T
    lexical = np.zeros(len(unit), np.float32)
    evidence = Evidence(unit, row, at, (cosine / 100).astype(np.float32), lexical, np.full(len(unit), 3))
    scores = Scorer().score(evidence)
    agents = np.empty(len(scores.agent), np.object_)
    agents[:] = [person(int(row)) for row in scores.agent]
    resting = sorted(
        (FreeAgent(row, person(row), used, idle) for row, (_, used, idle) in enumerate(drawn)),
        key=lambda free: (free.utilization, free.idle_since_ms, free.agent.id),
    )
    return SearchResult(
        evidence=evidence,
        scores=scores,
        agents=agents,
        utilization=np.array([drawn[row][1] for row in scores.agent]),
        idle_since_ms=np.array([drawn[row][2] for row in scores.agent], np.int64),
        least_utilized=tuple(resting[:8]),
        eligible=len(drawn),
        pool_agents=len(drawn),
        rows=3 * len(drawn),
        calibration=UNTRAINED,
        scorer="",
    )
