"""Searches for calls that wait for a turn of the event loop, together where they ask the same.

When the encoder answers a batch, many calls want their search at once. One search serves those that ask the same of the
index, and they go on in one turn: their claims leave in one write. Between two turns the loop takes new calls in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from matcher.affinity.search_result import SearchResult
from matcher.index import Query
from matcher.model import LeftOut, Requirements
from matcher.ranking.policy import MOST_CANDIDATES
from matcher.replica.site_replica import SiteReplica
from matcher.routing.loop_turns import LoopTurns

MOST_TOGETHER: Final = MOST_CANDIDATES
"""As many as a claim names candidates: if all of them want the same agents, the last finds one whom no other took."""
COMPARED_TOGETHER: Final = 80_000
"""Pairs of a sentence and an interest that one search compares: some milliseconds, for which the loop stands still.
A message that needs more goes alone."""


class SearchRequest(NamedTuple):
    """What is asked of the index beside the message."""

    replica: SiteReplica
    requirements: Requirements
    most: int
    """How many of the longest idle to name, beside those whom others are likely to take."""
    floor: float
    """Where somebody's affinity reaches it, nobody asks for the longest idle."""
    ignore_availability: bool = False
    count_left_out: bool = False


class SearchAnswer(NamedTuple):
    """What was found for a message, and whom the constraints left out where the question asked for that."""

    found: SearchResult
    left_out: LeftOut
    underway: frozenset[str]
    """Whom claims under way were likely to take when the search was made: to it they are still free."""


@dataclass(slots=True, eq=False, repr=False)
class _Asking:
    question: SearchRequest
    query: Query
    answer: asyncio.Future[SearchAnswer]


class SearchBatcher:
    """Finds for each call in its turn, with those that wait and ask the same."""

    def __init__(self, turns: LoopTurns) -> None:
        self._turns = turns
        self._waiting: list[_Asking] = []
        self._serving: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Wait for a turn, for a heavy step that is no search of many rows."""
        await self._turns.take()

    async def find(self, question: SearchRequest, query: Query) -> SearchAnswer:
        """Wait for a turn and find whom a message meets."""
        answer: asyncio.Future[SearchAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asking(question, query, answer))
        if self._serving is None:
            # It begins in the next pass of the loop: by then all whom a batch answered wait here.
            self._serving = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._turns.take()
                waiting = [one for one in self._waiting if not one.answer.done()]  # else the caller has gone
                self._waiting = waiting[1:]
                if waiting:
                    self._answer(waiting[0])
        finally:
            self._serving = None

    def _answer(self, first: _Asking) -> None:
        """Answer who is next in line, and with them those that ask the same."""
        together = [first]
        try:
            together += self._beside(first)
            self._waiting = [one for one in self._waiting if one not in together]
            answers = _found(first.question, [one.query for one in together])
        except Exception as fault:  # noqa: BLE001 - who asked is told
            for one in together:
                one.answer.set_exception(fault)
        else:
            for one, answer in zip(together, answers, strict=True):
                one.answer.set_result(answer)

    def _beside(self, first: _Asking) -> list[_Asking]:
        """Choose who is searched for with the first."""
        same = [one for one in self._waiting if one.question == first.question][: MOST_TOGETHER - 1]
        if not same:
            return same
        question = first.question
        rows = question.replica.index.rows(question.requirements, ignore_availability=question.ignore_availability)
        compared = accumulate((rows * len(one.query.units) for one in same), initial=rows * len(first.query.units))
        next(compared)
        return [one for one, so_far in zip(same, compared, strict=True) if so_far <= COMPARED_TOGETHER]


def _found(question: SearchRequest, queries: Sequence[Query]) -> list[SearchAnswer]:
    replica, requirements = question.replica, question.requirements
    underway = frozenset(replica.underway.agents)
    found = replica.index.find_each(
        queries,
        requirements,
        ignore_availability=question.ignore_availability,
        max_idle=question.most + len(underway) + len(queries) - 1,
        floor=question.floor,
    )
    left_out = replica.index.left_out(requirements) if question.count_left_out else LeftOut({})
    return [SearchAnswer(one, left_out, underway) for one in found]
