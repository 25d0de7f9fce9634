"""The nouns of the service as protobuf messages, with ids as resource names. Requests are converted by the checks."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from matcher.model import (
    Agent,
    Basis,
    Candidate,
    Capacity,
    Constraint,
    Contact,
    ContactEvent,
    Decision,
    ImportAction,
    ImportResult,
    LeftOut,
    Outcome,
    Pool,
    Queued,
    QueuedOutcome,
    Ranking,
    Reservation,
    Unmatched,
    etag,
)
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState
from matcher.rpc import status
from matcher.rpc.resource_names import Kind, name
from matcher.v1 import roster_pb2, routing_pb2

AGENT_STATUS: Final = {state: roster_pb2.AgentStatus.Value(state.name) for state in AgentStatus}
RESERVATION_STATE: Final = {state: routing_pb2.ReservationState.Value(state.name) for state in ReservationState}
CONTACT_STATE: Final = {state: routing_pb2.ContactState.Value(f"CONTACT_{state.name}") for state in ContactState}
CAUSE: Final = {cause: routing_pb2.Cause.Value(f"CAUSE_{cause.name}") for cause in Cause}
BASIS: Final = {basis: routing_pb2.Basis.Value(basis.name) for basis in Basis}
CONSTRAINT: Final = {one: routing_pb2.Constraint.Value(f"CONSTRAINT_{one.name}") for one in Constraint}
ACTION: Final = {one: roster_pb2.ImportAgentsResponse.Action.Value(one.name) for one in ImportAction}


def route_response(site: str, outcome: Outcome) -> routing_pb2.RouteMessageResponse:
    """Convert what was decided."""
    if isinstance(outcome, QueuedOutcome):
        return routing_pb2.RouteMessageResponse(
            contact=name(Kind.CONTACT, site, outcome.contact), replayed=outcome.replayed, queued=queued(outcome.queued)
        )
    if isinstance(outcome, Unmatched):
        return routing_pb2.RouteMessageResponse(
            contact=name(Kind.CONTACT, site, outcome.contact),
            unmatched=routing_pb2.Unmatched(
                reason=CONSTRAINT[outcome.reason],
                left_out=_left_out(outcome.left_out),
                would_match=(candidate(site, one) for one in outcome.would_match),
            ),
        )
    held = outcome.reservation
    return routing_pb2.RouteMessageResponse(
        contact=name(Kind.CONTACT, site, held.contact),
        decision=name(Kind.DECISION, site, held.decision),
        replayed=outcome.replayed,
        reservation=reservation(site, held),
        candidate=candidate(site, outcome.candidate),
    )


def queued(place: Queued) -> routing_pb2.Queued:
    """Convert a place in a queue."""
    return routing_pb2.Queued(
        position=place.position,
        estimated_wait=None if place.estimated_ms is None else _duration(place.estimated_ms),
        expire_time=_time(place.expire_ms),
    )


def suggestions(site: str, ranking: Ranking) -> routing_pb2.SuggestAgentsResponse:
    """Convert who fits a message."""
    return routing_pb2.SuggestAgentsResponse(
        candidates=(candidate(site, one) for one in ranking.candidates),
        basis=BASIS[ranking.basis],
        affinity_floor=ranking.affinity_floor,
        affinity_tolerance=ranking.affinity_tolerance,
        left_out=_left_out(ranking.left_out),
        left_out_agents=(
            routing_pb2.LeftOutAgent(agent=name(Kind.AGENT, site, agent), constraint=CONSTRAINT[constraint])
            for agent, constraint in ranking.left_out.agents
        ),
        units=ranking.units,
        units_merged=ranking.units_merged,
    )


def candidate(site: str, one: Candidate) -> routing_pb2.Candidate:
    """Convert an agent who was considered."""
    return routing_pb2.Candidate(
        agent=name(Kind.AGENT, site, one.agent),
        display_name=one.display_name,
        affinity=one.affinity,
        confidence=one.confidence,
        score=one.score,
        reasons=[
            routing_pb2.MatchReason(
                start=reason.start,
                end=reason.end,
                interest_id=reason.interest_id,
                interest=reason.interest,
                similarity=reason.similarity,
                lexical=reason.lexical,
            )
            for reason in one.reasons
        ],
        utilization=one.utilization,
        idle_since=_time(one.idle_since_ms),
    )


def reservation(site: str, held: Reservation) -> routing_pb2.Reservation:
    """Convert a reservation."""
    return routing_pb2.Reservation(
        name=name(Kind.RESERVATION, site, held.id),
        agent=name(Kind.AGENT, site, held.agent),
        contact=name(Kind.CONTACT, site, held.contact),
        decision=name(Kind.DECISION, site, held.decision),
        pool=name(Kind.POOL, site, held.pool),
        channel=held.channel,
        cost=held.cost,
        state=RESERVATION_STATE[held.state],
        fence=held.fence,
        basis=BASIS[held.basis],
        create_time=_time(held.created_ms),
        expire_time=_time(held.deadline_ms),
        accept_time=_time(held.accepted_ms),
        end_time=_time(held.ended_ms),
        decline_reason=held.decline_reason,
        idle_since=_time(held.idle_since_ms),
    )


def contact(site: str, one: Contact) -> routing_pb2.Contact:
    """Convert a contact."""
    return routing_pb2.Contact(
        name=name(Kind.CONTACT, site, one.id),
        pool=name(Kind.POOL, site, one.pool),
        channel=one.channel,
        customer=one.customer,
        state=CONTACT_STATE[one.state],
        reservation=name(Kind.RESERVATION, site, one.reservation),
        excluded_agents=(name(Kind.AGENT, site, agent) for agent in one.excluded),
        create_time=_time(one.created_ms),
        sequence=one.sequence,
        cause=CAUSE[one.cause] if one.cause else routing_pb2.CAUSE_UNSPECIFIED,
        queued=queued(one.queued) if one.queued else None,
    )


def contact_event(site: str, step: ContactEvent) -> routing_pb2.ContactEvent:
    """Convert a step in the life of a contact."""
    return routing_pb2.ContactEvent(
        contact=name(Kind.CONTACT, site, step.contact),
        pool=name(Kind.POOL, site, step.pool),
        sequence=step.sequence,
        state=CONTACT_STATE[step.state],
        cause=CAUSE[step.cause],
        reservation=name(Kind.RESERVATION, site, step.reservation),
        agent=name(Kind.AGENT, site, step.agent),
        time=_time(step.at_ms),
    )


def decision(site: str, made: Decision) -> routing_pb2.Decision:
    """Convert the record of a decision."""
    ranking = made.ranking
    return routing_pb2.Decision(
        name=name(Kind.DECISION, site, made.id),
        contact=name(Kind.CONTACT, site, made.contact),
        pool=name(Kind.POOL, site, made.pool),
        reservation=name(Kind.RESERVATION, site, made.reservation),
        agent=name(Kind.AGENT, site, made.agent),
        basis=BASIS[ranking.basis],
        candidates=(candidate(site, one) for one in ranking.candidates),
        affinity_floor=ranking.affinity_floor,
        affinity_tolerance=ranking.affinity_tolerance,
        units=ranking.units,
        units_merged=ranking.units_merged,
        eligible_agents=ranking.eligible,
        left_out=_left_out(ranking.left_out),
        model=made.model,
        scorer=made.scorer,
        create_time=_time(made.created_ms),
        relaxed=[
            routing_pb2.Relaxed(skill=one.skill, time=_time(one.at_ms))
            if one.skill
            else routing_pb2.Relaxed(language=one.language, time=_time(one.at_ms))
            for one in ranking.relaxed
        ],
    )


def agent(site: str, one: Agent, *, with_holds: bool = False) -> roster_pb2.Agent:
    """Convert an agent; with load and holds where they were read."""
    profile = one.profile
    holds = one.holds if with_holds else ()
    return roster_pb2.Agent(
        name=name(Kind.AGENT, site, one.id),
        display_name=profile.display_name,
        interests=profile.interests,
        skills=(roster_pb2.Skill(skill=skill, level=level) for skill, level in profile.skills.items()),
        languages=profile.languages,
        capacity=_capacity(profile.capacity),
        pools=(name(Kind.POOL, site, pool_id) for pool_id in profile.pools),
        status=AGENT_STATUS[one.status],
        etag=etag(one.version),
        create_time=_time(one.created_ms),
        update_time=_time(one.updated_ms),
        idle_since=_time(one.idle_since_ms),
        load=sum(hold.cost for hold in holds),
        holds=(
            roster_pb2.Hold(
                reservation=name(Kind.RESERVATION, site, hold.reservation),
                channel=hold.channel,
                cost=hold.cost,
                expire_time=_time(hold.deadline_ms),
            )
            for hold in holds
        ),
        status_reason=one.status_reason,
        heartbeat_expire_time=_time(one.beat_until_ms),
    )


def beat(until_ms: int, status: AgentStatus) -> roster_pb2.BeatAgentResponse:
    """Convert until when a heartbeat counts."""
    return roster_pb2.BeatAgentResponse(expire_time=_time(until_ms), status=AGENT_STATUS[status])


def pool(site: str, one: Pool, *, floor: float, tolerance: float) -> roster_pb2.Pool:
    """Convert a pool, with the floor and the tolerance in force."""
    policy = one.policy
    return roster_pb2.Pool(
        name=name(Kind.POOL, site, one.id),
        display_name=policy.display_name,
        offer_duration=_duration(policy.offer_ms),
        accepted_duration=_duration(policy.accepted_ms),
        wrap_up_duration=_duration(policy.wrap_up_ms),
        scorer=policy.scorer,
        wait_duration=_duration(policy.wait_ms),
        wait_weight=policy.wait_weight,
        head_start=_duration(policy.head_start_ms),
        max_missed=policy.max_missed,
        idle_duration=_duration_said(policy.idle_ms),
        relationship_duration=_duration_said(policy.relationship_ms),
        relationship_wait=_duration(policy.relationship_wait_ms),
        matching_window=_duration(policy.matching_window_ms),
        affinity_floor=policy.affinity_floor,
        affinity_tolerance=policy.affinity_tolerance,
        effective_affinity_floor=floor,
        effective_affinity_tolerance=tolerance,
        etag=etag(one.version),
        create_time=_time(one.created_ms),
        update_time=_time(one.updated_ms),
    )


def import_response(site: str, result: ImportResult) -> roster_pb2.ImportAgentsResponse:
    """Convert what became of a row, with the status that a call of its own would have had."""
    return roster_pb2.ImportAgentsResponse(
        row=result.row,
        agent=name(Kind.AGENT, site, result.agent),
        action=ACTION[result.action],
        status=status.status_of(result.error) if result.error is not None else None,
    )


def _capacity(capacity: Capacity) -> roster_pb2.Capacity:
    channels = (
        roster_pb2.ChannelCapacity(channel=channel, cost=taken.cost, max=taken.max)
        for channel, taken in capacity.channels.items()
    )
    return roster_pb2.Capacity(total=capacity.total, channels=channels)


def _left_out(left_out: LeftOut) -> list[routing_pb2.LeftOutCount]:
    """Convert the counts, in the order the constraints are applied; without those that left nobody out."""
    return [
        routing_pb2.LeftOutCount(constraint=CONSTRAINT[constraint], agents=left_out.counts[constraint])
        for constraint in Constraint
        if left_out.counts.get(constraint)
    ]


def _time(milliseconds: int) -> Timestamp | None:
    if not milliseconds:
        return None
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def _duration_said(milliseconds: int) -> Duration | None:
    """Convert a time span that 0 switches off."""
    return _duration(milliseconds) if milliseconds else None


def _duration(milliseconds: int) -> Duration:
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)
