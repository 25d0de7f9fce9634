"""AssignContact: the supervisor's hand, and a platform that tells of an assignment it made itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, loads, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site with ana and ben, who take one chat each."""
    async with service.client(await service.site()) as client:
        await hire(client, {name: person("I keep honey bees.") for name in ("ana", "ben")})
        # Whatever floor is computed for two agents: here the message meets their interest.
        await client.update_pool(roster.Pool(name="default", affinity_floor=0.1), ["affinity_floor"])
        yield client


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Return the code, the reason and the metadata of a call that must fail."""
    with pytest.raises(MatcherCallError) as failed:
        await call
    return failed.value.code, failed.value.reason, dict(failed.value.metadata)


async def full_house(client: MatcherClient) -> list[str]:
    """Let both agents talk with a contact each; return the reservations, ana's first."""
    made = [
        await client.route(BEES, contact_id=f"busy-{who}", preferred_agents={who: None}, auto_accept=True)
        for who in ("ana", "ben")
    ]
    return [answer.reservation.name for answer in made]


async def causes(client: MatcherClient, contact: str) -> list[str]:
    """Return the causes of a contact's steps, up to the last."""
    last, told = (await client.contact(contact)).sequence, list[str]()
    async for event in client.watch_contact(contact):
        told.append(pb.Cause.Name(event.cause))
        if event.sequence == last:
            break
    return told


async def test_a_contact_that_nobody_knows_is_made_and_assigned(desk: MatcherClient) -> None:
    """The platform tells of its own assignment: basis and cause say so, and who did it is in the record."""
    answer = await desk.assign("c", "ben", accepted=True, actor="desk 7", customer="zoe", text=BEES)
    held = answer.reservation
    assert (held.agent, held.state, held.basis) == (desk.name("agents", "ben"), pb.ACCEPTED, pb.ASSIGNED)
    assert (held.actor, held.over_capacity) == ("desk 7", False)
    assert answer.candidate.affinity > 0.1
    contact = await desk.contact("c")
    assert (contact.state, contact.cause, contact.customer) == (pb.CONTACT_ASSIGNED, pb.CAUSE_ASSIGNED, "zoe")
    decision = await desk.decision(answer.decision)
    assert (decision.basis, decision.actor, list(decision.ignored_constraints)) == (pb.ASSIGNED, "desk 7", [])
    assert await desk.reservation(held.name) == held
    assert [one.name async for one in desk.contacts()] == [desk.name("contacts", "c")]
    await desk.complete(held.name)
    assert await loads(desk, ["ana", "ben"]) == {"ana": 0, "ben": 0}


async def test_an_assignment_above_the_capacity_is_asked_for_and_freed(desk: MatcherClient) -> None:
    """Without over_capacity AGENT_FULL; with it ana holds two of one, gets nothing more, and is free after both."""
    busy, _ = await full_house(desk)
    code, reason, told = await refusal(desk.assign("c", "ana"))
    assert (code, reason) == (PRECONDITION, "AGENT_FULL")
    assert told == {"agent": desk.name("agents", "ana"), "load": "1", "total": "1"}
    over = await desk.assign("c", "ana", over_capacity=True, accepted=True)
    assert over.reservation.over_capacity
    assert over.candidate.utilization == 1.0
    assert (await desk.decision(over.decision)).over_capacity
    assert (await desk.agent("ana")).load == 2
    suggested = await desk.suggest(BEES, ignore_availability=True)
    assert {one.agent[-3:]: one.utilization for one in suggested.candidates} == {"ana": 2.0, "ben": 1.0}
    await desk.complete(busy)
    assert (await desk.route(BEES)).unmatched.reason == pb.CONSTRAINT_CAPACITY
    await desk.complete(over.reservation.name)
    assert (await desk.agent("ana")).load == 0
    assert (await desk.route(BEES)).reservation.agent == desk.name("agents", "ana")


async def test_a_waiting_contact_leaves_the_queue_and_returns_to_it(desk: MatcherClient) -> None:
    """It is offered to the agent by hand; declined, it waits again at its old age, with its text."""
    _, other = await full_house(desk)
    await desk.route(BEES, contact_id="c", wait=True)
    await desk.route(BEES, contact_id="later", wait=True)
    answer = await desk.assign("c", "ana", over_capacity=True)
    assert (answer.reservation.state, answer.candidate.affinity > 0.1) == (pb.PENDING, True)
    assert (await desk.contact("later")).queued.position == 1
    await desk.decline(answer.reservation.name)
    again = await desk.contact("c")
    assert (again.state, again.queued.position) == (pb.CONTACT_QUEUED, 1)
    await desk.complete(other)

    async def is_bens() -> bool:
        return (await desk.contact("c")).state == pb.CONTACT_RESERVED

    await wait_until(is_bens, "the contact is offered to ben")
    offer = await desk.reservation((await desk.contact("c")).reservation)
    assert (offer.agent, offer.basis) == (desk.name("agents", "ben"), pb.AFFINITY)
    assert await causes(desk, "c") == ["CAUSE_NOBODY_FREE", "CAUSE_ASSIGNED", "CAUSE_DECLINED", "CAUSE_OFFERED"]


