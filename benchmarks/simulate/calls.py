"""The calls that clients make, each with what is written down of it."""

from __future__ import annotations

import uuid

from benchmarks.simulate import history as h
from benchmarks.simulate import seen
from benchmarks.simulate.front import Attempt, Front, Stubs
from benchmarks.simulate.history import Verb
from benchmarks.simulate.plan import Arrival
from matcher.model.lifecycle import AgentStatus
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb


def message(front: Front, text: str, wish: h.Wish, customer: str, preferred: str = "") -> pb.Message:
    """Return a message of the API."""
    made = pb.Message(
        text=text,
        customer=customer,
        channel=wish.channel,
        language=wish.language,
        required_skills=[
            pb.RequiredSkill(skill=skill, level=level, expires_after=seen.lasting(lasts) if lasts else None)
            for skill, (level, lasts) in wish.skills.items()
        ],
        excluded_agents=[front.name("agents", agent) for agent in wish.excluded],
    )
    if preferred:
        agent = front.name("agents", preferred)
        made.preferred_agents.add(agent=agent, expires_after=seen.lasting(wish.kept) if wish.kept else None)
    return made


def route_request(front: Front, arrival: Arrival, request: str, contact: str = "") -> pb.RouteMessageRequest:
    """Return the request of an arrival."""
    return pb.RouteMessageRequest(
        parent=front.parent,
        pool=front.name("pools", arrival.wish.pool),
        message=message(front, arrival.text, arrival.wish, arrival.customer, arrival.preferred),
        contact_id=contact,
        request_id=request,
        auto_accept=arrival.auto_accept,
        wait=arrival.wait > 0,
        wait_duration=seen.lasting(arrival.wait) if arrival.wait else None,
    )


async def route(
    front: Front, arrival: Arrival, request: pb.RouteMessageRequest, *, cut_short: bool = False
) -> pb.RouteMessageResponse:
    """Route a message until there is an answer. Raises Refused, NoAnswer."""

    def note(attempt: Attempt, answer: pb.RouteMessageResponse | None) -> h.Record:
        outcome, held, affinity = (None, None, None) if answer is None else seen.outcome(answer)
        return h.Routed(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            request=request.request_id,
            wish=arrival.wish,
            contact=request.contact_id if answer is None else seen.plain(answer.contact),
            customer=arrival.customer,
            wait=arrival.wait,
            auto_accept=arrival.auto_accept,
            outcome=outcome,
            held=held,
            affinity=affinity,
            replayed=answer is not None and answer.replayed,
        )

    return await front.ask(
        lambda stubs, seconds: stubs.routing.RouteMessage(request, timeout=seconds), note, cut_short=cut_short
    )


async def transfer(
    front: Front, old: h.Held, wish: h.Wish, *, text: str, wait: float, cut_short: bool
) -> pb.RouteMessageResponse:
    """Hand a contact on until there is an answer. Raises Refused, NoAnswer."""
    request = pb.TransferContactRequest(
        name=front.name("contacts", old.contact),
        pool=front.name("pools", wish.pool),
        agent=front.name("agents", wish.only),
        message=message(front, text, wish, "") if text else None,
        request_id=uuid.uuid4().hex,
        wait=wait > 0,
        wait_duration=seen.lasting(wait) if wait else None,
    )

    def note(attempt: Attempt, answer: pb.RouteMessageResponse | None) -> h.Record:
        outcome, held, affinity = (None, None, None) if answer is None else seen.outcome(answer)
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

    return await front.ask(
        lambda stubs, seconds: stubs.routing.TransferContact(request, timeout=seconds), note, cut_short=cut_short
    )


