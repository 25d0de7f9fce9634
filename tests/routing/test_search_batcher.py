"""Searches that wait for a turn: those that ask the same are one, and everybody gets what they would find alone."""

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
from matcher.replica.pending_claims import PendingClaims
from matcher.replica.site_replica import SiteReplica
from matcher.routing import search_batcher
from matcher.routing.loop_turns import LoopTurns
from matcher.routing.ranker import EncodedMessage, Ranker
from matcher.routing.search_batcher import MOST_TOGETHER, SearchAnswer, SearchBatcher, SearchRequest
from tests.index.rosters import crowd, vectors

ANYONE = Requirements()


@dataclass
class Site:
    """What of a replica a search and a ranking need; counts the searches, by how many messages each was for."""

    index: SiteIndex
    underway: PendingClaims = field(default_factory=PendingClaims)
    searches: list[int] = field(default_factory=list)

    def question(self, requirements: Requirements = ANYONE, **named: Any) -> SearchRequest:
        """Ask for the three longest idle, too."""
        return SearchRequest(cast("SiteReplica", self), requirements, 3, math.inf, **named)

    async def floor(self, _pool: Pool) -> float:
        """Let no affinity count: the longest idle come first."""
        return math.inf


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a site of fifty people, thirty of them online."""
    site = Site(crowd(50, online=30)[0])
    each = SiteIndex.find_each

    def counted(index: SiteIndex, queries: Sequence[Query], *given: Any, **named: Any) -> list[SearchResult]:
        site.searches.append(len(queries))
        return each(index, queries, *given, **named)

    monkeypatch.setattr(SiteIndex, "find_each", counted)
    return site


def query(number: int) -> Query:
    """Make a message of one unit or two."""
    return Query(vectors(number, 1 + number % 2), [("jazz",), ()][: 1 + number % 2])


def affinities(answer: SearchAnswer) -> dict[str, float]:
    """Return whom it found, by id."""
    return dict(zip([one.id for one in answer.found.agents], answer.found.scores.affinity.tolist(), strict=True))


async def test_calls_that_come_together_and_ask_the_same_are_one_search(site: Site) -> None:
    """Five calls that a batch answered are searched for at once, and each gets its own people."""
    finder = SearchBatcher(LoopTurns())
    answers = await asyncio.gather(*(finder.find(site.question(), query(number)) for number in range(5)))
    assert site.searches == [5]
    for number, answer in enumerate(answers):
        assert affinities(answer) == affinities(await finder.find(site.question(), query(number)))
    assert len({tuple(affinities(answer)) for answer in answers}) > 1


async def test_as_many_are_searched_for_together_as_a_claim_names_candidates(site: Site) -> None:
    """Of twenty that come at once eight go on first, then eight, then four."""
    finder = SearchBatcher(LoopTurns())
    await asyncio.gather(*(finder.find(site.question(), query(number)) for number in range(20)))
    assert site.searches == [MOST_TOGETHER, MOST_TOGETHER, 4]


async def test_who_asks_something_else_is_searched_for_in_another_turn(site: Site) -> None:
    """Calls that require a skill do not get those without it, whoever they came with."""
    finder = SearchBatcher(LoopTurns())
    skilled = Requirements(skills={"juggling": 1})
    asked = [site.question(), site.question(skilled), site.question(), site.question(skilled)]
    answers = await asyncio.gather(*(finder.find(one, query(0)) for one in asked))
    assert site.searches == [2, 2]
    assert [answer.found.eligible for answer in answers] == [30, 0, 30, 0]


async def test_where_there_is_much_to_compare_each_goes_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that compares as much as the loop stands still for takes nobody else along; sentences count."""
    rows = site.index.rows(ANYONE)
    monkeypatch.setattr(search_batcher, "COMPARED_TOGETHER", rows)
    finder = SearchBatcher(LoopTurns())
    await asyncio.gather(*(finder.find(site.question(), query(number)) for number in range(3)))
    assert site.searches == [1, 1, 1]
    monkeypatch.setattr(search_batcher, "COMPARED_TOGETHER", 3 * rows)
    await asyncio.gather(*(finder.find(site.question(), query(number)) for number in range(3)))
    assert site.searches == [1, 1, 1, 2, 1]


