"""Tests of the search batcher: calls that ask for the same share a search, and each gets what it would find alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from matcher.affinity.search_result import SearchResult
from matcher.affinity.sentences import split
from matcher.index import Query, SiteIndex
from matcher.model import LeftOut, Pool, PoolPolicy, Requirements
from matcher.replica.pending_reserves import PendingReserves
from matcher.replica.site_replica import SiteReplica
from matcher.routing import search_batcher
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.ranker import Ranker, RankOptions, RankRequest
from matcher.routing.search_batcher import MOST_TOGETHER, SearchAnswer, SearchBatcher, SearchRequest
from tests.index.rosters import crowd, vectors

ANYONE = Requirements()


@dataclass
class Site:
    """The part of a replica that a search and a ranking need; it notes for how many messages each search was."""

    index: SiteIndex
    pending: PendingReserves = field(default_factory=PendingReserves)
    searches: list[int] = field(default_factory=list)

    def request(self, requirements: Requirements = ANYONE, **options: Any) -> SearchRequest:
        """Return a search request that also names the three agents idle longest."""
        return SearchRequest(cast("SiteReplica", self), requirements, 3, math.inf, **options)

    async def floor(self, _pool: Pool, _language: str) -> float:
        """Let no affinity count: the agents idle longest come first."""
        return math.inf


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a site of fifty agents, thirty of them online."""
    site = Site(crowd(50, online=30)[0])
    find_each = SiteIndex.find_each

    def counted(index: SiteIndex, queries: Sequence[Query], *args: Any, **options: Any) -> list[SearchResult]:
        site.searches.append(len(queries))
        return find_each(index, queries, *args, **options)

    monkeypatch.setattr(SiteIndex, "find_each", counted)
    return site


def query(number: int) -> Query:
    """Return a message of one unit or two."""
    return Query(vectors(number, 1 + number % 2), [("jazz",), ()][: 1 + number % 2])


def affinities(answer: SearchAnswer) -> dict[str, float]:
    """Return the affinity of each agent in an answer, by id."""
    result = answer.result
    return dict(zip([agent.id for agent in result.agents], result.scores.affinity.tolist(), strict=True))


async def test_calls_that_come_together_and_ask_the_same_are_one_search(site: Site) -> None:
    """Five calls of one encoder batch share one search, and each gets its own agents."""
    searches = SearchBatcher(LoopTurns())
    answers = await asyncio.gather(*(searches.find(site.request(), query(number)) for number in range(5)))
    assert site.searches == [5]
    for number, answer in enumerate(answers):
        assert affinities(answer) == affinities(await searches.find(site.request(), query(number)))
    assert len({tuple(affinities(answer)) for answer in answers}) > 1


async def test_as_many_calls_share_a_search_as_a_reserve_names_candidates(site: Site) -> None:
    """Of twenty calls that arrive at once the first eight share a search, then eight, then four."""
    searches = SearchBatcher(LoopTurns())
    await asyncio.gather(*(searches.find(site.request(), query(number)) for number in range(20)))
    assert site.searches == [MOST_TOGETHER, MOST_TOGETHER, 4]


async def test_a_call_with_other_requirements_is_searched_for_in_another_turn(site: Site) -> None:
    """Calls that require a skill get no agents without it, whichever calls they arrived with."""
    searches = SearchBatcher(LoopTurns())
    skilled = Requirements(skills={"juggling": 1})
    requests = [site.request(), site.request(skilled), site.request(), site.request(skilled)]
    answers = await asyncio.gather(*(searches.find(request, query(0)) for request in requests))
    assert site.searches == [2, 2]
    assert [answer.result.eligible for answer in answers] == [30, 0, 30, 0]