async def act(
    front: Front,
    verb: Verb,
    reservation: str,
    *,
    fence: int = 0,
    again: float | None = None,
    resolved: bool = False,
    cut_short: bool = False,
) -> h.Held:
    """Do something with a reservation until there is an answer; again: after so long a decline counts no more.

    Raises Refused, NoAnswer.
    """
    name = front.name("reservations", reservation)

    async def call(stubs: Stubs, seconds: float) -> pb.Reservation:
        api = stubs.routing
        match verb:
            case Verb.ACCEPT:
                return await api.AcceptReservation(pb.AcceptReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.DECLINE:
                retry = None if again is None else seen.lasting(again)
                decline = pb.DeclineReservationRequest(name=name, fence=fence, reason="busy", retry_after=retry)
                return await api.DeclineReservation(decline, timeout=seconds)
            case Verb.COMPLETE:
                done = pb.CompleteReservationRequest(
                    name=name, fence=fence, resolved=resolved, rating=5 if resolved else 2
                )
                return await api.CompleteReservation(done, timeout=seconds)
            case Verb.CANCEL:
                return await api.CancelReservation(pb.CancelReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.TOUCH:
                return await api.TouchReservation(pb.TouchReservationRequest(name=name, fence=fence), timeout=seconds)
            case Verb.READ:
                return await api.GetReservation(pb.GetReservationRequest(name=name), timeout=seconds)

    def note(attempt: Attempt, answer: pb.Reservation | None) -> h.Record:
        return h.Answered(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            verb=verb,
            reservation=reservation,
            held=None if answer is None else seen.held(answer),
            again=again is not None,
        )

    return seen.held(await front.ask(call, note, cut_short=cut_short))


async def weigh(front: Front, reservation: str) -> None:
    """Read the decision behind an offer that came from the queue, as a desk does to show why."""
    asked = pb.GetReservationRequest(name=front.name("reservations", reservation))
    found = await front.ask(lambda stubs, seconds: stubs.routing.GetReservation(asked, timeout=seconds))
    decision = pb.GetDecisionRequest(name=found.decision)

    def note(attempt: Attempt, answer: pb.Decision | None) -> h.Record:
        affinity = None
        if answer is not None and answer.basis == pb.AFFINITY:
            affinity = next((one.affinity for one in answer.candidates if one.agent == answer.agent), None)
        return h.Weighed(
            began=attempt.began, ended=attempt.ended, ending=attempt.ending, reservation=reservation, affinity=affinity
        )

    await front.ask(lambda stubs, seconds: stubs.routing.GetDecision(decision, timeout=seconds), note)


async def declare(front: Front, agent: str, status: AgentStatus) -> None:
    """Declare an agent's status."""
    request = roster.SetAgentStatusRequest(
        name=front.name("agents", agent), status=roster.AgentStatus.Value(status.value)
    )

    def note(attempt: Attempt, _: roster.Agent | None) -> h.Record:
        return h.Declared(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            reason=attempt.reason,
            agent=agent,
            status=status,
        )

    await front.ask(lambda stubs, seconds: stubs.roster.SetAgentStatus(request, timeout=seconds), note)


async def beat(front: Front, agent: str, ttl: float) -> None:
    """Say that an agent's desk is alive."""
    request = roster.BeatAgentRequest(name=front.name("agents", agent), ttl=seen.lasting(ttl))
    await front.ask(lambda stubs, seconds: stubs.roster.BeatAgent(request, timeout=seconds), patience=ttl)


async def give_up(front: Front, contact: str) -> None:
    """Cancel a contact. Raises Refused where it has ended or an agent holds it."""
    request = pb.CancelContactRequest(name=front.name("contacts", contact))

    def note(attempt: Attempt, _: pb.Contact | None) -> h.Record:
        return h.GaveUp(
            began=attempt.began, ended=attempt.ended, ending=attempt.ending, reason=attempt.reason, contact=contact
        )

    await front.ask(lambda stubs, seconds: stubs.routing.CancelContact(request, timeout=seconds), note)


async def find_contact(front: Front, contact: str) -> None:
    """Read a contact when the day is over."""
    request = pb.GetContactRequest(name=front.name("contacts", contact))

    def note(attempt: Attempt, answer: pb.Contact | None) -> h.Record:
        unknown = attempt.reason == "CONTACT_NOT_FOUND"
        return h.FoundContact(
            began=attempt.began,
            ended=attempt.ended,
            ending=h.Ending.OK if unknown else attempt.ending,
            contact=contact,
            state=None if answer is None else seen.state(answer.state),
            cause=None if answer is None else seen.cause(answer.cause),
        )

    await front.ask(lambda stubs, seconds: stubs.routing.GetContact(request, timeout=seconds), note)


async def find_desk(front: Front, agent: str) -> roster.Agent:
    """Read an agent when everything is over."""
    request = roster.GetAgentRequest(name=front.name("agents", agent))

    def note(attempt: Attempt, answer: roster.Agent | None) -> h.Record:
        return h.FoundDesk(
            began=attempt.began,
            ended=attempt.ended,
            ending=attempt.ending,
            agent=agent,
            load=-1 if answer is None else answer.load,
            holds=-1 if answer is None else len(answer.holds),
        )

    return await front.ask(lambda stubs, seconds: stubs.roster.GetAgent(request, timeout=seconds), note)


async def open_site(front: Front, pools: tuple[h.PoolTerms, ...]) -> None:
    """Create the site with its pools."""
    site = roster.CreateSiteRequest(site_id=front.site)
    await front.ask(lambda stubs, seconds: stubs.roster.CreateSite(site, timeout=4 * seconds))
    for terms in pools:
        front.journal.note(terms)
        pool = roster.Pool(
            offer_duration=seen.lasting(terms.offer),
            accepted_duration=seen.lasting(terms.accepted),
            wait_duration=seen.lasting(terms.wait),
            wait_weight=terms.wait_weight,
            head_start=seen.lasting(terms.head_start) if terms.head_start else None,
            wrap_up_duration=seen.lasting(terms.wrap_up) if terms.wrap_up else None,
            idle_duration=seen.lasting(terms.idle) if terms.idle else None,
            relationship_duration=seen.lasting(3600) if terms.relationship_wait else None,
            relationship_wait=seen.lasting(terms.relationship_wait) if terms.relationship_wait else None,
        )
        await _create_pool(front, roster.CreatePoolRequest(parent=front.parent, pool_id=terms.id, pool=pool))


async def _create_pool(front: Front, request: roster.CreatePoolRequest) -> None:
    await front.ask(lambda stubs, seconds: stubs.roster.CreatePool(request, timeout=4 * seconds))


async def hire(front: Front, desk: h.Desk, interests: tuple[str, ...]) -> None:
    """Create an agent who is online."""
    front.journal.note(desk)
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
        pools=[front.name("pools", pool) for pool in desk.pools],
        status=roster.ONLINE,
    )
    request = roster.CreateAgentRequest(parent=front.parent, agent_id=desk.agent, agent=agent)
    await front.ask(lambda stubs, seconds: stubs.roster.CreateAgent(request, timeout=4 * seconds))
