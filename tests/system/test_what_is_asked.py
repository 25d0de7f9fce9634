"""What a request asks of the agent is done, or refused by its field, wherever a request may ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person
from tests.processes import Server

BEES = "The smoker for my bees arrived with a dent."


@pytest.fixture
async def desk(service: Server) -> AsyncIterator[MatcherClient]:
    """Give a client of a fresh site whose agents differ in skills and languages; cal talks with the contact c-1."""
    async with service.client(await service.site()) as client:
        people = {name: person("I keep honey bees.", most=9) for name in ("ana", "ben", "cal")}
        people["ben"].skills.add(skill="law", level=3)
        people["ben"].languages.append("de")
        people["cal"].languages.append("fr")
        await hire(client, people)
        await client.route(BEES, contact_id="c-1", excluded_agents=["ana", "ben"], auto_accept=True)
        yield client


async def wrong_fields(error: pytest.ExceptionInfo[MatcherCallError]) -> dict[str, str]:
    """Return the violations of a request that the service refused."""
    assert (error.value.code, error.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELDS_INVALID")
    return {wrong.field: wrong.description for wrong in error.value.violations}


async def test_a_transfer_without_a_text_keeps_what_it_requires(desk: MatcherClient) -> None:
    """Exclusions, skills, a language and preferred agents count without a text, as with one."""
    assert (await desk.transfer("c-1", excluded_agents=["ana"])).reservation.agent.endswith("/ben")
    await desk.route(BEES, contact_id="c-2", excluded_agents=["ana", "ben"], auto_accept=True)
    assert (await desk.transfer("c-2", required_skills={"law": 2})).reservation.agent.endswith("/ben")
    await desk.route(BEES, contact_id="c-3", excluded_agents=["ana", "ben"], auto_accept=True)
    assert (await desk.transfer("c-3", language="de")).reservation.agent.endswith("/ben")
    await desk.route(BEES, contact_id="c-4", excluded_agents=["ana", "ben"], auto_accept=True)
    liked = await desk.transfer("c-4", preferred_agents={"ben": None})
    assert (liked.reservation.agent[-4:], liked.reservation.basis) == ("/ben", pb.PREFERRED)
    await desk.route(BEES, contact_id="c-5", excluded_agents=["ana", "ben"], auto_accept=True)
    nobody = await desk.transfer("c-5", required_skills={"law": 4})
    assert nobody.unmatched.reason == pb.CONSTRAINT_SKILL


async def test_a_named_agent_must_meet_what_a_transfer_requires(desk: MatcherClient) -> None:
    """An agent who is named and lacks a required skill does not get the contact; one who has it does."""
    assert (await desk.transfer("c-1", agent="ana", required_skills={"law": 1})).unmatched.reason == pb.CONSTRAINT_SKILL
    named = await desk.transfer("c-1", agent="ben", required_skills={"law": 1}, language="de")
    assert (named.reservation.agent[-4:], named.reservation.basis) == ("/ben", pb.TRANSFER)


async def test_a_transfer_to_an_excluded_agent_names_both_fields(desk: MatcherClient) -> None:
    """The agent who is named is excluded by the same request: nothing is transferred."""
    with pytest.raises(MatcherCallError) as refused:
        await desk.transfer("c-1", agent="ana", excluded_agents=["ana"])
    assert await wrong_fields(refused) == {"agent": "is excluded by message.excluded_agents[0]"}
    assert (await desk.contact("c-1")).state == pb.CONTACT_ASSIGNED


@pytest.mark.parametrize("wait", [True, False])
async def test_a_transfer_to_an_agent_who_does_not_exist_is_refused(desk: MatcherClient, wait: bool) -> None:
    """AGENT_NOT_FOUND, with and without `wait`: the contact waits for nobody."""
    with pytest.raises(MatcherCallError) as refused:
        await desk.transfer("c-1", agent="nobody", wait=wait)
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert dict(refused.value.metadata) == {"agent": desk.name("agents", "nobody")}
    contact = await desk.contact("c-1")
    assert (contact.state, contact.cause) == (pb.CONTACT_ASSIGNED, pb.CAUSE_ACCEPTED)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_transfer_to_the_agent_who_has_the_contact_is_refused(desk: MatcherClient, wait: bool) -> None:
    """By its field; a repeat of the transfer that brought the contact to the agent is still answered."""
    with pytest.raises(MatcherCallError) as refused:
        await desk.transfer("c-1", agent="cal", wait=wait)
    assert await wrong_fields(refused) == {"agent": "has the contact already"}
    contact = await desk.contact("c-1")
    assert (contact.state, contact.cause) == (pb.CONTACT_ASSIGNED, pb.CAUSE_ACCEPTED)
    moved = await desk.transfer("c-1", agent="ana", wait=wait, request_id=f"t-{wait}")
    await desk.accept(moved.reservation.name)
    again = await desk.transfer("c-1", agent="ana", wait=wait, request_id=f"t-{wait}")
    assert (again.replayed, again.reservation.name) == (True, moved.reservation.name)


async def test_a_contact_that_waits_keeps_its_customer_and_channel(desk: MatcherClient) -> None:
    """Routed again with others the call is refused by the fields; a message without a customer changes none."""
    await desk.create_pool("law", roster.Pool())
    first = await desk.route(BEES, contact_id="w", customer="zoe", required_skills={"law": 9}, wait=True)
    assert first.WhichOneof("outcome") == "queued"
    before = await desk.contact("w")
    with pytest.raises(MatcherCallError) as refused:
        await desk.route(BEES, contact_id="w", customer="max", channel="voice", wait=True)
    wrong = "differs from the contact's own"
    assert await wrong_fields(refused) == {"message.customer": wrong, "message.channel": wrong}
    assert await desk.contact("w") == before
    await desk.route(BEES, contact_id="w", pool="law", wait=True)
    moved = await desk.contact("w")
    assert (moved.pool, moved.customer, moved.channel) == (desk.name("pools", "law"), "zoe", "chat")
    assert (await desk.route(BEES, contact_id="w")).reservation.agent
    assert (await desk.contact("w")).customer == "zoe"


async def test_a_message_without_a_channel_takes_that_of_its_contact(desk: MatcherClient) -> None:
    """A mail that waits is routed again, alone and in a batch, and assigned by hand, on its own channel."""
    by_mail = person("I keep honey bees.")
    by_mail.capacity.channels.add(channel="mail", cost=1)
    by_mail.capacity.total = 9
    await hire(desk, {"eve": by_mail})
    for contact in ("m-1", "m-2", "m-3"):
        await desk.route(
            BEES, contact_id=contact, channel="mail", customer="zoe", required_skills={"law": 9}, wait=True
        )
    with pytest.raises(MatcherCallError) as refused:
        await desk.route(BEES, contact_id="m-1", customer="max")
    assert await wrong_fields(refused) == {"message.customer": "differs from the contact's own"}
    waits = pb.RouteMessageRequest(message=pb.Message(text=BEES), contact_id="m-1")
    alone = await desk.route(BEES, contact_id="m-2")
    (batch,) = await desk.route_many([waits])
    by_hand = await desk.assign("m-3", "eve", text=BEES)
    reservations = (alone.reservation, batch.response.reservation, by_hand.reservation)
    assert [(held.agent.rpartition("/")[2], held.channel) for held in reservations] == [("eve", "mail")] * 3


async def test_an_unmatched_transfer_says_what_keeps_the_named_agent(desk: MatcherClient) -> None:
    """The agent's own reason, and the count of that agent alone: nobody else was asked for."""

    async def refused(agent: str) -> tuple[int, dict[int, int]]:
        unmatched = (await desk.transfer("c-1", agent=agent)).unmatched
        return unmatched.reason, {count.constraint: count.agents for count in unmatched.left_out}

    await desk.create_pool("law", roster.Pool())
    await hire(desk, {"eve": person("I keep honey bees.", pools=[desk.name("pools", "law")])})
    assert await refused("eve") == (pb.CONSTRAINT_POOL, {pb.CONSTRAINT_POOL: 1})
    await desk.set_agent_status("ana", roster.AWAY)
    assert await refused("ana") == (pb.CONSTRAINT_STATUS, {pb.CONSTRAINT_STATUS: 1})
    await hire(desk, {"fay": person("I keep honey bees.")})
    await desk.route(BEES, preferred_agents={"fay": None})
    assert await refused("fay") == (pb.CONSTRAINT_CAPACITY, {pb.CONSTRAINT_CAPACITY: 1})
    await desk.transfer("c-1", agent="ben")
    (held,) = [one async for one in desk.reservations() if one.agent.endswith("/ben")]
    await desk.accept(held.name)
    assert await refused("cal") == (pb.CONSTRAINT_EXCLUDED, {pb.CONSTRAINT_EXCLUDED: 1})


