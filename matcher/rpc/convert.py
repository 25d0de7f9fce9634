"""Domain values converted to protobuf messages, with ids as resource names; validation/ converts the requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matcher.model import (
    Agent,
    AsideKind,
    Basis,
    Capacity,
    Constraint,
    Contact,
    ContactEvent,
    ContactSign,
    Decision,
    Degraded,
    ImportAction,
    ImportResult,
    LeftOut,
    Outcome,
    Pool,
    PoolPolicy,
    Queued,
    QueuedOutcome,
    Ranking,
    Reservation,
    SilentInterest,
    Site,
    StatusKept,
    Unmatched,
    WhenOverloaded,
    etag,
)
from matcher.model.lifecycle import AgentStatus, Cause, ContactState, ReservationState
from matcher.model.resource_names import site_name
from matcher.model.scope import scope_of_call
from matcher.rpc import status
from matcher.rpc.candidates import candidate, candidate_at_desks
from matcher.rpc.convert_comparison import arm, compared, probability, seen_agent, without_arm
from matcher.rpc.convert_requirements import required_skills, requirements_of
from matcher.rpc.resource_names import Kind, name
from matcher.rpc.times import duration as _duration
from matcher.rpc.times import duration_set as _duration_set
from matcher.rpc.times import timestamp as _time
from matcher.v1 import roster_pb2, routing_pb2

AGENT_STATUS: Final = {state: roster_pb2.AgentStatus.Value(state.name) for state in AgentStatus}
RESERVATION_STATE: Final = {state: routing_pb2.ReservationState.Value(state.name) for state in ReservationState}
CONTACT_STATE: Final = {state: routing_pb2.ContactState.Value(f"CONTACT_{state.name}") for state in ContactState}
CAUSE: Final = {cause: routing_pb2.Cause.Value(f"CAUSE_{cause.name}") for cause in Cause}
BASIS: Final = {basis: routing_pb2.Basis.Value(basis.name) for basis in Basis}
DEGRADED: Final = {why: routing_pb2.Degraded.Value(why.name) for why in Degraded}
WHEN_OVERLOADED: Final = {
    choice: roster_pb2.WhenOverloaded.Value(f"WHEN_OVERLOADED_{choice.name}") for choice in WhenOverloaded
}
CONSTRAINT: Final = {rule: routing_pb2.Constraint.Value(f"CONSTRAINT_{rule.name}") for rule in Constraint}
ASIDE_KIND: Final = {kind: routing_pb2.SetAsideKind.Value(f"SET_ASIDE_{kind.name}") for kind in AsideKind}
ACTION: Final = {action: roster_pb2.ImportAgentsResponse.Action.Value(action.name) for action in ImportAction}

NOTHING_KEPT: Final = roster_pb2.ImportAgentsResponse.STATUS_KEPT_UNSPECIFIED
STATUS_KEPT: Final = {kept: roster_pb2.ImportAgentsResponse.StatusKept.Value(kept) for kept in StatusKept}


def route_response(site: str, outcome: Outcome) -> routing_pb2.RouteMessageResponse:
    """Convert the outcome of a decision."""
    if isinstance(outcome, QueuedOutcome):
        return routing_pb2.RouteMessageResponse(
            contact=name(Kind.CONTACT, site, outcome.contact),
            replayed=outcome.replayed,
            queued=queued(outcome.queued),
            unknown_preferred_agents=agent_names(site, outcome.unknown_preferred),
        )
    if isinstance(outcome, Unmatched):
        return routing_pb2.RouteMessageResponse(
            contact=name(Kind.CONTACT, site, outcome.contact),
            unmatched=routing_pb2.Unmatched(
                reason=CONSTRAINT[outcome.reason],
                left_out=left_out_counts(outcome.left_out),
                would_match=(candidate(site, agent) for agent in outcome.would_match),
                unmet_skills=required_skills(outcome.unmet_skills),
            ),
            unknown_preferred_agents=agent_names(site, outcome.unknown_preferred),
        )
    offer = outcome.reservation
    return routing_pb2.RouteMessageResponse(
        contact=name(Kind.CONTACT, site, offer.contact),
        decision=name(Kind.DECISION, site, offer.decision),
        replayed=outcome.replayed,
        reservation=reservation(site, offer),
        candidate=candidate(site, outcome.candidate),
        degraded=DEGRADED[outcome.degraded] if outcome.degraded else routing_pb2.DEGRADED_UNSPECIFIED,
        unknown_preferred_agents=agent_names(site, outcome.unknown_preferred),
    )


def queued(place: Queued) -> routing_pb2.Queued:
    """Convert a place in the queue."""
    return routing_pb2.Queued(
        position=place.position,
        estimated_wait=None if place.estimated_ms is None else _duration(place.estimated_ms),
        expire_time=_time(place.expire_ms),
    )


def reservation(site: str, record: Reservation, *, at_desk: bool = False) -> routing_pb2.Reservation:
    """Convert a reservation; at its agent's desk it has no basis, and for a caller with the role `agent` neither."""
    converted = routing_pb2.Reservation(
        name=name(Kind.RESERVATION, site, record.id),
        agent=name(Kind.AGENT, site, record.agent),
        contact=name(Kind.CONTACT, site, record.contact),
        decision=name(Kind.DECISION, site, record.decision),
        pool=name(Kind.POOL, site, record.pool),
        channel=record.channel,
        cost=record.cost,
        state=RESERVATION_STATE[record.state],
        fence=record.fence,
        basis=BASIS[record.basis],
        create_time=_time(record.created_ms),
        expire_time=_time(record.deadline_ms),
        accept_time=_time(record.accepted_ms),
        end_time=_time(record.ended_ms),
        decline_reason=record.decline_reason,
        idle_since=_time(record.idle_since_ms),
        agent_uid=record.agent_uid,
        takes_over=name(Kind.RESERVATION, site, record.takes_over),
        actor=record.actor,
        over_capacity=record.over_capacity,
        first_response_due=record.first_response_due,
        ends_as=RESERVATION_STATE[record.ends_as] if record.ends_as else routing_pb2.RESERVATION_STATE_UNSPECIFIED,
    )
    if at_desk or scope_of_call().is_desk:
        converted.ClearField("basis")
    return converted