async def test_who_has_gone_is_not_searched_for(site: Site) -> None:
    """A caller who gives up while waiting costs no search and delays nobody."""
    turns = LoopTurns()
    finder = SearchBatcher(turns)
    await turns.take()  # somebody else is at it
    gone = asyncio.create_task(finder.find(site.question(), query(0)))
    there = asyncio.create_task(finder.find(site.question(), query(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await there
    assert site.searches == [1]
    alone = asyncio.create_task(finder.find(site.question(), query(2)))
    await asyncio.sleep(0)
    alone.cancel()
    assert affinities(await finder.find(site.question(), query(1))) == affinities(await there)
    assert site.searches == [1, 1]


async def test_each_of_those_searched_for_together_has_longest_idle_of_its_own(site: Site) -> None:
    """Four that say nothing are named the three they asked for, one more for each of the others, and those underway."""
    finder = SearchBatcher(LoopTurns())
    site.underway.begin("somebody")
    silent = Query(vectors(1, 0), [])
    answers = await asyncio.gather(*(finder.find(site.question(), silent) for _ in range(4)))
    assert [len(answer.found.longest_idle) for answer in answers] == [3 + 3 + 1] * 4


async def test_whom_constraints_leave_out_is_counted_of_the_same_moment(site: Site) -> None:
    """Those eligible and those left out are all there are; nobody counts them who was not asked to."""
    finder = SearchBatcher(LoopTurns())
    counted, not_counted = await asyncio.gather(
        finder.find(site.question(count_left_out=True), query(0)), finder.find(site.question(), query(0))
    )
    assert counted.found.eligible + sum(counted.left_out.counts.values()) == 50
    assert not_counted.left_out == LeftOut({})


@pytest.mark.parametrize(("what", "told"), [("find_each", 3), ("rows", 2)])  # the last of three needs no rows
async def test_a_search_that_fails_is_told_to_all_it_was_for_and_the_next_is_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, what: str, told: int
) -> None:
    """Nobody waits for ever for an answer that cannot come, nor do those who come later."""
    finder = SearchBatcher(LoopTurns())
    with monkeypatch.context() as broken:
        broken.setattr(SiteIndex, what, lambda *_given, **_named: 1 / 0)
        asked = [finder.find(site.question(), query(number)) for number in range(3)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(one, ZeroDivisionError) for one in ended] == [number < told for number in range(3)]
    assert (await finder.find(site.question(), query(0))).found.eligible == 30


async def test_whom_a_claim_takes_between_a_search_and_its_ranking_is_not_asked_for_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three claims are answered after the search that saw their agents idle: the ranking names the three after them."""
    pool, message = Pool("default", PoolPolicy(), 1, 0, 0), EncodedMessage(split("Hello"), vectors(1, 1), [()])
    ranker, replica = Ranker(0.03, SearchBatcher(LoopTurns())), cast("SiteReplica", site)
    idle = [one.agent for one in (await ranker.rank(replica, pool, message, ANYONE, most=6)).candidates]
    for agent in idle[:3]:
        site.underway.begin(agent)
    search = SiteIndex.find_each

    def answered_after(*given: Any, **named: Any) -> list[SearchResult]:
        for agent in idle[:3]:
            asyncio.get_running_loop().call_soon(site.underway.end, agent)
        return search(*given, **named)

    monkeypatch.setattr(SiteIndex, "find_each", answered_after)
    ranking = await ranker.rank(replica, pool, message, ANYONE, most=3, beside_others=True)
    assert not site.underway.agents
    assert [one.agent for one in ranking.candidates] == idle[3:]
