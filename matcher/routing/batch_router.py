"""Several messages at once: read one by one, searched a few at a time, decided together, held at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from matcher.affinity.search_result import SearchResult
from matcher.errors import MatcherError
from matcher.model import LeftOut, Outcome, Requirements
from matcher.model.requests import RouteRequest
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch, most_listed
from matcher.ranking.policy import rank_with
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage, encode_message
from matcher.routing.ranker import Ranker
from matcher.routing.router import Decided, Router
from matcher.routing.search_batcher import MOST_TOGETHER

RouteResult: TypeAlias = "Outcome | MatcherError"

MOST_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, repr=False)
class _Open:
    """A message that is still to be decided, as it is compared."""

    at: int
    asked: RouteRequest
    read: EncodedMessage
    floor: float
    tolerance: float
    preferred: bool


class BatchRouter:
    """Route several messages of a site by the jointly best assignment."""

    def __init__(self, router: Router, sites: SiteRegistry, ranker: Ranker) -> None:
        self._router = router
        self._sites = sites
        self._ranker = ranker

    async def route(self, site: str, asked: Sequence[RouteRequest]) -> list[RouteResult]:
        """Return the outcome of each message, or why it failed; of equals the first is served first.

        What was answered before, is held already or cannot be read takes nobody away from the others. A message that
        prefers somebody, or whose customer is led back to somebody, goes first. Whoever finds their agent taken
        meanwhile goes on alone, as do those for whom nobody was left. Raises what concerns all of them: SiteNotFound,
        IndexBehind, StoreUnavailable.
        """
        replica = await self._sites.replica(site)
        begun = await asyncio.gather(*(self._begin(site, replica, at, one) for at, one in enumerate(asked)))
        ended = {at: one for at, one in enumerate(begun) if not isinstance(one, _Open)}
        undecided = [one for one in begun if isinstance(one, _Open)]
        preferring = [(one, Decided(one.read)) for one in undecided if one.preferred]
        ended |= await self._finish(site, preferring)
        joint = [one for one in undecided if not one.preferred]
        decided = list(zip(joint, await self._decide(replica, joint), strict=True))
        for has_agent in (True, False):
            ended |= await self._finish(site, [one for one in decided if (one[1].agent is not None) is has_agent])
        return [ended[at] for at in range(len(asked))]

    async def _begin(self, site: str, replica: SiteReplica, at: int, asked: RouteRequest) -> _Open | RouteResult:
        try:
            before = await self._router.answered(site, asked)
            if before is not None:
                return before
            pool = await replica.pools.pool(asked.message.requirements.pool)
            message = await self._router.with_relationship(replica, pool, asked.message)
            units = await encode_message(replica, message)
            floor, tolerance = await replica.floor(pool), self._ranker.tolerance(pool)
            return _Open(at, asked, units, floor, tolerance, bool(message.preferred))
        except MatcherError as error:
            return error

    async def _decide(self, replica: SiteReplica, undecided: Sequence[_Open]) -> list[Decided]:
        """Choose for all of them. Who else wants a search comes in between: they stand in line a few at a time."""
        if len(undecided) <= 1:
            return [Decided(one.read) for one in undecided]
        most = most_listed(len(undecided))
        required = [one.asked.message.requirements for one in undecided]
        found: list[SearchResult] = []
        for at in range(0, len(undecided), MOST_TOGETHER):
            some = slice(at, at + MOST_TOGETHER)
            asking = zip(undecided[some], required[some], strict=True)
            found += await asyncio.gather(
                *(self._ranker.find(replica, one.read, own, most=most) for one, own in asking)
            )
        contestants = [
            BatchEntry(whom, one.floor, own.channel, one.tolerance)
            for one, own, whom in zip(undecided, required, found, strict=True)
        ]
        listed = {agent for one in contestants for agent in one.shortlist(most)}
        known = (replica.index.agent(agent) for agent in listed)
        openings = {agent.id: Opening.of(agent) for agent in known if agent is not None}
        chosen = await asyncio.to_thread(assign_batch, contestants, openings)
        left_out = _Counted(replica)
        decided = []
        for one, contestant, agent in zip(undecided, contestants, chosen, strict=True):
            if agent is None:
                decided.append(Decided(one.read))
                continue
            ranking = rank_with(contestant.found, one.read.units, agent, floor=one.floor, tolerance=one.tolerance)
            ranking = replace(ranking, left_out=left_out.of(one.asked.message.requirements))
            decided.append(Decided(one.read, ranking, agent))
            await asyncio.sleep(0)
        return decided

    async def _finish(self, site: str, decided: Sequence[tuple[_Open, Decided]]) -> dict[int, RouteResult]:
        async def finish(asked: RouteRequest, decision: Decided) -> RouteResult:
            try:
                return await self._router.route(site, asked, decision)
            except MatcherError as error:
                return error

        ended = await asyncio.gather(*(finish(one.asked, decision) for one, decision in decided))
        return {one.at: outcome for (one, _), outcome in zip(decided, ended, strict=True)}


class _Counted:
    """Counts whom each constraint leaves out, once for messages that ask for the same."""

    def __init__(self, replica: SiteReplica) -> None:
        self._replica = replica
        self._counted: list[tuple[Requirements, LeftOut]] = []

    def of(self, requirements: Requirements) -> LeftOut:
        for known, left_out in self._counted:
            if known == requirements:
                return left_out
        left_out = self._replica.index.left_out(requirements)
        self._counted.append((requirements, left_out))
        return left_out
