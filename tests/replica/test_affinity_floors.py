"""The affinity floors of pools: kept as long as the index of their site, and no longer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence, Sized

import numpy as np
import pytest

from matcher.affinity.scorer import Scorer
from matcher.index import Query, SiteIndex
from matcher.model import Agent, Profile
from matcher.model.lifecycle import AgentStatus
from matcher.replica.affinity_floors import AffinityFloors
from matcher.replica.floor_texts import FloorText

DIMENSION = 4
SMALL_TALK = FloorText(np.eye(1, DIMENSION, dtype=np.float32), (("hello",),))


def kept(floors: AffinityFloors) -> int:
    """Count the entries of everything that the floors keep, besides the small talk."""
    return sum(
        len(value)
        for name, value in vars(floors).items()
        if isinstance(value, Sized) and name not in {"_texts", "_languages"}
    )


async def test_a_site_that_is_closed_leaves_nothing_behind() -> None:
    """The floors of twenty sites are computed one after another; each site's entries go with its index."""
    floors = AffinityFloors({"en": [SMALL_TALK]})
    for _ in range(20):
        index = SiteIndex(Scorer(), DIMENSION)
        await floors.of(index, "default")
        await floors.of(index, "night")
        assert kept(floors) > 0
        del index
        async with asyncio.timeout(60):
            while kept(floors):  # a worker thread may let go of the index a moment after its answer
                gc.collect()
                await asyncio.sleep(0.01)


async def test_a_pool_that_is_removed_leaves_no_floor_behind() -> None:
    """The other pool's floor is still known; a new pool of the id gets a floor of its own."""
    floors, index = AffinityFloors({"en": [SMALL_TALK]}), SiteIndex(Scorer(), DIMENSION)
    await floors.of(index, "night")
    await floors.of(index, "default")
    floors.forget(index, "night")
    floors.forget(index, "never-there")
    assert list(floors._floors[index]) == ["default"]
    await floors.of(index, "night")
    assert set(floors._floors[index]) == {"default", "night"}


async def test_small_talk_of_each_language_sets_the_floor_of_its_language_alone() -> None:
    """Spanish small talk that meets an interest raises the floor of Spanish and of unknown languages alone."""
    interest, other = (np.eye(1, DIMENSION, axis, dtype=np.float32) for axis in (0, 1))
    floors = AffinityFloors({"es": [FloorText(interest, (("word",),))], "en": [FloorText(other, (("word",),))]})
    index = SiteIndex(Scorer(), DIMENSION)
    index.put(Agent("a", Profile("", ("guitarra",)), AgentStatus.ONLINE, 1, 1, 0, 0, 0), interest)
    computed = await floors.of(index, "default")
    assert computed.of("en") == 0
    assert computed.of("es") == computed.of("") > 0.5


async def test_the_floors_of_a_list_of_pools_are_computed_by_one_search_of_the_roster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty pools after an import: the roster is searched once, and each pool has the floor that it has alone."""
    index = SiteIndex(Scorer(), DIMENSION)
    pools = [f"pool-{number}" for number in range(20)]
    for number in range(60):
        profile = Profile("", ("guitar",), pools=(pools[number % 19],))
        vector = np.full((1, DIMENSION), 0.5, np.float32) if number % 2 else np.eye(1, DIMENSION, dtype=np.float32)
        index.put(Agent(f"a{number}", profile, AgentStatus.ONLINE, 1, 1, 0, 0, 0), vector)
    alone = AffinityFloors({"en": [SMALL_TALK]})
    expected = [(await alone.of(index, pool)).unknown for pool in pools]
    asked: list[int] = []
    search = SiteIndex.best_affinities_by_pool

    def counted(self: SiteIndex, queries: Sequence[Query], of: Sequence[str]) -> object:
        asked.append(len(of))
        return search(self, queries, of)

    monkeypatch.setattr(SiteIndex, "best_affinities_by_pool", counted)
    monkeypatch.delattr(SiteIndex, "best_affinities")
    together = AffinityFloors({"en": [SMALL_TALK]})
    await together.prepare_pools(index, pools)
    await together.prepare_pools(index, pools)
    assert [(await together.of(index, pool)).unknown for pool in pools] == expected
    assert (asked, kept(together)) == ([20], 1)