def contact(site: str, record: Contact) -> routing_pb2.Contact:
    """Convert a contact."""
    return routing_pb2.Contact(
        name=name(Kind.CONTACT, site, record.id),
        pool=name(Kind.POOL, site, record.pool),
        channel=record.channel,
        customer=record.customer,
        state=CONTACT_STATE[record.state],
        reservation=name(Kind.RESERVATION, site, record.reservation),
        excluded_agents=(name(Kind.AGENT, site, agent) for agent in record.excluded),
        create_time=_time(record.created_ms),
        sequence=record.sequence,
        cause=CAUSE[record.cause] if record.cause else routing_pb2.CAUSE_UNSPECIFIED,
        queued=queued(record.queued) if record.queued else None,
        requirements=requirements_of(site, record),
        arm=arm(record.draw),
        arm_probability=probability(record.draw),
    )


def contact_event(site: str, event: ContactEvent) -> routing_pb2.ContactEvent:
    """Convert an event in the life of a contact."""
    return routing_pb2.ContactEvent(
        contact=name(Kind.CONTACT, site, event.contact),
        pool=name(Kind.POOL, site, event.pool),
        sequence=event.sequence,
        state=CONTACT_STATE[event.state],
        cause=CAUSE[event.cause],
        reservation=name(Kind.RESERVATION, site, event.reservation),
        agent=name(Kind.AGENT, site, event.agent),
        time=_time(event.at_ms),
    )


def contact_sign(site: str, sign: ContactSign) -> routing_pb2.ContactEvent:
    """Convert a sign of life in the watch of a contact: an event without a cause."""
    last = sign.last
    return routing_pb2.ContactEvent(
        contact=name(Kind.CONTACT, site, last.contact),
        pool=name(Kind.POOL, site, last.pool),
        sequence=last.sequence,
        state=CONTACT_STATE[last.state],
        reservation=name(Kind.RESERVATION, site, last.reservation),
        agent=name(Kind.AGENT, site, last.agent),
        time=_time(sign.at_ms),
        queued=None if sign.queued is None else queued(sign.queued),
    )


