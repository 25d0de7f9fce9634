"""The batch router: decides several messages of a site together.

It encodes each message by itself, searches for a few at a time, assigns all of them jointly, and reserves at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from matcher.affinity.search_result import SearchResult
from matcher.errors import FieldsInvalid, MatcherError
from matcher.model import LeftOut, Outcome, Requirements
from matcher.model.requests import RouteRequest
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch, most_listed
from matcher.ranking.comparison import compare, is_control
from matcher.ranking.policy import RankingTerms, basis_of, by_load, rank_with
from matcher.replica.site_registry import SiteRegistry
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import encode_or_fall_back
from matcher.routing.encoder_share import ENCODING_SHARE, EncoderShare
from matcher.routing.message_reading import read_message
from matcher.routing.ranker import Ranker, RankRequest
from matcher.routing.reserver import Choice
from matcher.routing.returning_customers import nothing_said
from matcher.routing.router import BatchDecision, Router
from matcher.routing.search_batcher import MOST_TOGETHER

RouteResult: TypeAlias = "Outcome | MatcherError"

MOST_AT_ONCE: Final = 256
BEGUN_AT_ONCE: Final = 16
"""Messages of a batch that are cut and encoded at once: enough ordinary ones to fill a run of the model. 256 long ones,
cut in one pass of the loop, would keep it for most of a second."""


@dataclass(frozen=True, slots=True, repr=False)
class _Undecided:
    """A message of the batch that needs a decision; at: its place in the batch."""

    at: int
    request: RouteRequest
    to_rank: RankRequest
    terms: RankingTerms

    @property
    def is_control(self) -> bool:
        """Whether its agent is chosen by load."""
        return is_control(self.to_rank.draw)


class BatchRouter:
    """Routes several messages of a site by the jointly best assignment."""

    def __init__(self, router: Router, sites: SiteRegistry, ranker: Ranker, share: EncoderShare | None = None) -> None:
        """share: the part of the encoder that messages which are encoded in turn may take."""
        self._router = router
        self._sites = sites
        self._ranker = ranker
        self._share = share or EncoderShare()

    async def route(
        self, site: str, requests: Sequence[RouteRequest], *, in_turn: bool = False, seconds_left: float | None = None
    ) -> list[RouteResult]:
        """Return the outcome of each message, or its error; of equal messages the first is served first.

        A message that was answered before, is held already or cannot be encoded takes no agent from the others. A
        message with a preferred agent goes first, also where the preference comes from a relationship; then those of
        control contacts, each by itself. A message whose agent was reserved for another message meanwhile is routed
        alone, as is a message for which no agent was left.
        Raises what concerns the whole batch: SiteNotFound, IndexBehind, StoreUnavailable.

        in_turn: the messages are encoded a few at a time, so that those of single calls come in between.
        seconds_left: how long the caller waits, None: for ever; a message that is not encoded in time is an error.
        """
        replica = await self._sites.replica(site)
        share = self._share if in_turn else None
        until = None if seconds_left is None else asyncio.get_running_loop().time() + seconds_left * ENCODING_SHARE
        places = asyncio.Semaphore(BEGUN_AT_ONCE if in_turn else len(requests))

        async def begin(at: int, request: RouteRequest) -> _Undecided | RouteResult:
            async with places:
                return await self._begin(replica, at, request, share, until)

        begun = await asyncio.gather(*(begin(at, request) for at, request in enumerate(requests)))
        results = {at: result for at, result in enumerate(begun) if not isinstance(result, _Undecided)}
        undecided = [message for message in begun if isinstance(message, _Undecided)]
        preferring = [message for message in undecided if message.to_rank.first]
        control = [message for message in undecided if message.is_control and not message.to_rank.first]
        for alone in (preferring, control):
            results |= await self._finish(site, [(message, _alone(message)) for message in alone])
        joint = [message for message in undecided if not (message.to_rank.first or message.is_control)]
        decided = list(zip(joint, await self._decide(replica, joint), strict=True))
        for has_agent in (True, False):
            results |= await self._finish(
                site,
                [(message, decision) for message, decision in decided if (decision.choice is not None) is has_agent],
            )
        return [results[at] for at in range(len(requests))]

    async def _begin(
        self, replica: SiteReplica, at: int, request: RouteRequest, share: EncoderShare | None, until: float | None
    ) -> _Undecided | RouteResult:
        try:
            try:
                answer = await self._router.answered(replica.site, request)
            except FieldsInvalid as refused:
                request = await self._router.on_own_channel(replica.site, request, refused)
                answer = await self._router.answered(replica.site, request)
            if answer is not None:
                return answer
            pool = await replica.pools.pool(request.message.requirements.pool)
            wordless = request.message.is_wordless
            request = replace(request, message=await read_message(request.message))
            message, profile = await self._router.returning.met(replica, pool, request.message)
            if profile is None and wordless:
                return nothing_said()
            encoded = await encode_or_fall_back(replica, pool, message, profile, share, until)
            request, draw = await self._router.drawn(replica, pool, request)
            to_rank = RankRequest(replica, pool, encoded, message.requirements, message.preferred, draw)
            return _Undecided(at, request, to_rank, await self._ranker.terms(replica, pool, encoded))
        except MatcherError as error:
            return error

    async def _decide(self, replica: SiteReplica, undecided: Sequence[_Undecided]) -> list[BatchDecision]:
        """Choose an agent for each message.

        The searches wait for loop turns a few at a time, so that searches of other calls come in between.
        """
        if len(undecided) <= 1:
            return [_alone(message) for message in undecided]
        most = most_listed(len(undecided))
        results: list[SearchResult] = []
        for at in range(0, len(undecided), MOST_TOGETHER):
            together = undecided[at : at + MOST_TOGETHER]
            results += await asyncio.gather(*(self._ranker.search(message.to_rank, free=most) for message in together))
        entries = [
            BatchEntry(result, message.terms.floor, message.to_rank.requirements.channel, message.terms.tolerance)
            for message, result in zip(undecided, results, strict=True)
        ]
        listed = {agent for entry in entries for agent in entry.shortlist(most)}
        agents = (replica.index.agent(agent) for agent in listed)
        openings = {agent.id: Opening.of(agent) for agent in agents if agent is not None}
        chosen = await asyncio.to_thread(assign_batch, entries, openings)
        left_out = _LeftOutCounts(replica)
        decisions = []
        for message, result, agent in zip(undecided, results, chosen, strict=True):
            if agent is None:
                decisions.append(_alone(message))
                continue
            encoded, requirements = message.to_rank.encoded, message.to_rank.requirements
            ranking = rank_with(result, encoded.units, message.terms, agent)
            if message.to_rank.draw:
                first, alone = by_load(result, encoded.units, most=1), basis_of(result, message.terms)
                ranking = compare(ranking, first, message.to_rank.draw, alone=alone)
            ranking = replace(ranking, left_out=left_out.of(requirements))
            decisions.append(BatchDecision(encoded, Choice(ranking, agent)))
            await asyncio.sleep(0)
        return decisions

    async def _finish(self, site: str, decided: Sequence[tuple[_Undecided, BatchDecision]]) -> dict[int, RouteResult]:
        async def finish(request: RouteRequest, decision: BatchDecision) -> RouteResult:
            try:
                return await self._router.route(site, request, decision)
            except MatcherError as error:
                return error

        results = await asyncio.gather(*(finish(message.request, decision) for message, decision in decided))
        return {message.at: result for (message, _), result in zip(decided, results, strict=True)}


def _alone(message: _Undecided) -> BatchDecision:
    """Return the decision that the message is routed alone."""
    return BatchDecision(message.to_rank.encoded)


class _LeftOutCounts:
    """Counts the agents that each constraint excludes, once for messages with equal requirements."""

    def __init__(self, replica: SiteReplica) -> None:
        self._replica = replica
        self._counts: list[tuple[Requirements, LeftOut]] = []

    def of(self, requirements: Requirements) -> LeftOut:
        for counted, left_out in self._counts:
            if counted == requirements:
                return left_out
        left_out = self._replica.index.left_out(requirements)
        self._counts.append((requirements, left_out))
        return left_out
