"""Candidates converted to protobuf messages, with their reasons: all of them, or what an agent's desk may show."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from matcher.model import Candidate, Reason, ReasonSource
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import timestamp as _time
from matcher.v1 import routing_pb2

REASON_SOURCE: Final = {
    source: routing_pb2.ReasonSource.Value(f"REASON_SOURCE_{source.name}") for source in ReasonSource
}


def candidate(site: str, considered: Candidate) -> routing_pb2.Candidate:
    """Convert an agent who was considered."""
    return routing_pb2.Candidate(
        agent=name(Kind.AGENT, site, considered.agent),
        display_name=considered.display_name,
        affinity=considered.affinity,
        confidence=considered.confidence,
        score=considered.score,
        reasons=[
            routing_pb2.MatchReason(
                start=reason.start,
                end=reason.end,
                interest_id=reason.interest_id,
                interest=reason.interest,
                similarity=reason.similarity,
                lexical=reason.lexical,
                source=REASON_SOURCE[reason.source],
                customer_interest=reason.customer_interest,
                weak=reason.weak,
            )
            for reason in considered.reasons
        ],
        utilization=considered.utilization,
        idle_since=_time(considered.idle_since_ms),
    )


def candidate_at_desks(site: str, considered: Candidate) -> routing_pb2.Candidate:
    """Convert an agent who was considered, without what an agent's desk may not be told.

    A reason from a customer's interest that is not shareable says only that there is one.
    """
    if all(map(_is_shown, considered.reasons)):
        return candidate(site, considered)
    reasons = tuple(
        reason if _is_shown(reason) else structs.replace(reason, interest_id="", interest="", customer_interest="")
        for reason in considered.reasons
    )
    return candidate(site, structs.replace(considered, reasons=reasons))


def _is_shown(reason: Reason) -> bool:
    return reason.source is ReasonSource.MESSAGE or reason.shareable