def decision(site: str, record: Decision) -> routing_pb2.Decision:
    """Convert the record of a decision; for a caller with the role `agent` without what would tell the arm."""
    ranking = record.ranking
    converted = routing_pb2.Decision(
        name=name(Kind.DECISION, site, record.id),
        contact=name(Kind.CONTACT, site, record.contact),
        pool=name(Kind.POOL, site, record.pool),
        reservation=name(Kind.RESERVATION, site, record.reservation),
        agent=name(Kind.AGENT, site, record.agent),
        basis=BASIS[ranking.basis],
        candidates=(candidate_at_desks(site, agent) for agent in ranking.candidates),
        affinity_floor=ranking.affinity_floor,
        affinity_tolerance=ranking.affinity_tolerance,
        units=ranking.units,
        units_merged=ranking.units_merged,
        eligible_agents=ranking.eligible,
        left_out=left_out_counts(ranking.left_out),
        model=record.model,
        scorer=record.scorer,
        create_time=_time(record.created_ms),
        degraded=DEGRADED[ranking.degraded] if ranking.degraded else routing_pb2.DEGRADED_UNSPECIFIED,
        relaxed=[
            routing_pb2.Relaxed(skill=relaxed.skill, time=_time(relaxed.at_ms))
            if relaxed.skill
            else routing_pb2.Relaxed(language=relaxed.language, time=_time(relaxed.at_ms))
            for relaxed in ranking.relaxed
        ],
        agent_uid=record.agent_uid,
        pool_uid=record.pool_uid,
        set_aside=set_aside_parts(ranking),
        unknown_preferred_agents=agent_names(site, ranking.unknown_preferred),
        actor=ranking.actor,
        language=ranking.language,
        ignored_constraints=(CONSTRAINT[constraint] for constraint in record.ignored),
        over_capacity=record.over_capacity,
        seen_agents=(seen_agent(site, seen) for seen in record.seen),
        reason=record.reason,
    )
    if record.comparison is not None:
        converted.MergeFrom(compared(site, record.comparison))
    return without_arm(converted) if scope_of_call().is_desk else converted


def agent(site: str, record: Agent, *, with_holds: bool = False) -> roster_pb2.Agent:
    """Convert an agent; with_holds: also load and holds, where they were read."""
    profile = record.profile
    holds = record.holds if with_holds else ()
    return roster_pb2.Agent(
        name=name(Kind.AGENT, site, record.id),
        display_name=profile.display_name,
        interests=profile.interests,
        skills=(roster_pb2.Skill(skill=skill, level=level) for skill, level in profile.skills.items()),
        languages=profile.languages,
        capacity=_capacity(profile.capacity),
        pools=(name(Kind.POOL, site, pool_id) for pool_id in profile.pools),
        manager=profile.manager,
        status=AGENT_STATUS[record.status],
        etag=etag(record.version),
        create_time=_time(record.created_ms),
        update_time=_time(record.updated_ms),
        idle_since=_time(record.idle_since_ms),
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
        status_reason=record.status_reason,
        heartbeat_expire_time=_time(record.beat_until_ms),
        uid=record.uid,
        silent_interests=_silent(record.silent),
    )


def beat(until_ms: int, status: AgentStatus) -> roster_pb2.BeatAgentResponse:
    """Convert the time until which a heartbeat counts, and the agent's status."""
    return roster_pb2.BeatAgentResponse(expire_time=_time(until_ms), status=AGENT_STATUS[status])


def site(record: Site) -> roster_pb2.Site:
    """Convert a site."""
    return roster_pb2.Site(name=site_name(record.id), uid=record.uid)


