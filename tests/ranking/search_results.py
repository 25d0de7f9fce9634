"""What an index would find, made by hand."""

from __future__ import annotations

import numpy as np

from matcher.affinity.scorer import UNTRAINED, Evidence, Scorer
from matcher.affinity.search_result import IdleAgent, SearchResult
from matcher.affinity.sentences import split
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus

TEXT = "My router is dead. I love apple pie. And jazz at night. Bye."
UNITS = split(TEXT)


def person(slot: int) -> Agent:
    """Make the agent of a slot; ids order the other way round than slots."""
    profile = Profile(f"Number {slot}", tuple(f"interest {at} of {slot}" for at in range(3)))
    return Agent(f"agent-{99 - slot}", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 0)


def found_of(drawn: list[tuple[list[tuple[int, int, int]], float, int]]) -> SearchResult:
    """Make what an index would find: for each agent (unit, interest, cosine in percent), utilization, idle since."""
    triples = [(unit, slot, at, cosine) for slot, (met, _, _) in enumerate(drawn) for unit, at, cosine in met]
    unit, slot, at, cosine = np.array(triples, np.int64).reshape(-1, 4).T
    lexical = np.zeros(len(unit), np.float32)
    evidence = Evidence(unit, slot, at, (cosine / 100).astype(np.float32), lexical, np.full(len(unit), 3))
    scores = Scorer().score(evidence)
    agents = np.empty(len(scores.agent), np.object_)
    agents[:] = [person(int(slot)) for slot in scores.agent]
    resting = sorted(
        (IdleAgent(slot, person(slot), used, idle) for slot, (_, used, idle) in enumerate(drawn)),
        key=lambda one: (one.idle_since_ms, one.utilization, one.agent.id),
    )
    return SearchResult(
        evidence=evidence,
        scores=scores,
        agents=agents,
        utilization=np.array([drawn[slot][1] for slot in scores.agent]),
        idle_since_ms=np.array([drawn[slot][2] for slot in scores.agent], np.int64),
        longest_idle=tuple(resting[:8]),
        eligible=len(drawn),
        pool_agents=len(drawn),
        rows=3 * len(drawn),
        calibration=UNTRAINED,
        scorer="",
    )
