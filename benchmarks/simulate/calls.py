"""The calls of the clients, each with the record that it adds to the history."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from benchmarks.simulate import convert
from benchmarks.simulate import history as h
from benchmarks.simulate.gateway import Attempt, Gateway, Refused, Stubs
from benchmarks.simulate.history import Verb
from benchmarks.simulate.plan import Arrival
from matcher.model.lifecycle import AgentStatus
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb

ANY_AGENT: Final = (
    pb.CONSTRAINT_POOL,
    pb.CONSTRAINT_EXCLUDED,
    pb.CONSTRAINT_CHANNEL,
    pb.CONSTRAINT_LANGUAGE,
    pb.CONSTRAINT_SKILL,
    pb.CONSTRAINT_STATUS,
)
"""What a supervisor's assignment need not meet."""


def message(gateway: Gateway, text: str, wish: h.Wish, customer: str, preferred: str = "") -> pb.Message:
    """Return a message in the form of the API."""
    message_pb = pb.Message(
        text=text,
        customer=customer,
        channel=wish.channel,
        language=wish.language,
        required_skills=[
            pb.RequiredSkill(skill=skill, level=level, expires_after=convert.lasting(lasts) if lasts else None)
            for skill, (level, lasts) in wish.skills.items()
        ],
        excluded_agents=[gateway.name("agents", agent) for agent in wish.excluded],
    )
    if preferred:
        agent = gateway.name("agents", preferred)
        message_pb.preferred_agents.add(agent=agent, expires_after=convert.lasting(wish.kept) if wish.kept else None)
    return message_pb


def route_request(gateway: Gateway, arrival: Arrival, request: str, contact: str = "") -> pb.RouteMessageRequest:
    """Return the RouteMessage request of an arrival."""
    return pb.RouteMessageRequest(
        parent=gateway.parent,
        pool=gateway.name("pools", arrival.wish.pool),
        message=message(gateway, arrival.text, arrival.wish, arrival.customer, arrival.preferred),
        contact_id=contact,
        request_id=request,
        auto_accept=arrival.auto_accept,
        wait=arrival.wait > 0,
        wait_duration=convert.lasting(arrival.wait) if arrival.wait else None,
    )


async def route(
    gateway: Gateway, arrival: Arrival, request: pb.RouteMessageRequest, *, cut_short: bool = False
) -> pb.RouteMessageResponse:
    """Route a message until there is an answer; raise Refused or NoAnswer."""

    def record(attempt: Attempt, answer: pb.RouteMessageResponse | None) -> h.Record:
        outcome, held, affinity = (None, None, None) if answer is None else convert.outcome(answer)
        return h.Routed(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            request=request.request_id,
            wish=arrival.wish,
            contact=request.contact_id if answer is None else convert.plain(answer.contact),
            customer=arrival.customer,
            wait=arrival.wait,
            auto_accept=arrival.auto_accept,
            outcome=outcome,
            held=held,
            affinity=affinity,
            replayed=answer is not None and answer.replayed,
        )

    return await gateway.call(
        lambda stubs, seconds: stubs.routing.RouteMessage(request, timeout=seconds), record, cut_short=cut_short
    )


async def transfer(
    gateway: Gateway, old: h.Held, wish: h.Wish, *, text: str, wait: float, cut_short: bool
) -> pb.RouteMessageResponse:
    """Transfer a contact until there is an answer; raise Refused or NoAnswer."""
    request = pb.TransferContactRequest(
        name=gateway.name("contacts", old.contact),
        pool=gateway.name("pools", wish.pool),
        agent=gateway.name("agents", wish.only),
        message=message(gateway, text, wish, "") if text else None,
        request_id=uuid.uuid4().hex,
        wait=wait > 0,
        wait_duration=convert.lasting(wait) if wait else None,
    )

    def record(attempt: Attempt, answer: pb.RouteMessageResponse | None) -> h.Record:
        outcome, held, affinity = (None, None, None) if answer is None else convert.outcome(answer)
        return h.Transferred(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            request=request.request_id,
            contact=old.contact,
            old=old.reservation,
            wish=wish,
            wait=wait,
            outcome=outcome,
            held=held,
            affinity=affinity,
            replayed=answer is not None and answer.replayed,
        )

    return await gateway.call(
        lambda stubs, seconds: stubs.routing.TransferContact(request, timeout=seconds), record, cut_short=cut_short
    )


async def assign(gateway: Gateway, contact: str, agent: str) -> h.Held:
    """Assign a contact to an agent, also above the agent's capacity and against its requirements.

    Raises Refused where the contact has an agent or has ended by now, NoAnswer.
    """
    request = pb.AssignContactRequest(
        name=gateway.name("contacts", contact),
        agent=gateway.name("agents", agent),
        over_capacity=True,
        ignore_constraints=ANY_AGENT,
        actor="the supervisor",
        request_id=uuid.uuid4().hex,
    )

    def record(attempt: Attempt, answer: pb.RouteMessageResponse | None) -> h.Record:
        return h.Assigned(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            request=request.request_id,
            contact=contact,
            agent=agent,
            held=None if answer is None else convert.held(answer.reservation),
        )

    answer = await gateway.call(lambda stubs, seconds: stubs.routing.AssignContact(request, timeout=seconds), record)
    return convert.held(answer.reservation)


