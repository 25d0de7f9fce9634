"""The map of interests through the API: what is alike stands together, and stays there when the roster changes."""

from __future__ import annotations

import math

import pytest

from matcher.client import MatcherCallError
from matcher.v1 import roster_pb2 as pb
from tests.people import hire, person
from tests.processes import Server


def apart(one: pb.MappedInterest, other: pb.MappedInterest) -> float:
    """Return the distance of two interests in the map."""
    return math.hypot(one.x - other.x, one.y - other.y)


async def test_what_is_alike_stands_together_and_stays_when_others_come(service: Server) -> None:
    """Two sourdough bakers are neighbours and far from a chess player; a newcomer moves nobody."""
    async with service.client(await service.site()) as client:
        await hire(
            client,
            {
                "ann": person("baking sourdough bread", "playing chess"),
                "bob": person("I bake rye bread from a sourdough starter.", "playing chess"),
            },
        )
        drawn = await client.interest_map("default")
        by_text = {one.interest: one for one in drawn.interests}
        bread, rye, chess = (
            by_text[text]
            for text in ("baking sourdough bread", "I bake rye bread from a sourdough starter.", "playing chess")
        )
        assert apart(bread, rye) < 0.1 < apart(bread, chess)
        assert chess.entry == "chess"
        assert list(chess.agents) == [f"{client.parent}/agents/ann", f"{client.parent}/agents/bob"]
        assert (chess.agent_count, drawn.interest_count, drawn.agent_count) == (2, 3, 2)
        assert len(drawn.entries) > 900
        near = {one.entry: one.agent_count for one in drawn.entries}
        assert (near["chess"], near["beekeeping"]) == (2, 0)
        await hire(client, {"cat": person("keeping honey bees")})
        after = await client.interest_map("default")
        assert {one.interest: (one.x, one.y) for one in after.interests} | {
            text: (one.x, one.y) for text, one in by_text.items()
        } == {one.interest: (one.x, one.y) for one in after.interests}
        assert [one.interest for one in (await client.interest_map("default", max_interests=1)).interests] == [
            "playing chess"
        ]


async def test_a_map_of_a_pool_without_agents_has_landmarks_alone_and_no_pool_has_none(service: Server) -> None:
    """Interests that say nothing have no place, and are counted."""
    async with service.client(await service.site()) as client:
        await client.create_pool("billing", pb.Pool())
        await hire(client, {"ann": person("playing chess", "zzqx wvvq")})
        empty = await client.interest_map("billing")
        assert (list(empty.interests), empty.agent_count) == ([], 0)
        assert len(empty.entries) > 900
        with pytest.raises(MatcherCallError, match="nowhere"):
            await client.interest_map("nowhere")