async def test_a_preferred_agent_who_is_excluded_is_refused(desk: MatcherClient) -> None:
    """One request cannot both prefer an agent and exclude the agent."""
    with pytest.raises(MatcherCallError) as refused:
        await desk.route(BEES, excluded_agents=["ben"], preferred_agents={"ana": None, "ben": None})
    assert await wrong_fields(refused) == {
        "message.preferred_agents[1].agent": "is excluded by excluded_agents[0]",
    }


async def test_a_suggestion_names_first_whom_a_route_would_choose(desk: MatcherClient) -> None:
    """A preferred agent, and an agent who served the customer well, come first, with the basis that a route has."""
    first = await desk.suggest("hello", preferred_agents=["cal"])
    assert (first.candidates[0].agent[-4:], first.basis, len(first.candidates)) == ("/cal", pb.PREFERRED, 3)
    assert (await desk.route("hello", preferred_agents={"cal": None})).reservation.agent.endswith("/cal")
    await desk.set_agent_status("cal", roster.OFFLINE)
    assert (await desk.suggest("hello", preferred_agents=["cal"])).basis == pb.FALLBACK
    if_free = await desk.suggest("hello", preferred_agents=["cal"], ignore_availability=True)
    assert (if_free.candidates[0].agent[-4:], if_free.basis) == ("/cal", pb.PREFERRED)
    await desk.set_agent_status("cal", roster.ONLINE)
    pool = roster.Pool(name="default")
    pool.relationship_duration.FromSeconds(3600)
    await desk.update_pool(pool, ["relationship_duration"])
    served = await desk.route(BEES, customer="zoe", preferred_agents={"ben": None}, auto_accept=True)
    await desk.complete(served.reservation.name, resolved=True)
    known = await desk.suggest("hello", customer="zoe")
    assert (known.candidates[0].agent[-4:], known.basis) == ("/ben", pb.RELATIONSHIP)


async def test_the_client_refuses_a_skill_that_expires_and_is_not_required(desk: MatcherClient) -> None:
    """The API has no field for it, so the client says so; nothing is sent."""
    with pytest.raises(ValueError, match="skills_expire names skills that required_skills does not: law"):
        await desk.route(BEES, skills_expire={"law": timedelta(seconds=5)})
