"""Searches of the index in loop turns: calls that ask for the same share one search.

When the encoder answers a batch, many calls want to search at once. One search serves all calls that ask for the same,
and they continue in one loop turn, so that their reserves leave in one write. Between two loop turns the event loop
accepts new calls.
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
"""A reserve names 8 candidates: so up to 8 calls may share a search, and the last of them still names a free agent when
all name the same agents."""
COMPARED_TOGETHER: Final = 80_000
"""Pairs of a unit and an interest that one shared search compares: some milliseconds, for which the event loop does
nothing else. A message that needs more is searched alone."""


class SearchRequest(NamedTuple):
    """A search of the index but for the message; calls with equal requests may share a search."""

    replica: SiteReplica
    requirements: Requirements
    free: int
    """How many of the least utilized agents the result names, beside those who are likely to be reserved already."""
    floor: float
    """Where an agent's affinity reaches the floor, the result names no agents by utilization."""
    ignore_availability: bool = False
    count_left_out: bool = False


class SearchAnswer(NamedTuple):
    """The result of a search, and the count of excluded agents where the request asked for it."""

    result: SearchResult
    left_out: LeftOut
    pending: frozenset[str]
    """Agents for whom reserves were pending at the time of the search: they are still free in its result."""


@dataclass(slots=True, eq=False, repr=False)
class _WaitingCall:
    request: SearchRequest
    query: Query
    answer: asyncio.Future[SearchAnswer]


class SearchBatcher:
    """Searches for each call in a loop turn, together with waiting calls that ask for the same."""

    def __init__(self, turns: LoopTurns) -> None:
        self._turns = turns
        self._waiting: list[_WaitingCall] = []
        self._serving: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Wait for a loop turn, before a heavy step that searches few rows."""
        await self._turns.take()

    async def find(self, request: SearchRequest, query: Query) -> SearchAnswer:
        """Wait for a loop turn and search for a message."""
        answer: asyncio.Future[SearchAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_WaitingCall(request, query, answer))
        if self._serving is None:
            # The task begins in the next pass of the event loop: by then all calls of an encoder batch wait here.
            self._serving = asyncio.create_task(self._serve())
        return await answer

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._turns.take()
                waiting = [call for call in self._waiting if not call.answer.done()]  # done: the caller went away
                self._waiting = waiting[1:]
                if waiting:
                    self._answer(waiting[0])
        finally:
            self._serving = None

    def _answer(self, first: _WaitingCall) -> None:
        """Answer the first waiting call, and with it the calls that ask for the same."""
        together = [first]
        try:
            together += self._beside(first)
            self._waiting = [call for call in self._waiting if call not in together]
            answers = _search(first.request, [call.query for call in together])
        except Exception as fault:  # noqa: BLE001 - each caller gets it
            for call in together:
                call.answer.set_exception(fault)
        else:
            for call, answer in zip(together, answers, strict=True):
                call.answer.set_result(answer)

    def _beside(self, first: _WaitingCall) -> list[_WaitingCall]:
        """Choose the calls that share the first call's search."""
        same = [call for call in self._waiting if call.request == first.request][: MOST_TOGETHER - 1]
        if not same:
            return same
        request = first.request
        rows = request.replica.index.rows(request.requirements, ignore_availability=request.ignore_availability)
        compared = accumulate((rows * len(call.query.units) for call in same), initial=rows * len(first.query.units))
        next(compared)
        return [call for call, so_far in zip(same, compared, strict=True) if so_far <= COMPARED_TOGETHER]


def _search(request: SearchRequest, queries: Sequence[Query]) -> list[SearchAnswer]:
    replica, requirements = request.replica, request.requirements
    pending = frozenset(replica.pending.agents)
    results = replica.index.find_each(
        queries,
        requirements,
        ignore_availability=request.ignore_availability,
        max_free=request.free + len(pending) + len(queries) - 1,
        floor=request.floor,
    )
    left_out = replica.index.left_out(requirements) if request.count_left_out else LeftOut({})
    return [SearchAnswer(result, left_out, pending) for result in results]
