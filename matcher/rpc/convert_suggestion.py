"""Suggestions converted to protobuf messages: who fits a message, and what of the message was compared."""

from __future__ import annotations

from matcher.model import Suggestion
from matcher.rpc.candidates import candidate
from matcher.rpc.convert import BASIS, CONSTRAINT, agent_names, left_out_counts, set_aside_parts
from matcher.rpc.resource_names import Kind, name
from matcher.v1 import routing_pb2


def suggestions(site: str, suggestion: Suggestion) -> routing_pb2.SuggestAgentsResponse:
    """Convert the agents ranked for a message."""
    ranking = suggestion.ranking
    return routing_pb2.SuggestAgentsResponse(
        candidates=(candidate(site, agent) for agent in ranking.candidates),
        basis=BASIS[ranking.basis],
        affinity_floor=ranking.affinity_floor,
        affinity_tolerance=ranking.affinity_tolerance,
        left_out=left_out_counts(ranking.left_out),
        left_out_agents=(
            routing_pb2.LeftOutAgent(agent=name(Kind.AGENT, site, agent), constraint=CONSTRAINT[constraint])
            for agent, constraint in ranking.left_out.agents
        ),
        units=ranking.units,
        units_merged=ranking.units_merged,
        set_aside=set_aside_parts(ranking),
        unknown_preferred_agents=agent_names(site, ranking.unknown_preferred),
        compared=(routing_pb2.ComparedUnit(start=start, end=end) for start, end in suggestion.compared),
        language=ranking.language,
        profile_weight=suggestion.profile_weight,
    )
