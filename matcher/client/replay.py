"""A decision made again: the same rule, by what the store saw of the candidates. Nothing is asked of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from matcher.model import SeenAgent
from matcher.model.choice import choose
from matcher.v1 import routing_pb2 as pb

BY_HAND: Final = frozenset({pb.ASSIGNED})
NOT_REDONE: Final = (
    "encoding: the message is not kept",
    "search: the affinities, and who met the constraints, are those of the record",
)
JOINT: Final = "the joint choice: this agent alone was asked for, chosen beside other contacts or by another rule"
ALL_EQUAL: Final = -1.0
"""The tolerance at which every affinity counts as equal."""


class NotReplayable(Exception):
    """The record does not hold what it takes to make its choice again."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The choice of a decision, made again; agent "": by what was seen, nobody had free capacity."""

    agent: str
    tolerance: float
    seen: tuple[SeenAgent, ...]
    affinities: Mapping[str, float]
    not_redone: tuple[str, ...]


def replayed(record: pb.Decision) -> Replay:
    """Make the choice of a decision again. Raises NotReplayable where the record does not hold what it needs."""
    if record.basis in BY_HAND:
        raise NotReplayable("a person assigned the contact: there is no choice to make again")
    if not record.seen_agents:
        raise NotReplayable(
            "the decision holds nothing of what the store saw: an earlier version made it, or its agent was forgotten"
        )
    affinities = {candidate.agent: candidate.affinity for candidate in record.candidates}
    seen = tuple(_seen(agent) for agent in record.seen_agents)
    if missing := [agent.agent for agent in seen if agent.agent not in affinities]:
        raise NotReplayable(f"the record names {', '.join(map(_short, missing))} no more")
    tolerance = record.affinity_tolerance if record.basis == pb.AFFINITY else ALL_EQUAL
    alone = len(seen) == 1 and len(record.candidates) > 1 and record.candidates[0].agent != seen[0].agent
    return Replay(
        choose(seen, affinities, tolerance) or "",
        tolerance,
        seen,
        affinities,
        (*NOT_REDONE, JOINT) if alone else NOT_REDONE,
    )


def _seen(record: pb.SeenAgent) -> SeenAgent:
    refused = "GONE" if record.gone else pb.Constraint.Name(record.refused).removeprefix("CONSTRAINT_")
    idle_since_ms = record.idle_since.ToMilliseconds()
    free = not (record.gone or record.refused)
    return SeenAgent(record.agent, record.load, record.total, idle_since_ms, refused="" if free else refused)


def _short(name: str) -> str:
    return name.rpartition("/")[2]
