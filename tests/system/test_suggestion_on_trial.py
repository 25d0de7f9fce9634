"""Suggestions: how a message was cut, and what another policy of the pool would do to it."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError
from matcher.v1 import roster_pb2 as people
from matcher.v1 import routing_pb2 as pb
from tests.people import hire, person
from tests.processes import Server

BEES = "I keep honey bees behind the house."
BAND = "I play the trombone in a brass band."
TEXT = "Hello! My honey bees have swarmed. 🐝 The veil of order 4711-22-9310 is torn."
CREW = {"bea": person(BEES, most=9), "tim": person(BAND, most=9)}


async def test_a_suggestion_says_how_the_message_was_cut(service: Server) -> None:
    """The places are code points of the text as it was sent, as those of the reasons are; small talk is no unit."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        answer = await client.suggest(TEXT)
        cut = [TEXT[unit.start : unit.end] for unit in answer.compared]
        assert len(cut) == answer.units
        assert cut[0] == "My honey bees have swarmed."
        assert "Hello!" not in cut
        assert cut[1].startswith("\U0001f41d The veil")
        reason = answer.candidates[0].reasons[0]
        assert TEXT[reason.start : reason.end] in cut
        assert (answer.language, answer.profile_weight) == ("en", 1.0)


async def test_another_policy_is_tried_without_being_stored(service: Server) -> None:
    """With a floor of 1 the message falls back, with one of 0 everything meets; the pool stays as it was."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        before = await client.pool("default")
        own = await client.suggest(TEXT)
        assert own.basis == pb.AFFINITY
        strict = await client.suggest(TEXT, affinity_floor=1.0)
        assert (strict.basis, strict.affinity_floor) == (pb.FALLBACK, 1.0)
        wide = await client.suggest(TEXT, affinity_floor=0.0, affinity_tolerance=1.0)
        assert (wide.basis, wide.affinity_tolerance, wide.affinity_floor) == (pb.AFFINITY, 1.0, 0.0)
        assert await client.pool("default") == before
        assert await client.suggest(TEXT) == own


async def test_the_weight_of_a_profile_is_tried(service: Server) -> None:
    """A weight of 0 leaves out what the customer brings along, and the answer says the weight in force."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        brought = ["honey bees and their keepers"]
        counted = await client.suggest("refund pls", customer_interests=brought)
        ignored = await client.suggest("refund pls", customer_interests=brought, profile_weight=0.0)
        assert (counted.basis, counted.profile_weight) == (pb.AFFINITY, 1.0)
        assert (ignored.basis, ignored.profile_weight) == (pb.FALLBACK, 0.0)


async def test_what_no_pool_may_have_is_refused_by_name(service: Server) -> None:
    """The fields are checked as those of a pool are, and a pool that has an own floor is tried without it changing."""
    async with service.client(await service.site()) as client:
        await hire(client, CREW)
        await client.update_pool(people.Pool(name="default", affinity_floor=0.9), ["affinity_floor"])
        with pytest.raises(MatcherCallError, match="affinity_floor"):
            await client.suggest(TEXT, affinity_floor=1.5)
        assert (await client.suggest(TEXT, affinity_floor=0.1)).affinity_floor == 0.1
        assert (await client.suggest(TEXT)).affinity_floor == 0.9
