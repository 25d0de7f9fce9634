"""Lesson 2: an offer is accepted or declined, a conversation is completed, and the decision can be read afterwards."""

from __future__ import annotations

from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb

BEES = "The smoker for my bees has a dent."


async def test_accept_then_complete(client: MatcherClient) -> None:
    """The agent accepts, talks, and completes: then the agent is free again and the contact is closed."""
    offer = (await client.route(BEES, contact_id="c-1")).reservation
    accepted = await client.accept(offer.name, fence=offer.fence)
    assert accepted.state == pb.ACCEPTED
    assert (await client.agent("bea")).load == 1
    completed = await client.complete(offer.name, fence=offer.fence, resolved=True)
    assert completed.state == pb.COMPLETED
    assert (await client.agent("bea")).load == 0
    assert (await client.contact("c-1")).state == pb.CONTACT_CLOSED


async def test_a_declined_contact_is_routed_again_without_that_agent(client: MatcherClient) -> None:
    """The contact keeps its id: who declined it is not offered it again."""
    offer = (await client.route(BEES, contact_id="c-1")).reservation
    declined = await client.decline(offer.name, reason="lunch")
    assert (declined.state, declined.decline_reason) == (pb.DECLINED, "lunch")
    again = await client.route(BEES, contact_id="c-1")
    assert again.candidate.display_name != "Bea"


async def test_the_decision_says_why_her_for_a_week(client: MatcherClient) -> None:
    """GetDecision returns the candidates that were weighed, with their reasons and without the customer's words."""
    answer = await client.route(BEES)
    decision = await client.decision(answer.decision)
    assert decision.agent == answer.reservation.agent
    assert decision.candidates[0].display_name == "Bea"
    assert b"smoker" not in decision.SerializeToString()
