"""Lesson 3: with `wait`, a contact that no agent can take stands in the queue and is offered by itself."""

from __future__ import annotations

from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb
from tests.people import wait_until

BEES = "The smoker for my bees has a dent."


async def busy(client: MatcherClient) -> pb.Reservation:
    """Give every agent a conversation; return Bea's."""
    reservations = [(await client.route(BEES, auto_accept=True)).reservation for _ in range(3)]
    return next(held for held in reservations if held.agent == client.name("agents", "bea"))


async def test_a_contact_waits_and_is_offered_when_an_agent_becomes_free(client: MatcherClient) -> None:
    """The answer is a place in the queue; when Bea completes, the contact is hers without another call."""
    beas = await busy(client)
    answer = await client.route(BEES, contact_id="c-4", wait=True)
    assert answer.WhichOneof("outcome") == "queued"
    assert answer.queued.position == 1
    await client.complete(beas.name)

    async def offered() -> bool:
        return (await client.contact("c-4")).state == pb.CONTACT_RESERVED

    await wait_until(offered, "c-4 is offered")
    offer = await client.reservation((await client.contact("c-4")).reservation)
    assert offer.agent == client.name("agents", "bea")


async def test_a_contact_that_gives_up_is_canceled(client: MatcherClient) -> None:
    """CancelContact takes the contact out of the queue."""
    await busy(client)
    await client.route(BEES, contact_id="c-4", wait=True)
    assert (await client.cancel_contact("c-4")).state == pb.CONTACT_CANCELED
    assert [contact.name async for contact in client.contacts(state=pb.CONTACT_QUEUED)] == []
