"""What decisions and contacts say of a comparison, and what the store saw, converted to protobuf messages."""

from __future__ import annotations

from typing import Final

from matcher.model import Arm, Comparison, Constraint, Draw, Part, SeenAgent
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import timestamp as _time
from matcher.v1 import routing_pb2

ARM: Final = {arm: routing_pb2.Arm.Value(f"ARM_{arm.name}") for arm in Arm}
PART: Final = {part: routing_pb2.Part.Value(f"PART_{part.name}") for part in Part}
REFUSED: Final = {rule.name: routing_pb2.Constraint.Value(f"CONSTRAINT_{rule.name}") for rule in Constraint}
NOT_AT_DESKS: Final = (
    *("basis", "arm", "arm_probability", "part"),
    *("would_be_agent", "would_be_basis", "would_be_affinity", "seen_agents", "reason"),
)
"""What of a decision would tell a desk in which arm of a comparison its contact is."""


def arm(draw: Draw | None) -> routing_pb2.Arm.ValueType:
    """Convert the arm that a contact was given."""
    return ARM[draw.arm] if draw else routing_pb2.ARM_UNSPECIFIED


def probability(draw: Draw | None) -> float:
    """Return how likely that arm was; 0: there is none."""
    return draw.probability if draw else 0.0


def compared(site: str, record: Comparison) -> routing_pb2.Decision:
    """Convert what a decision says for its pool's comparison: a decision with these fields alone."""
    would_be = record.would_be
    return routing_pb2.Decision(
        arm=arm(record.draw),
        arm_probability=probability(record.draw),
        part=PART[record.part],
        would_be_agent=name(Kind.AGENT, site, would_be.agent) if would_be else "",
        would_be_basis=routing_pb2.Basis.Value(would_be.basis.name) if would_be else routing_pb2.BASIS_UNSPECIFIED,
        would_be_affinity=would_be.affinity if would_be else 0.0,
    )


def seen_agent(site: str, record: SeenAgent) -> routing_pb2.SeenAgent:
    """Convert what the store saw of a candidate."""
    agent = name(Kind.AGENT, site, record.agent)
    if record.refused:
        refused = REFUSED.get(record.refused, routing_pb2.CONSTRAINT_UNSPECIFIED)
        return routing_pb2.SeenAgent(agent=agent, refused=refused, gone=not refused)
    return routing_pb2.SeenAgent(
        agent=agent, load=record.load, total=record.total, idle_since=_time(record.idle_since_ms)
    )


def without_arm(decision: routing_pb2.Decision) -> routing_pb2.Decision:
    """Take out of a decision what would tell in which arm its contact is."""
    for field in NOT_AT_DESKS:
        decision.ClearField(field)
    return decision
