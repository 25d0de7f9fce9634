"""Interests that a customer agreed to leave: whom the customer meets by them, and what the answer says."""

from __future__ import annotations

import time

import pytest

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.keys import Keys
from matcher.v1 import customers_pb2
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person, wait_until
from tests.processes import Server
from tests.system.conftest import Pair

REEF = "I keep a coral reef aquarium with clownfish."
BEES = "I keep honey bees behind the house."
LOVES_REEFS = "coral reefs and the fish that live there"
SAYS_NOTHING = "refund pls"
CREW = {"ria": person(REEF, most=9), "bea": person(BEES, most=9)}


def ann(*interests: str, shareable: bool = False) -> customers_pb2.Customer:
    """Return a customer who agrees to leave these interests."""
    customer = customers_pb2.Customer(
        handles=["ann"], interests=[customers_pb2.CustomerInterest(text=text) for text in interests]
    )
    if interests:
        customer.consent.basis = "asked on the phone"
        customer.consent.shareable = shareable
        customer.consent.time.FromSeconds(int(time.time()) - 60)
        customer.consent.expire_time.FromSeconds(int(time.time()) + 3_600)
    return customer


async def crew_and_ann(client: MatcherClient, *, shareable: bool = False) -> str:
    """Hire both agents, and remember what Ann loves; return the id of her second interest."""
    await hire(client, CREW)
    put = await client.put_customer(ann("the weather", LOVES_REEFS, shareable=shareable))
    return str(put.interests[1].id)


async def test_a_call_of_a_known_customer_needs_no_word(service: Server) -> None:
    """The reason names the interest by its id; an agent's desk is told so only where the consent shares it."""
    for shareable in (False, True):
        async with service.client(await service.site()) as client:
            loved = await crew_and_ann(client, shareable=shareable)
            answer = await client.route("", customer="ann")
            assert (answer.candidate.display_name or answer.reservation.agent).endswith("ria")
            (reason,) = answer.candidate.reasons
            assert (reason.source, reason.customer_interest) == (pb.REASON_SOURCE_PROFILE, loved)
            (told,) = (await client.decision(answer.decision)).candidates[0].reasons
            assert (told.interest, told.customer_interest) == ((REEF, loved) if shareable else ("", ""))


async def test_a_call_of_an_unknown_customer_is_refused_with_the_field(service: Server) -> None:
    """Without a text, interests or anything remembered there is nothing to go by; each call says so."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        request = pb.RouteMessageRequest(parent=client.parent, contact_id="c", message=pb.Message(customer="bob"))
        for call in (client.route("", customer="bob"), client.suggest("", customer="bob")):
            with pytest.raises(MatcherCallError) as refused:
                await call
            assert [violation.field for violation in refused.value.violations] == ["message.text"]
        (answer,) = await client.route_many([request])
        assert "message.text" in answer.status.message


async def test_what_is_remembered_decides_only_where_the_message_says_too_little(service: Server) -> None:
    """Ann's message of bees goes to the beekeeper as a stranger's does; her "refund pls" to the reef keeper."""
    async with service.client(await service.site()) as client:
        await crew_and_ann(client)
        of_bees = "My honey bees have swarmed."
        assert await client.suggest(of_bees, customer="ann") == await client.suggest(of_bees)
        by_profile = await client.suggest(SAYS_NOTHING, customer="ann")
        assert by_profile.basis == pb.AFFINITY
        assert by_profile.candidates[0].agent == client.name("agents", "ria")
        requests = [
            pb.RouteMessageRequest(
                parent=client.parent, contact_id=f"c-{who}", message=pb.Message(text=SAYS_NOTHING, customer=who)
            )
            for who in ("bob", "ann")
        ]
        answers = await client.route_many(requests)
        assert answers[1].response.reservation.agent == client.name("agents", "ria")
        assert [answer.response.reservation.basis for answer in answers] == [pb.FALLBACK, pb.AFFINITY]


async def test_a_repeat_is_answered_as_before_also_when_the_interests_are_gone(service: Server) -> None:
    """What is remembered is no part of the request: it may change or go between a call and its repeat."""
    async with service.client(await service.site()) as client:
        await crew_and_ann(client)
        first = await client.route("", customer="ann", request_id="r-1")
        await client.put_customer(ann())
        again = await client.route("", customer="ann", request_id="r-1")
        assert again.replayed
        assert (again.reservation.name, again.candidate) == (first.reservation.name, first.candidate)
        with pytest.raises(MatcherCallError):
            await client.route("", customer="ann", request_id="r-2")


async def test_a_contact_that_waits_is_offered_by_what_its_customer_left(service: Server) -> None:
    """The interests are read again when the contact is compared: nothing of them waits with it."""
    async with service.client(await service.site()) as client:
        await hire(client, {"ria": person(REEF)})
        held = await client.route(SAYS_NOTHING, auto_accept=True)
        await client.put_customer(ann(LOVES_REEFS))
        waiting = await client.route("", customer="ann", contact_id="c", wait=True)
        assert waiting.WhichOneof("outcome") == "queued"
        await client.complete(held.reservation.name)

        async def is_offered() -> bool:
            return (await client.contact("c")).state == pb.CONTACT_RESERVED

        await wait_until(is_offered, "the contact is offered")
        offer = await client.reservation((await client.contact("c")).reservation)
        (reason,) = (await client.decision(offer.decision)).candidates[0].reasons
        assert (offer.basis, reason.source) == (pb.AFFINITY, pb.REASON_SOURCE_PROFILE)


async def test_a_customer_who_is_forgotten_while_waiting_leaves_nothing_in_the_offer(pair: Pair) -> None:
    """The process that serves the queue has read the interests before; it reads the contact again for the offer."""
    async with pair.one.client(await pair.one.site()) as client:
        await hire(client, {"ria": person(REEF)})
        held = await client.route(SAYS_NOTHING, auto_accept=True)
        await client.put_customer(ann(LOVES_REEFS))
        await client.route(SAYS_NOTHING, customer="ann", contact_id="c", wait=True)
        async with pair.store.client() as redis:
            key = Keys(client.site).contact("c")
            assert await redis.hdel(key, "customer") == 1  # as when a customer is forgotten who waits
            await client.put_customer(ann())
            await client.complete(held.reservation.name)

            async def is_offered() -> bool:
                return (await client.contact("c")).state == pb.CONTACT_RESERVED

            await wait_until(is_offered, "the contact is offered")
            offer = await client.reservation((await client.contact("c")).reservation)
            decision = offer.decision.rpartition("/")[2]
            assert (await redis.hget(Keys(client.site).decision(decision), "customer")) is None
        assert offer.basis == pb.FALLBACK
        assert not (await client.decision(offer.decision)).candidates[0].reasons