async def act(
    gateway: Gateway,
    verb: Verb,
    reservation: str,
    *,
    fence: int = 0,
    again: float | None = None,
    resolved: bool = False,
    cut_short: bool = False,
) -> h.Held:
    """Call the method of a verb on a reservation until there is an answer.

    again: seconds after which a declined contact may be offered again. Raises Refused, NoAnswer.
    """
    name = gateway.name("reservations", reservation)

    def call(stubs: Stubs, seconds: float) -> Awaitable[pb.Reservation]:
        api = stubs.routing
        answer: Awaitable[pb.Reservation]
        match verb:
            case Verb.ACCEPT:
                answer = api.AcceptReservation(pb.AcceptReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.DECLINE:
                retry = None if again is None else convert.lasting(again)
                decline = pb.DeclineReservationRequest(name=name, fence=fence, reason="busy", retry_after=retry)
                answer = api.DeclineReservation(decline, timeout=seconds)
            case Verb.COMPLETE:
                done = pb.CompleteReservationRequest(
                    name=name, fence=fence, resolved=resolved, rating=5 if resolved else 2
                )
                answer = api.CompleteReservation(done, timeout=seconds)
            case Verb.END_WRAP_UP:
                answer = api.EndWrapUp(pb.EndWrapUpRequest(name=name, fence=fence), timeout=seconds)
            case Verb.CANCEL:
                answer = api.CancelReservation(pb.CancelReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.TOUCH:
                answer = api.TouchReservation(pb.TouchReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.READ:
                answer = api.GetReservation(pb.GetReservationRequest(name=name), timeout=seconds)
        return answer

    def record(attempt: Attempt, answer: pb.Reservation | None) -> h.Record:
        return h.Answered(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            verb=verb,
            reservation=reservation,
            held=None if answer is None else convert.held(answer),
            again=again is not None,
        )

    return convert.held(await gateway.call(call, record, cut_short=cut_short))


async def weigh(gateway: Gateway, reservation: str) -> None:
    """Read the decision of an offer from the queue, as a desk does to show its reasons."""
    request = pb.GetReservationRequest(name=gateway.name("reservations", reservation))
    offer = await gateway.call(lambda stubs, seconds: stubs.routing.GetReservation(request, timeout=seconds))
    decision = pb.GetDecisionRequest(name=offer.decision)

    def record(attempt: Attempt, answer: pb.Decision | None) -> h.Record:
        affinity = None
        if answer is not None and answer.basis == pb.AFFINITY:
            affinity = next(
                (candidate.affinity for candidate in answer.candidates if candidate.agent == answer.agent), None
            )
        return h.Weighed(
            began=attempt.began, ended=attempt.ended, ending=attempt.ending, reservation=reservation, affinity=affinity
        )

    await gateway.call(lambda stubs, seconds: stubs.routing.GetDecision(decision, timeout=seconds), record)


async def declare(gateway: Gateway, agent: str, status: AgentStatus) -> None:
    """Set an agent's status."""
    request = roster.SetAgentStatusRequest(
        name=gateway.name("agents", agent), status=roster.AgentStatus.Value(status.value)
    )

    def record(attempt: Attempt, _: roster.Agent | None) -> h.Record:
        return h.Declared(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            agent=agent,
            status=status,
        )

    await gateway.call(lambda stubs, seconds: stubs.roster.SetAgentStatus(request, timeout=seconds), record)


async def beat(gateway: Gateway, agent: str, ttl: float) -> None:
    """Send the heartbeat of an agent's desk."""
    request = roster.BeatAgentRequest(name=gateway.name("agents", agent), ttl=convert.lasting(ttl))
    await gateway.call(lambda stubs, seconds: stubs.roster.BeatAgent(request, timeout=seconds), patience=ttl)


async def give_up(gateway: Gateway, contact: str) -> None:
    """Cancel a contact; raise Refused where the contact has ended or an agent serves it."""
    request = pb.CancelContactRequest(name=gateway.name("contacts", contact))

    def record(attempt: Attempt, _: pb.Contact | None) -> h.Record:
        return h.GaveUp(
            began=attempt.began, ended=attempt.ended, ending=attempt.ending, reason=attempt.reason, contact=contact
        )

    await gateway.call(lambda stubs, seconds: stubs.routing.CancelContact(request, timeout=seconds), record)


async def find_contact(gateway: Gateway, contact: str) -> None:
    """Read a contact at the end of the day."""
    request = pb.GetContactRequest(name=gateway.name("contacts", contact))

    def record(attempt: Attempt, answer: pb.Contact | None) -> h.Record:
        unknown = attempt.reason == "CONTACT_NOT_FOUND"
        return h.FoundContact(
            began=attempt.began,
            ended=attempt.ended,
            ending=h.Ending.OK if unknown else attempt.ending,
            contact=contact,
            state=None if answer is None else convert.state(answer.state),
            cause=None if answer is None else convert.cause(answer.cause),
        )

    await gateway.call(lambda stubs, seconds: stubs.routing.GetContact(request, timeout=seconds), record)


async def find_arm(gateway: Gateway, contact: str) -> None:
    """Read the arm of a contact at the end of the day."""
    request = pb.GetContactRequest(name=gateway.name("contacts", contact))

    def record(attempt: Attempt, answer: pb.Contact | None) -> h.Record:
        return h.FoundArm(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            contact=contact,
            control=None if answer is None or not answer.arm else answer.arm == pb.ARM_CONTROL,
        )

    await gateway.call(lambda stubs, seconds: stubs.routing.GetContact(request, timeout=seconds), record)


async def find_desk(gateway: Gateway, agent: str) -> roster.Agent:
    """Read an agent at the end of the day."""
    request = roster.GetAgentRequest(name=gateway.name("agents", agent))

    def record(attempt: Attempt, answer: roster.Agent | None) -> h.Record:
        return h.FoundDesk(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            agent=agent,
            load=-1 if answer is None else answer.load,
            holds=-1 if answer is None else len(answer.holds),
        )

    return await gateway.call(lambda stubs, seconds: stubs.roster.GetAgent(request, timeout=seconds), record)


async def open_site(gateway: Gateway, pools: tuple[h.PoolTerms, ...]) -> None:
    """Create the site with its pools."""
    site = roster.CreateSiteRequest(site_id=gateway.site)
    await gateway.call(lambda stubs, seconds: stubs.roster.CreateSite(site, timeout=4 * seconds))
    for terms in pools:
        gateway.journal.add(terms)
        pool = roster.Pool(
            offer_duration=convert.lasting(terms.offer),
            accepted_duration=convert.lasting(terms.accepted),
            wait_duration=convert.lasting(terms.wait),
            wait_weight=terms.wait_weight,
            head_start=convert.lasting(terms.head_start) if terms.head_start else None,
            wrap_up_duration=convert.lasting(terms.wrap_up) if terms.wrap_up else None,
            idle_duration=convert.lasting(terms.idle) if terms.idle else None,
            first_response_duration=convert.lasting(terms.first_response) if terms.first_response else None,
            relationship_duration=convert.lasting(3600) if terms.relationship_wait else None,
            relationship_wait=convert.lasting(terms.relationship_wait) if terms.relationship_wait else None,
            control_share=terms.control_share,
        )
        await _create_pool(gateway, roster.CreatePoolRequest(parent=gateway.parent, pool_id=terms.id, pool=pool))


async def _create_pool(gateway: Gateway, request: roster.CreatePoolRequest) -> None:
    await gateway.call(lambda stubs, seconds: stubs.roster.CreatePool(request, timeout=4 * seconds))


async def dismiss(gateway: Gateway, agent: str) -> None:
    """Remove an agent with all that the agent holds."""
    request = roster.DeleteAgentRequest(name=gateway.name("agents", agent), force=True)

    def record(attempt: Attempt, _: object | None) -> h.Record:
        # Where an attempt without an answer was done, the next one finds no such agent.
        gone = attempt.reason == "AGENT_NOT_FOUND"
        ending = h.Ending.OK if gone else attempt.ending
        return h.Dismissed(began=attempt.began, ended=attempt.ended, ending=ending, reason=attempt.reason, agent=agent)

    with suppress(Refused):
        await gateway.call(lambda stubs, seconds: stubs.roster.DeleteAgent(request, timeout=4 * seconds), record)


async def hire(gateway: Gateway, desk: h.Desk, interests: tuple[str, ...]) -> None:
    """Create an agent with the status ONLINE."""
    gateway.journal.add(desk)
    agent = roster.Agent(
        display_name=desk.agent,
        interests=interests,
        skills=[roster.Skill(skill=skill, level=level) for skill, level in desk.skills.items()],
        languages=desk.languages,
        capacity=roster.Capacity(
            total=desk.total,
            channels=[
                roster.ChannelCapacity(channel=channel, cost=cost, max=most)
                for channel, (cost, most) in desk.channels.items()
            ],
        ),
        pools=[gateway.name("pools", pool) for pool in desk.pools],
        status=roster.ONLINE,
    )
    request = roster.CreateAgentRequest(parent=gateway.parent, agent_id=desk.agent, agent=agent)
    await gateway.call(lambda stubs, seconds: stubs.roster.CreateAgent(request, timeout=4 * seconds))
