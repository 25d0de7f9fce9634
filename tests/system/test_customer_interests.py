"""What a customer brings along: who gets the contact by it, what the answer says of it, and where it stays."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server
from tests.system.conftest import Pair

REEF = "I keep a coral reef aquarium with clownfish."
BEES = "I keep honey bees behind the house."
BAND = "I play the trombone in a brass band."
LOVES_REEFS = "coral reefs and the fish that live there"
SAYS_NOTHING = "refund pls"
OF_BEES = "My honey bees have swarmed, and the veil you sent is torn."
CREW = {"ria": person(REEF, most=9), "bea": person(BEES, most=9), "tim": person(BAND, most=9)}


def agent_of(answer: pb.RouteMessageResponse) -> str:
    """Return the id of the agent who holds the contact."""
    return answer.reservation.agent.rpartition("/")[2]


async def test_a_call_without_a_word_goes_to_the_agent_who_shares_the_callers_interest(service: Server) -> None:
    """The reason says that it is the customer's second interest that met the aquarium, and has no place in a text."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        answer = await client.route("", channel="chat", customer_interests=["the weather", LOVES_REEFS])
        assert (agent_of(answer), answer.reservation.basis) == ("ria", pb.AFFINITY)
        (reason,) = answer.candidate.reasons
        assert (reason.source, reason.customer_interest) == (pb.REASON_SOURCE_PROFILE, "1")
        assert (reason.start, reason.end, reason.interest) == (0, 0, REEF)


async def test_a_message_that_says_nothing_is_saved_by_the_profile(service: Server) -> None:
    """Without the profile the agent who is idle longest gets it; a suggestion says the same as the route."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        assert (await client.route(SAYS_NOTHING)).reservation.basis == pb.FALLBACK
        answer = await client.route(SAYS_NOTHING, customer_interests=[LOVES_REEFS])
        assert (agent_of(answer), answer.reservation.basis) == ("ria", pb.AFFINITY)
        suggested = await client.suggest(SAYS_NOTHING, customer_interests=[LOVES_REEFS])
        assert suggested.candidates[0].reasons == answer.candidate.reasons


async def test_a_message_that_speaks_for_itself_is_not_outvoted(service: Server) -> None:
    """With a stranger's profile the agents, their affinities and their reasons are the same, to the last bit."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        alone = await client.suggest(OF_BEES)
        beside = await client.suggest(OF_BEES, customer_interests=[LOVES_REEFS, "trombones and brass bands"])
        assert beside == alone
        assert alone.candidates[0].reasons[0].source == pb.REASON_SOURCE_MESSAGE


async def test_in_a_pool_of_profile_weight_0_only_the_message_counts(service: Server) -> None:
    """A weight between halves the evidence, so the affinity is lower; 0 turns profiles off."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        affinity = {}
        for weight in (1.0, 0.5, 0.0):
            pool = people.Pool(name="default", profile_weight=weight, affinity_floor=0.01)
            changed = await client.update_pool(pool, ["profile_weight", "affinity_floor"])
            assert changed.profile_weight == weight
            answer = await client.suggest(SAYS_NOTHING, customer_interests=[LOVES_REEFS])
            affinity[weight] = answer.candidates[0].affinity if answer.basis == pb.AFFINITY else 0.0
        assert affinity[1.0] > affinity[0.5] > affinity[0.0] == 0.0
        assert (1 - affinity[0.5]) ** 2 == pytest.approx(1 - affinity[1.0])


async def test_the_desk_is_told_only_what_the_consent_shares(service: Server) -> None:
    """GetDecision says that a profile met something; what, only where the caller said that it is shareable."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        for shareable in (False, True):
            answer = await client.route(
                SAYS_NOTHING, customer_interests=[LOVES_REEFS], customer_interests_shareable=shareable
            )
            record = await client.decision(answer.decision)
            (reason,) = record.candidates[0].reasons
            assert reason.source == pb.REASON_SOURCE_PROFILE
            told = (reason.interest, reason.customer_interest)
            assert told == ((REEF, "0") if shareable else ("", ""))
            assert answer.candidate.reasons[0].interest == REEF


async def test_the_interests_are_part_of_the_request(service: Server) -> None:
    """A repeat gets the same answer, with its reasons; the same request_id with other interests is refused."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        first = await client.route("", customer_interests=[LOVES_REEFS], request_id="r-1")
        again = await client.route("", customer_interests=[LOVES_REEFS], request_id="r-1")
        assert again.replayed
        assert (again.reservation.name, again.candidate) == (first.reservation.name, first.candidate)
        with pytest.raises(MatcherCallError) as reused:
            await client.route("", customer_interests=["bees"], request_id="r-1")
        assert reused.value.reason == "REQUEST_ID_REUSED"


async def offered(client: MatcherClient, contact: str) -> pb.Reservation:
    """Wait until a contact is offered to an agent; return the offer."""

    async def is_offered() -> bool:
        return (await client.contact(contact)).state == pb.CONTACT_RESERVED

    await wait_until(is_offered, f"{contact} is offered")
    return await client.reservation((await client.contact(contact)).reservation)


async def test_a_contact_that_waited_is_offered_by_its_profile(pair: Pair) -> None:
    """The interests are sealed while the contact waits, read by the process that leads, and gone with the text."""
    async with pair.one.client(await pair.one.site()) as client:
        await hire(client, {"ria": person(REEF)})
        held = await client.route(SAYS_NOTHING, auto_accept=True)
        answer = await client.route(SAYS_NOTHING, contact_id="c", wait=True, customer_interests=[LOVES_REEFS])
        assert answer.WhichOneof("outcome") == "queued"
        async with pair.store.client() as redis:
            record = await redis.hgetall(Keys(client.site).contact("c"))
        assert b"sealed" in record
        assert not any(LOVES_REEFS.encode() in value for value in record.values() if isinstance(value, bytes))
        await client.complete(held.reservation.name)
        offer = await offered(client, "c")
        assert offer.basis == pb.AFFINITY
        (reason,) = (await client.decision(offer.decision)).candidates[0].reasons
        assert reason.source == pb.REASON_SOURCE_PROFILE
        await client.accept(offer.name)
        async with pair.store.client() as redis:
            assert not await redis.hexists(Keys(client.site).contact("c"), "sealed")


async def test_messages_of_a_batch_bring_their_profiles_along(service: Server) -> None:
    """Two messages that say nothing meet the two agents who share their customers' interests."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        requests = [
            pb.RouteMessageRequest(
                parent=client.parent,
                contact_id=contact,
                message=pb.Message(text=SAYS_NOTHING, customer_interests=[interest]),
            )
            for contact, interest in (("c-1", "brass bands"), ("c-2", LOVES_REEFS))
        ]
        answers = await client.route_many(requests)
        assert [agent_of(answer.response) for answer in answers] == ["tim", "ria"]