def pool(site: str, record: Pool, *, floor: float, tolerance: float, scorer: str) -> roster_pb2.Pool:
    """Convert a pool, with the floor, the tolerance and the scorer in force."""
    policy = record.policy
    return roster_pb2.Pool(
        name=name(Kind.POOL, site, record.id),
        display_name=policy.display_name,
        offer_duration=_duration(policy.offer_ms),
        accepted_duration=_duration(policy.accepted_ms),
        wrap_up_duration=_duration(policy.wrap_up_ms),
        scorer=policy.scorer,
        scorer_serving=scorer,
        wait_duration=_duration(policy.wait_ms),
        wait_weight=policy.wait_weight,
        head_start=_duration(policy.head_start_ms),
        max_missed=policy.max_missed,
        max_declined=policy.max_declined or None,
        return_within_duration=_duration(policy.return_within_ms),
        idle_duration=_duration_set(policy.idle_ms),
        first_response_duration=_duration_set(policy.first_response_ms),
        relationship_duration=_duration_set(policy.relationship_ms),
        relationship_wait=_duration(policy.relationship_wait_ms),
        matching_window=_duration(policy.matching_window_ms),
        small_talk=policy.small_talk,
        when_overloaded=WHEN_OVERLOADED[policy.when_overloaded],
        wrap_up=_wrap_up(policy),
        second_complete_ends_wrap_up=policy.second_complete_ends_wrap_up,
        profile_weight=policy.profile_weight,
        listening=policy.listening,
        control_share=policy.control_share,
        control_forgoes_relationships=policy.control_forgoes_relationships,
        affinity_floor=policy.affinity_floor,
        affinity_tolerance=policy.affinity_tolerance,
        effective_affinity_floor=floor,
        effective_affinity_tolerance=tolerance,
        etag=etag(record.version),
        create_time=_time(record.created_ms),
        update_time=_time(record.updated_ms),
        uid=record.uid,
    )


def _wrap_up(policy: PoolPolicy) -> roster_pb2.WrapUp | None:
    """Convert what a policy sets of the wrap-ups; None where it sets nothing."""
    wrap_up = roster_pb2.WrapUp(
        after_complete=None if policy.after_complete_ms is None else _duration(policy.after_complete_ms),
        after_transfer=None if policy.after_transfer_ms is None else _duration(policy.after_transfer_ms),
        after_cancel=_duration_set(policy.after_cancel_ms),
        after_expiry=_duration_set(policy.after_expiry_ms),
    )
    return wrap_up if wrap_up.ListFields() else None


def import_response(site: str, result: ImportResult) -> roster_pb2.ImportAgentsResponse:
    """Convert the result of a row, with the status that a CreateAgent or UpdateAgent of its own would have had."""
    return roster_pb2.ImportAgentsResponse(
        row=result.row,
        agent=name(Kind.AGENT, site, result.agent),
        action=ACTION[result.action],
        status=status.status_of(result.error) if result.error is not None else None,
        changes=(
            roster_pb2.FieldChange(field=change.field, before=change.before, after=change.after, lost=change.lost)
            for change in result.changes
        ),
        status_kept=STATUS_KEPT[result.status_kept] if result.status_kept else NOTHING_KEPT,
        silent_interests=_silent(result.silent),
    )


def _silent(interests: Sequence[SilentInterest]) -> list[roster_pb2.SilentInterest]:
    return [
        roster_pb2.SilentInterest(interest=silent.interest, reason=roster_pb2.SilentReason.Value(silent.reason.name))
        for silent in interests
    ]


def _capacity(capacity: Capacity) -> roster_pb2.Capacity:
    channels = (
        roster_pb2.ChannelCapacity(channel=channel, cost=limit.cost, max=limit.max)
        for channel, limit in capacity.channels.items()
    )
    return roster_pb2.Capacity(total=capacity.total, channels=channels)


def left_out_counts(left_out: LeftOut) -> list[routing_pb2.LeftOutCount]:
    """Convert the counts, in the order the constraints are applied; without the constraints that excluded no agent."""
    return [
        routing_pb2.LeftOutCount(constraint=CONSTRAINT[constraint], agents=left_out.counts[constraint])
        for constraint in Constraint
        if left_out.counts.get(constraint)
    ]


def set_aside_parts(ranking: Ranking) -> list[routing_pb2.SetAside]:
    """Convert the parts of a text that were not compared."""
    return [
        routing_pb2.SetAside(kind=ASIDE_KIND[part.kind], start=part.start, end=part.end) for part in ranking.set_aside
    ]


def agent_names(site: str, agents: Sequence[str]) -> list[str]:
    """Return the resource names of agents."""
    return [name(Kind.AGENT, site, agent) for agent in agents]
