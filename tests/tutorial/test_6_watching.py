"""Lesson 6: nobody polls; a contact, a pool and an agent's desk are watched as they change."""

from __future__ import annotations

from contextlib import aclosing

from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb

BEES = "The smoker for my bees has a dent."


async def test_every_step_of_a_contact_has_a_cause_and_a_number(client: MatcherClient) -> None:
    """WatchContact tells all steps from the first and ends when the contact has ended."""
    offer = (await client.route(BEES, contact_id="c-1")).reservation
    await client.accept(offer.name)
    await client.complete(offer.name)
    steps = [step async for step in client.watch_contact("c-1")]
    assert [step.cause for step in steps] == [pb.CAUSE_OFFERED, pb.CAUSE_ACCEPTED, pb.CAUSE_COMPLETED]
    assert [step.sequence for step in steps] == [1, 2, 3]


async def test_the_desk_of_an_agent_shows_what_the_agent_holds(client: MatcherClient) -> None:
    """WatchReservations begins with what is live now."""
    offer = (await client.route(BEES)).reservation
    async with aclosing(client.watch_reservations("bea")) as desk:
        async for answer in desk:
            assert answer.reservation.name == offer.name
            break
