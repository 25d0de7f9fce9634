"""Repeated requests and the life of a reservation, as a platform sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."
TRAINS = "I missed the steam train, and my photographs with it."


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site with a bee keeper and a train photographer, who take one chat each."""
    async with service.client(await service.site()) as client:
        people = {"bea": person("I keep honey bees."), "tom": person("I photograph steam trains.")}
        await hire(client, people)
        yield client


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that must fail."""
    with pytest.raises(MatcherCallError) as failed:
        await call
    return failed.value.code, failed.value.reason


async def test_a_repeated_request_gets_the_same_answer(desk: MatcherClient) -> None:
    """A repeated request_id gets the same ids, marked as replayed, in the present state, and reserves nothing more."""
    first = await desk.route(BEES, request_id="r-1")
    again = await desk.route(BEES, request_id="r-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.contact, again.decision, again.reservation) == (first.contact, first.decision, first.reservation)
    assert again.candidate.reasons == first.candidate.reasons
    await desk.accept(first.reservation.name)
    later = await desk.route(BEES, request_id="r-1")
    assert later.reservation.name == first.reservation.name
    assert later.reservation.state == pb.ACCEPTED
    assert (await desk.agent("bea")).load == 1
    assert (await desk.agent("tom")).load == 0


async def test_a_request_id_with_another_message_is_refused(desk: MatcherClient) -> None:
    """A request_id stands for one request: with another text, customer or contact it reserves nothing."""
    await desk.route(BEES, request_id="r-1")
    for call in (
        desk.route(TRAINS, request_id="r-1"),
        desk.route(BEES, request_id="r-1", customer="another"),
        desk.route(BEES, request_id="r-1", contact_id="another"),
        desk.route(BEES, request_id="r-1", auto_accept=True),
    ):
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert (await desk.agent("tom")).load == 0


async def test_unmatched_is_not_remembered(desk: MatcherClient) -> None:
    """An unmatched request is decided again when it is repeated, and gets an agent who is free by then."""
    for name in ("bea", "tom"):
        await desk.set_agent_status(name, roster.OFFLINE)
    nobody = await desk.route(BEES, request_id="r-1", contact_id="c-1")
    assert nobody.unmatched.reason == pb.CONSTRAINT_STATUS
    await desk.set_agent_status("bea", roster.ONLINE)
    matched = await desk.route(BEES, request_id="r-1", contact_id="c-1")
    assert not matched.replayed
    assert matched.reservation.agent == desk.name("agents", "bea")


async def test_a_contact_has_one_agent_at_a_time(desk: MatcherClient) -> None:
    """A contact with a live reservation gets no second one; the error names the live reservation."""
    first = await desk.route(BEES, contact_id="c-1")
    with pytest.raises(MatcherCallError) as failed:
        await desk.route(BEES, contact_id="c-1")
    assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.ALREADY_EXISTS, "CONTACT_HELD")
    assert failed.value.metadata["reservation"] == first.reservation.name
    assert (await desk.agent("tom")).load == 0


async def test_a_declined_contact_goes_to_another_agent(desk: MatcherClient) -> None:
    """After a decline the contact is RETURNED; routed again, it keeps its age and goes to another agent."""
    first = await desk.route(BEES, contact_id="c-1")
    born = (await desk.contact("c-1")).create_time
    declined = await desk.decline(first.reservation.name, fence=first.reservation.fence, reason="on a break")
    assert (declined.state, declined.decline_reason) == (pb.DECLINED, "on a break")
    returned = await desk.contact("c-1")
    assert (returned.state, returned.HasField("queued")) == (pb.CONTACT_RETURNED, False)
    listed = [contact.name async for contact in desk.contacts(state=pb.CONTACT_RETURNED)]
    assert listed == [desk.name("contacts", "c-1")]
    assert [contact async for contact in desk.contacts(state=pb.CONTACT_QUEUED)] == []
    second = await desk.route(BEES, contact_id="c-1")
    assert second.reservation.agent == desk.name("agents", "tom")
    contact = await desk.contact("c-1")
    assert contact.create_time == born
    assert (contact.state, contact.reservation) == (pb.CONTACT_RESERVED, second.reservation.name)
    assert list(contact.excluded_agents) == [desk.name("agents", "bea")]
    assert (await desk.route(BEES)).reservation.agent == desk.name("agents", "bea")


async def test_fences_of_an_agent_only_grow(desk: MatcherClient) -> None:
    """Each reservation of an agent has a higher fence than the last, also after the agent was removed and created."""
    fences = []
    for _ in range(3):
        held = (await desk.route(BEES, excluded_agents=["tom"])).reservation
        fences.append(held.fence)
        await desk.cancel(held.name)
    await desk.delete_agent("bea")
    await desk.create_agent("bea", person("I keep honey bees."))
    fences.append((await desk.route(BEES, excluded_agents=["tom"])).reservation.fence)
    assert fences == sorted(set(fences))


async def test_a_stale_fence_changes_nothing(desk: MatcherClient) -> None:
    """Accept, decline, renew, complete and cancel with another fence are refused."""
    held = (await desk.route(BEES)).reservation
    for step in (desk.accept, desk.decline, desk.renew, desk.complete, desk.cancel):
        wrong = await refusal(step(held.name, fence=held.fence - 1))
        assert wrong == (grpc.StatusCode.FAILED_PRECONDITION, "FENCE_STALE")
    assert await desk.reservation(held.name) == held


async def test_a_repeated_transition_gets_the_same_answer(desk: MatcherClient) -> None:
    """Accept, complete, decline and cancel answer the second time as the first time."""
    held = (await desk.route(BEES)).reservation
    accepted = await desk.accept(held.name, fence=held.fence)
    assert await desk.accept(held.name, fence=held.fence) == accepted
    completed = await desk.complete(held.name, fence=held.fence)
    assert completed.state == pb.COMPLETED
    assert await desk.complete(held.name, fence=held.fence) == completed
    assert await refusal(desk.accept(held.name)) == (grpc.StatusCode.FAILED_PRECONDITION, "RESERVATION_STATE")

    offer = (await desk.route(BEES)).reservation
    assert await desk.decline(offer.name, reason="no") == await desk.decline(offer.name, reason="no")
    another = (await desk.route(TRAINS)).reservation
    assert await desk.cancel(another.name) == await desk.cancel(another.name)


async def test_a_wrap_up_holds_the_capacity_until_it_ends(desk: MatcherClient) -> None:
    """Complete begins the wrap-up, in which the agent is full; a second complete changes nothing, EndWrapUp ends it."""
    pool = await desk.create_pool("wrapping", roster.Pool(wrap_up_duration=Duration(seconds=600)))
    await hire(desk, {"wanda": person("I keep honey bees.", pools=[pool.name])})
    held = (await desk.route(BEES, pool="wrapping", contact_id="c-1", auto_accept=True)).reservation
    assert held.state == pb.ACCEPTED
    assert (await desk.contact("c-1")).state == pb.CONTACT_ASSIGNED
    wrapping = await desk.complete(held.name)
    assert wrapping.state == pb.WRAPPING
    assert await desk.complete(held.name) == wrapping
    assert (await desk.contact("c-1")).state == pb.CONTACT_CLOSED
    assert (await desk.agent("wanda")).load == 1
    assert (await desk.route(BEES, pool="wrapping")).unmatched.reason == pb.CONSTRAINT_CAPACITY
    done = await desk.end_wrap_up(held.name, fence=held.fence)
    assert done.state == pb.COMPLETED
    assert await desk.end_wrap_up(held.name) == await desk.complete(held.name) == done
    assert (await desk.agent("wanda")).load == 0
    assert (await desk.route(BEES, pool="wrapping")).reservation.agent == desk.name("agents", "wanda")
    ended = await refusal(desk.route(BEES, pool="wrapping", contact_id="c-1"))
    assert ended == (grpc.StatusCode.FAILED_PRECONDITION, "CONTACT_ENDED")


async def test_a_transition_after_the_deadline_is_refused(desk: MatcherClient) -> None:
    """After its second an offer cannot be accepted, renewed or completed; another offer can."""
    pool = await desk.create_pool("quick", roster.Pool(offer_duration=Duration(seconds=1)))
    await hire(desk, {"wanda": person("I keep honey bees.", pools=[pool.name])})
    held = (await desk.route(BEES, pool="quick")).reservation

    async def expired() -> bool:
        return (await desk.reservation(held.name)).state == pb.EXPIRED

    await wait_until(expired, "the offer lapses")
    for step in (desk.accept, desk.renew, desk.complete, desk.decline):
        assert await refusal(step(held.name)) == (grpc.StatusCode.FAILED_PRECONDITION, "RESERVATION_LAPSED")
    await desk.update_pool(roster.Pool(name=pool.name, offer_duration=Duration(seconds=3600)), ["offer_duration"])
    next_one = (await desk.route(BEES, pool="quick")).reservation
    assert (await desk.accept(next_one.name)).state == pb.ACCEPTED


async def test_a_decision_records_the_excluded_agents(desk: MatcherClient) -> None:
    """The record has the counts of the preview a moment before: how many agents each constraint excluded."""
    await desk.set_agent_status("tom", roster.OFFLINE)
    preview = await desk.suggest(BEES)
    decided = await desk.decision((await desk.route(BEES)).decision)
    assert [(one.constraint, one.agents) for one in decided.left_out] == [(pb.CONSTRAINT_STATUS, 1)]
    assert decided.left_out == preview.left_out
    assert decided.eligible_agents == 1
