"""The ranker: orders a site's agents for an encoded message, and builds the shortlist that the store chooses from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from matcher.affinity.search_result import SearchResult
from matcher.model import Basis, Candidate, Comparison, Draw, Pool, Preferred, Ranking, Requirements
from matcher.ranking.comparison import compare, is_control, offered_first, outside, with_relationship
from matcher.ranking.policy import MOST_CANDIDATES, RankingTerms, by_load, rank
from matcher.replica.site_replica import SiteReplica
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.search_batcher import SearchBatcher, SearchRequest
from matcher.store.codecs import Record, encode_record
from matcher.store.reservations import Shortlist
from matcher.telemetry.tracing import step

LEAST_UTILIZED: Final = -1.0
"""The tolerance at which the store chooses the least utilized agent, of equals the longest idle."""


@dataclass(frozen=True, slots=True, repr=False)
class RankRequest:
    """A message to rank agents for.

    requirements: what is required now; it may exclude more agents than the message does. preferred: the agents who are
    offered the message before all others, in this order. draw: the contact's arm; None: it has none.
    """

    replica: SiteReplica
    pool: Pool
    encoded: EncodedMessage
    requirements: Requirements
    preferred: Sequence[Preferred] = ()
    draw: Draw | None = None

    @property
    def first(self) -> Sequence[Preferred]:
        """The agents who are offered the message before all others in its arm."""
        forgoes = self.pool.policy.control_forgoes_relationships
        return offered_first(self.preferred, self.draw, forgoes_relationships=forgoes) if self.draw else self.preferred

    @property
    def forgone(self) -> Sequence[Preferred]:
        """The agent who knows the customer, where the contact's arm forgoes that."""
        return [one for one in self.preferred if one not in self.first] if is_control(self.draw) else ()

    @property
    def unknown_preferred(self) -> tuple[str, ...]:
        """The preferred agents who do not exist."""
        return unknown_preferred(self.replica, self.preferred)

    def is_kept(self) -> bool:
        """Return whether the contact, where it may wait, is kept for a preferred agent who may still take it."""
        index, required = self.replica.index, self.requirements
        return not required.only and any(
            preferred.kept_ms and index.may_take(preferred.agent, required) for preferred in self.first
        )


@dataclass(frozen=True, slots=True)
class RankOptions:
    """What a ranking contains.

    most: how many candidates at most. pending_last: of the least utilized agents, those for whom reserves are pending
    come last. count_left_out: count the agents that each constraint excludes.
    """

    most: int = MOST_CANDIDATES
    ignore_availability: bool = False
    pending_last: bool = False
    count_left_out: bool = False


_DEFAULT_OPTIONS: Final = RankOptions()


def unknown_preferred(replica: SiteReplica, preferred: Sequence[Preferred]) -> tuple[str, ...]:
    """Return the preferred agents who do not exist."""
    return tuple(agent.agent for agent in preferred if agent.agent not in replica.index)


