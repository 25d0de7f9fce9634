"""Plain model of the index: dictionaries and loops over all agents, nothing built for speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon, stems
from matcher.affinity.scorer import Evidence, Scorer
from matcher.index import Query
from matcher.model import Agent, Constraint, Hold, Requirements
from matcher.model.languages import meets
from matcher.model.lifecycle import AgentStatus

Floats = NDArray[np.float32]


def unit_length(vectors: NDArray[np.floating]) -> Floats:
    """Return vectors [n, dimension] brought to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def worth(scorer: Scorer, one: Floats, other: Floats) -> float:
    """Return what the cosine of two vectors is worth to a scorer: of two halves, by the kinds of the texts."""
    linear = np.eye(len(one)) if scorer.map is None else scorer.map.astype(np.float64)
    one, other = one.astype(np.float64), other.astype(np.float64)
    if scorer.halves is None or scorer.others is None:
        return float(one @ other) if scorer.map is None else cosine(one @ linear, other @ linear)
    first = scorer.halves[0]
    if one[:first].any() and other[:first].any():
        return cosine(one @ linear, other @ linear)
    second = linear[first:, first:]
    alone = cosine(one[first:] @ second, other[first:] @ second)
    return scorer.threshold + scorer.others.slope * (alone - scorer.others.threshold)


def cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the cosine of two vectors; 0 where one of them is zero."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0


@dataclass
class PlainIndex:
    """Keep the agents, and score every eligible agent against every unit."""

    scorer: Scorer
    scorers: dict[str, Scorer] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    vectors: dict[str, Floats] = field(default_factory=dict)

    def put(self, agent: Agent, vectors: Floats) -> None:
        """Add or replace an agent."""
        self.agents[agent.id] = agent
        self.vectors[agent.id] = vectors.astype(np.float16).astype(np.float32)

    def put_status(self, agent: str, status: AgentStatus, idle_since_ms: int) -> None:
        """Set the status."""
        self.agents[agent] = replace(self.agents[agent], status=status, idle_since_ms=idle_since_ms)

    def remove(self, agent: str) -> None:
        """Remove an agent."""
        del self.agents[agent], self.vectors[agent]

    def hold(self, agent: str, hold: Hold) -> None:
        """Add a hold, or replace that of the same reservation."""
        self.free(agent, hold.reservation)
        before = self.agents[agent]
        self.agents[agent] = replace(before, holds=(*before.holds, hold))

    def free(self, agent: str, reservation: str) -> None:
        """Remove the hold of a reservation."""
        before = self.agents[agent]
        self.agents[agent] = replace(before, holds=tuple(h for h in before.holds if h.reservation != reservation))

    def lapse(self, now_ms: int) -> int:
        """Remove the holds whose deadline has passed, and return their number."""
        lapsed = 0
        for agent in list(self.agents.values()):
            for hold in agent.holds:
                if hold.deadline_ms <= now_ms:
                    self.free(agent.id, hold.reservation)
                    lapsed += 1
        return lapsed

    def next_deadline(self) -> int | None:
        """Return the earliest deadline."""
        return min((hold.deadline_ms for agent in self.agents.values() for hold in agent.holds), default=None)

    def unmet(self, agent: Agent, requirements: Requirements) -> Constraint | None:
        """Return the first constraint an agent does not meet."""
        profile, capacity = agent.profile, agent.profile.capacity
        channel = capacity.channels.get(requirements.channel)
        # A hold that costs nothing is an idle conversation and does not count towards the channel's maximum.
        contacts = sum(hold.channel == requirements.channel and hold.cost > 0 for hold in agent.holds)
        met = {
            Constraint.POOL: requirements.pool in profile.pools,
            Constraint.EXCLUDED: agent.id not in requirements.excluded,
            Constraint.CHANNEL: channel is not None,
            Constraint.LANGUAGE: not requirements.language
            or any(meets(requirements.language, language) for language in profile.languages),
            Constraint.SKILL: all(profile.skills.get(name, -1) >= least for name, least in requirements.skills.items()),
            Constraint.STATUS: agent.status is AgentStatus.ONLINE,
            Constraint.CAPACITY: channel is not None
            and self.load(agent) + channel.cost <= capacity.total
            and (channel.max == 0 or contacts < channel.max),
        }
        return next((constraint for constraint, holds in met.items() if not holds), None)

    def load(self, agent: Agent) -> int:
        """Return the capacity that the agent's holds take."""
        return sum(hold.cost for hold in agent.holds)

    def utilization(self, agent: Agent) -> float:
        """Return load over capacity."""
        total = agent.profile.capacity.total
        return self.load(agent) / total if total else max(1.0, self.load(agent))

    def eligible(self, requirements: Requirements, *, ignore_availability: bool = False) -> list[Agent]:
        """Return the agents that meet the requirements."""
        met = {None, Constraint.STATUS, Constraint.CAPACITY} if ignore_availability else {None}
        return [agent for agent in self.agents.values() if self.unmet(agent, requirements) in met]

    def affinities(self, eligible: Sequence[Agent], query: Query, pool: str) -> dict[str, tuple[float, float]]:
        """Return score and affinity of each agent that is met; all units are compared with all interests."""
        scorer = self.scorers.get(pool, self.scorer)
        lexicon = Lexicon()
        handles = {
            agent.id: [lexicon.add(stems(interest)) for interest in agent.profile.interests]
            for agent in self.agents.values()
        }
        weights = np.array(query.weights or [1.0] * len(query.units), np.float32)
        affinities = {}
        for agent in eligible:
            rows = self.vectors[agent.id]
            cosine = np.array([[worth(scorer, one, other) for other in rows] for one in query.units], np.float32)
            cosine = cosine.reshape(len(query.units), len(rows))
            unit, interest = np.nonzero(cosine > -2)
            lexical = lexicon.shared(query.stems, unit, np.array(handles[agent.id])[interest])
            if scorer.halves is not None:
                english = [one[: scorer.halves[0]].any() for one in rows]
                lexical *= [
                    bool(query.units[u][: scorer.halves[0]].any() and english[i])
                    for u, i in zip(unit, interest, strict=True)
                ]
            held = np.full(len(unit), len(handles[agent.id]))
            one_agent = np.zeros(len(unit), np.int64)
            evidence = Evidence(unit, one_agent, interest, cosine[unit, interest], lexical, held)
            scores = scorer.score(evidence, weights[unit])
            if len(scores.agent):
                affinities[agent.id] = (float(scores.score[0]), float(scores.affinity[0]))
        return affinities