async def test_an_offer_is_withdrawn_for_an_assignment_also_to_the_same_agent(desk: MatcherClient) -> None:
    """The contact has one agent at a time: the first offer is CANCELED, and its agent free."""
    first = await desk.route(BEES, contact_id="c", preferred_agents={"ana": None})
    second = await desk.assign("c", "ben")
    assert (await desk.reservation(first.reservation.name)).state == pb.CANCELED
    assert await loads(desk, ["ana", "ben"]) == {"ana": 0, "ben": 1}
    third = await desk.assign("c", "ben", accepted=True)
    assert (third.reservation.state, third.reservation.over_capacity) == (pb.ACCEPTED, False)
    assert (await desk.reservation(second.reservation.name)).state == pb.CANCELED
    assert await loads(desk, ["ana", "ben"]) == {"ana": 0, "ben": 1}


async def test_a_conversation_is_refused_and_so_is_what_has_ended(desk: MatcherClient) -> None:
    """TransferContact is for a conversation; a closed contact is not begun again."""
    held = await desk.route(BEES, contact_id="c", preferred_agents={"ana": None}, auto_accept=True)
    code, reason, told = await refusal(desk.assign("c", "ben"))
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "CONTACT_HELD")
    assert told["reservation"] == held.reservation.name
    await desk.complete(held.reservation.name)
    assert (await refusal(desk.assign("c", "ben")))[:2] == (PRECONDITION, "CONTACT_ENDED")


async def test_every_unmet_constraint_is_named_unless_it_is_ignored(desk: MatcherClient) -> None:
    """Pool, exclusion, channel, language, skill and status hold; ignored, they are in the decision."""
    await desk.create_pool("night", roster.Pool())
    await desk.set_agent_status("ana", roster.OFFLINE)
    offer = await desk.route(
        BEES,
        contact_id="c",
        channel="mail",
        language="de",
        required_skills={"law": 1},
        excluded_agents=["ana"],
        pool="night",
        wait=True,
    )
    assert offer.WhichOneof("outcome") == "queued"
    code, reason, told = await refusal(desk.assign("c", "ana"))
    assert (code, reason) == (PRECONDITION, "CONSTRAINTS_UNMET")
    assert told["constraints"] == "POOL, EXCLUDED, CHANNEL, LANGUAGE, SKILL, STATUS"
    some = [pb.CONSTRAINT_POOL, pb.CONSTRAINT_EXCLUDED, pb.CONSTRAINT_CHANNEL]
    told = (await refusal(desk.assign("c", "ana", ignore_constraints=some)))[2]
    assert told["constraints"] == "LANGUAGE, SKILL, STATUS"
    every = [*some, pb.CONSTRAINT_LANGUAGE, pb.CONSTRAINT_SKILL, pb.CONSTRAINT_STATUS]
    answer = await desk.assign("c", "ana", ignore_constraints=every)
    assert (answer.reservation.cost, answer.reservation.pool) == (1, desk.name("pools", "night"))
    assert list((await desk.decision(answer.decision)).ignored_constraints) == every
    assert (await refusal(desk.assign("d", "nobody")))[1] == "AGENT_NOT_FOUND"


async def test_a_returned_contact_is_assigned_by_its_own_requirements(desk: MatcherClient) -> None:
    """A contact without `wait` whose offer was declined is nobody's; its language still counts."""
    await desk.update_agent(roster.Agent(name="ana", languages=["de"]), ["languages"])
    offer = await desk.route(BEES, contact_id="c", language="de")
    await desk.decline(offer.reservation.name)
    assert (await desk.contact("c")).state == pb.CONTACT_RETURNED
    assert (await refusal(desk.assign("c", "ben")))[2]["constraints"] == "LANGUAGE"
    assert (await refusal(desk.assign("c", "ana")))[2]["constraints"] == "EXCLUDED"
    given = await desk.assign("c", "ben", language="en", ignore_constraints=[pb.CONSTRAINT_LANGUAGE])
    assert given.reservation.agent == desk.name("agents", "ben")


async def test_a_repeated_request_gets_the_same_assignment(desk: MatcherClient) -> None:
    """The same request_id holds nothing more, whatever became of the agent; with another agent it is refused."""
    first = await desk.assign("c", "ben", request_id="r-1", accepted=True)
    await desk.set_agent_status("ben", roster.OFFLINE)
    again = await desk.assign("c", "ben", request_id="r-1", accepted=True)
    assert (again.replayed, again.reservation) == (True, first.reservation)
    assert (await desk.agent("ben")).load == 1
    code, reason, _ = await refusal(desk.assign("c", "ana", request_id="r-1", accepted=True))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_what_cannot_be_ignored_or_preferred_is_a_wrong_field(desk: MatcherClient) -> None:
    """A contact's own channel is not changed by an assignment either."""
    await desk.route(BEES, contact_id="c")
    code, reason, _ = await refusal(desk.assign("c", "ana", channel="mail"))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELDS_INVALID")
    assert (await refusal(desk.assign("d", "ana", excluded_agents=["ana"])))[1] == "FIELDS_INVALID"