class Ranker:
    """Ranks a site's agents for encoded messages."""

    def __init__(self, default_tolerance: float, searches: SearchBatcher) -> None:
        """default_tolerance: of pools that have no tolerance of their own."""
        self._default_tolerance = default_tolerance
        self._searches = searches

    async def terms(
        self, replica: SiteReplica, pool: Pool, encoded: EncodedMessage, *, most: int = MOST_CANDIDATES
    ) -> RankingTerms:
        """Return the terms of a message: the floor and the tolerance in force for its pool."""
        tolerance = pool.policy.tolerance(self._default_tolerance)
        floor = await replica.floor(pool, encoded.language)
        return RankingTerms(floor, tolerance, most, encoded.degraded, encoded.language)

    async def turn(self) -> None:
        """Wait for a loop turn, before a step that searches without one."""
        await self._searches.turn()

    async def search(self, request: RankRequest, *, free: int) -> SearchResult:
        """Search in a loop turn; free: how many of the least utilized agents the result names."""
        search = SearchRequest(request.replica, request.requirements, free, math.inf)
        encoded, pool = request.encoded, request.pool
        query = encoded.query(await request.replica.floor(pool, encoded.language), pool.policy.profile_weight)
        return (await self._searches.find(search, query)).result

    async def rank(self, request: RankRequest, options: RankOptions = _DEFAULT_OPTIONS) -> Ranking:
        """Rank the agents who meet the requirements by the contact's arm, in a loop turn."""
        replica, encoded, requirements = request.replica, request.encoded, request.requirements
        terms = await self.terms(replica, request.pool, encoded, most=options.most)
        # A contact with an arm needs the least utilized agents in any case: they are the choice of control.
        named_below = math.inf if request.draw else terms.floor
        search = SearchRequest(
            replica, requirements, options.most, named_below, options.ignore_availability, options.count_left_out
        )
        query = encoded.query(terms.floor, request.pool.policy.profile_weight)
        with step("search"):
            result, left_out, pending = await self._searches.find(search, query)
        # A reserve that was answered since the search is no longer pending, but it holds capacity that is free in the
        # search's result.
        likely_reserved = pending.union(replica.pending.agents) if options.pending_last else ()
        free = (
            sorted(result.least_utilized, key=lambda entry: entry.agent.id in likely_reserved)
            if likely_reserved
            else None
        )
        with step("rank"):
            ranking = rank(result, encoded.units, terms, left_out=left_out, free=free)
        # A transfer is what requires one agent by id, unless the caller knows another reason.
        ranking = replace(ranking, basis=Basis.TRANSFER) if requirements.only else ranking
        if request.draw is None:
            return ranking
        ranking = compare(ranking, by_load(result, encoded.units, free, options.most), request.draw)
        return with_relationship(ranking, await self.known_and_free(request))

    async def known_and_free(self, request: RankRequest) -> Candidate | None:
        """Return the agent with free capacity who knows the customer of a control contact that forgoes that."""
        if not request.forgone:
            return None
        ranking = await self.rank_preferred(replace(request, preferred=request.forgone, draw=None))
        return ranking.candidates[0] if ranking else None

    async def rank_preferred(self, request: RankRequest) -> Ranking | None:
        """Rank the first of the preferred agents who has free capacity, alone and without a loop turn.

        Returns None where no preferred agent has free capacity.
        """
        compares = request.pool.policy.control_forgoes_relationships
        for preferred in request.first:
            if preferred.agent not in request.requirements.excluded:
                ranking = await self._rank_alone(request, preferred)
                if ranking.candidates:
                    return outside(ranking, request.draw, compares_relationships=compares)
        return None

    async def rank_named(self, request: RankRequest, agent: str, basis: Basis) -> Ranking:
        """Rank one agent alone, available or not; empty where the agent is not in the pool or lacks the channel."""
        ranking = await self._rank_alone(request, Preferred(agent, basis), ignore_availability=True)
        return outside(ranking, request.draw)

    async def rank_all(self, request: RankRequest, options: RankOptions) -> Ranking:
        """Rank the agents who meet the requirements: the preferred ones first, in their order, then as `rank` does."""
        ranking = await self.rank(request, options)
        first: dict[str, Candidate] = {}
        basis = ranking.basis
        for preferred in request.preferred:
            if preferred.agent not in first and preferred.agent not in request.requirements.excluded:
                alone = await self._rank_alone(request, preferred, ignore_availability=options.ignore_availability)
                if alone.candidates and not first:
                    basis = alone.basis
                first.update((candidate.agent, candidate) for candidate in alone.candidates)
        others = (candidate for candidate in ranking.candidates if candidate.agent not in first)
        return replace(ranking, candidates=(*first.values(), *others)[: options.most], basis=basis)

    async def _rank_alone(
        self, request: RankRequest, preferred: Preferred, *, ignore_availability: bool = False
    ) -> Ranking:
        encoded, alone = request.encoded, replace(request.requirements, only=preferred.agent)
        terms = await self.terms(request.replica, request.pool, encoded, most=1)
        query = encoded.query(terms.floor, request.pool.policy.profile_weight)
        result = request.replica.index.find(
            query, alone, max_free=1, floor=terms.floor, ignore_availability=ignore_availability
        )
        return replace(rank(result, encoded.units, terms), basis=preferred.basis)


def shortlist_of(replica: SiteReplica, ranking: Ranking, only: str | None = None) -> Shortlist:
    """Return the shortlist that the store chooses from; only: the single candidate it may choose."""
    compared = ranking.compared
    if compared is not None:
        ranking = replace(ranking, comparison=msgspec.UNSET)
    return Shortlist(
        basis=ranking.basis,
        tolerance=ranking.affinity_tolerance if ranking.basis is Basis.AFFINITY else LEAST_UTILIZED,
        record=encode_record(Record(ranking, replica.matching.model)),
        candidates=[
            (candidate.agent, candidate.affinity)
            for candidate in ranking.candidates
            if only is None or candidate.agent == only
        ],
        compared="" if compared is None else compared.packed,
        facts=_facts_of(replica, ranking, compared),
    )


def _facts_of(replica: SiteReplica, ranking: Ranking, compared: Comparison | None) -> str:
    """Return what the ledger learns of a ranking. No value holds a semicolon.

    margin: the distance of the best affinity from the next. best_affinity: of a contact of the comparison, the same
    for both arms, while the affinity of the agent is not.
    """
    facts = f"eligible={ranking.eligible};model={replica.matching.model};scorer={ranking.scorer};"
    if len(ranking.candidates) > 1:
        facts += f"margin={ranking.candidates[0].affinity - ranking.candidates[1].affinity:.4f};"
    if compared is not None and compared.would_be is not None and ranking.candidates:
        best = compared.would_be if is_control(compared.draw) else ranking.candidates[0]
        facts += f"best_affinity={best.affinity:.4f};"
    if ranking.degraded:
        facts += f"degraded={ranking.degraded};"
    return facts
