"""Lesson 4: a conversation is handed on to an agent, a pool, or the agent whom a new text matches."""

from __future__ import annotations

from matcher.client import MatcherClient
from matcher.v1 import routing_pb2 as pb


async def test_a_conversation_is_handed_on_to_whom_a_new_text_meets(client: MatcherClient) -> None:
    """The old reservation ends when the new one stands: no contact is with two agents, none is with nobody."""
    first = (await client.route("My bees are gone.", contact_id="c-1", auto_accept=True)).reservation
    answer = await client.transfer("c-1", text="It turns out to be about a steam train.")
    assert answer.candidate.display_name == "Tom"
    assert (await client.agent("bea")).load == 0
    assert (await client.contact("c-1")).reservation == answer.reservation.name != first.name


async def test_a_named_agent_gets_the_conversation(client: MatcherClient) -> None:
    """The basis says that the agent was named, not found."""
    await client.route("My bees are gone.", contact_id="c-1", auto_accept=True)
    answer = await client.transfer("c-1", agent="sam")
    assert (answer.candidate.display_name, answer.reservation.basis) == ("Sam", pb.TRANSFER)
