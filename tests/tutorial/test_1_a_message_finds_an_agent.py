"""Lesson 1: a message finds the free agent who shares the customer's interest, and the answer says why."""

from __future__ import annotations

from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb

BEES = "Order 4471 came broken. The smoker for my bees has a dent."


async def test_the_agent_who_shares_the_interest_is_reserved(client: MatcherClient) -> None:
    """RouteMessage reserves an agent for the contact: an offer with a deadline, which the agent accepts."""
    answer = await client.route(BEES)
    assert answer.WhichOneof("outcome") == "reservation"
    assert answer.candidate.display_name == "Bea"
    assert answer.reservation.state == pb.PENDING
    assert answer.reservation.basis == pb.AFFINITY


async def test_the_reason_points_into_the_customers_own_words(client: MatcherClient) -> None:
    """A reason holds offsets and an interest, never the customer's words: the caller cuts its own text."""
    answer = await client.route(BEES)
    reason = answer.candidate.reasons[0]
    assert BEES[reason.start : reason.end] == "The smoker for my bees has a dent."
    assert reason.interest == "I keep honey bees behind the house."


async def test_a_message_that_says_nothing_goes_to_the_agent_who_is_idle_longest(client: MatcherClient) -> None:
    """Below the pool's floor nothing in the message counts: the basis is FALLBACK."""
    answer = await client.route("hi")
    assert answer.reservation.basis == pb.FALLBACK
    assert list(answer.candidate.reasons) == []


async def test_a_busy_agent_is_not_asked(client: MatcherClient) -> None:
    """Bea takes one chat at a time: the next message about bees goes to somebody else, and says so."""
    await client.route(BEES, auto_accept=True)
    second = await client.route(BEES)
    assert second.candidate.display_name != "Bea"
    everybody = await client.suggest(BEES, ignore_availability=True)
    assert everybody.candidates[0].display_name == "Bea"


async def test_when_no_agent_is_free_the_answer_says_which_constraint_left_nobody(client: MatcherClient) -> None:
    """Nobody free is an outcome, not an error."""
    for _ in range(3):
        await client.route(BEES, auto_accept=True)
    answer = await client.route(BEES)
    assert answer.WhichOneof("outcome") == "unmatched"
    assert answer.unmatched.reason == pb.CONSTRAINT_CAPACITY