async def test_where_there_is_much_to_compare_each_goes_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search at the bound of what is compared at once is shared with no other call; units count."""
    rows = site.index.rows(ANYONE)
    monkeypatch.setattr(search_batcher, "COMPARED_TOGETHER", rows)
    searches = SearchBatcher(LoopTurns())
    await asyncio.gather(*(searches.find(site.request(), query(number)) for number in range(3)))
    assert site.searches == [1, 1, 1]
    monkeypatch.setattr(search_batcher, "COMPARED_TOGETHER", 3 * rows)
    await asyncio.gather(*(searches.find(site.request(), query(number)) for number in range(3)))
    assert site.searches == [1, 1, 1, 2, 1]


async def test_a_call_that_was_cancelled_is_not_searched_for(site: Site) -> None:
    """A call that is cancelled while it waits costs no search and delays no other call."""
    turns = LoopTurns()
    searches = SearchBatcher(turns)
    await turns.take()  # another step has the loop turn
    cancelled = asyncio.create_task(searches.find(site.request(), query(0)))
    waiting = asyncio.create_task(searches.find(site.request(), query(1)))
    await asyncio.sleep(0)
    cancelled.cancel()
    await waiting
    assert site.searches == [1]
    alone = asyncio.create_task(searches.find(site.request(), query(2)))
    await asyncio.sleep(0)
    alone.cancel()
    assert affinities(await searches.find(site.request(), query(1))) == affinities(await waiting)
    assert site.searches == [1, 1]


async def test_each_call_of_a_shared_search_has_least_utilized_agents_of_its_own(site: Site) -> None:
    """Each of four messages without units gets the three idle agents it asked for, one for each other, one pending."""
    searches = SearchBatcher(LoopTurns())
    site.pending.begin("an agent")
    silent = Query(vectors(1, 0), [])
    answers = await asyncio.gather(*(searches.find(site.request(), silent) for _ in range(4)))
    assert [len(answer.result.least_utilized) for answer in answers] == [3 + 3 + 1] * 4


async def test_the_excluded_agents_are_counted_at_the_moment_of_the_search(site: Site) -> None:
    """The eligible and the excluded agents are all agents; they are counted only where the request asks for it."""
    searches = SearchBatcher(LoopTurns())
    counted, not_counted = await asyncio.gather(
        searches.find(site.request(count_left_out=True), query(0)), searches.find(site.request(), query(0))
    )
    assert counted.result.eligible + sum(counted.left_out.counts.values()) == 50
    assert not_counted.left_out == LeftOut({})


@pytest.mark.parametrize(("broken", "failed"), [("find_each", 3), ("rows", 2)])  # the last of three needs no rows
async def test_every_call_of_a_search_gets_its_error_and_the_next_search_is_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, broken: str, failed: int
) -> None:
    """No call waits for ever for an answer that cannot come, nor does a later call."""
    searches = SearchBatcher(LoopTurns())
    with monkeypatch.context() as patch:
        patch.setattr(SiteIndex, broken, lambda *_args, **_options: 1 / 0)
        calls = [searches.find(site.request(), query(number)) for number in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, ZeroDivisionError) for answer in answers] == [number < failed for number in range(3)]
    assert (await searches.find(site.request(), query(0))).result.eligible == 30


async def test_an_agent_reserved_between_a_search_and_its_ranking_is_not_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three reserves are answered after the search in which their agents are idle: the ranking names the next three."""
    pool, message = Pool("default", PoolPolicy(), 1, 0, 0), EncodedMessage(split("Hello"), vectors(1, 1), [()])
    request = RankRequest(cast("SiteReplica", site), pool, message, ANYONE)
    ranker = Ranker(0.03, SearchBatcher(LoopTurns()))
    idle = [candidate.agent for candidate in (await ranker.rank(request, RankOptions(most=6))).candidates]
    for agent in idle[:3]:
        site.pending.begin(agent)
    search = SiteIndex.find_each

    def answered_after(*args: Any, **options: Any) -> list[SearchResult]:
        for agent in idle[:3]:
            asyncio.get_running_loop().call_soon(site.pending.end, agent)
        return search(*args, **options)

    monkeypatch.setattr(SiteIndex, "find_each", answered_after)
    ranking = await ranker.rank(request, RankOptions(most=3, pending_last=True))
    assert not site.pending.agents
    assert [candidate.agent for candidate in ranking.candidates] == idle[3:]
