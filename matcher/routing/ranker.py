"""From a message to an order of agents, and to what the store is asked: what every decision has in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import stems
from matcher.affinity.search_result import SearchResult
from matcher.affinity.sentences import Sentences, split
from matcher.index import Query
from matcher.model import Basis, Message, Pool, Preferred, Ranking, Requirements
from matcher.ranking.policy import MOST_CANDIDATES, rank
from matcher.replica.site_replica import SiteReplica
from matcher.routing.search_batcher import SearchBatcher, SearchRequest
from matcher.store.codecs import Record, encode_record
from matcher.store.reservations import Shortlist

LONGEST_IDLE: Final = -1.0
"""The tolerance that tells the store to take the longest idle."""


@dataclass(frozen=True, slots=True, repr=False)
class EncodedMessage:
    """A message as it is compared: where its units are, their vectors, their stems. Never logged."""

    units: Sentences
    vectors: NDArray[np.float32]
    stems: list[tuple[str, ...]]


async def encode_message(replica: SiteReplica, message: Message) -> EncodedMessage:
    """Split a message and encode its units."""
    units = split(message.text)
    texts = units.texts(message.text)
    return EncodedMessage(units, await replica.matching.encoder.encode(texts), [stems(text) for text in texts])


class Ranker:
    """Rank a site's agents for messages that were read."""

    def __init__(self, default_tolerance: float, finder: SearchBatcher) -> None:
        """Take the tolerance of pools that have none of their own, and who searches."""
        self._default_tolerance = default_tolerance
        self._finder = finder

    def tolerance(self, pool: Pool) -> float:
        """Return the tolerance in force: the pool's own, or the default."""
        own = pool.policy.affinity_tolerance
        return self._default_tolerance if own is None else own

    async def turn(self) -> None:
        """Wait for a turn before what is done at once."""
        await self._finder.turn()

    async def find(
        self, replica: SiteReplica, read: EncodedMessage, requirements: Requirements, *, most: int
    ) -> SearchResult:
        """Find whom a message meets, in its turn, and the `most` of the longest idle."""
        question = SearchRequest(replica, requirements, most, math.inf)
        return (await self._finder.find(question, Query(read.vectors, read.stems))).found

    async def rank(
        self,
        replica: SiteReplica,
        pool: Pool,
        read: EncodedMessage,
        requirements: Requirements,
        *,
        most: int = MOST_CANDIDATES,
        ignore_availability: bool = False,
        beside_others: bool = False,
        count_left_out: bool = False,
    ) -> Ranking:
        """Rank who meets the requirements, at most `most`, in the message's turn.

        beside_others: of those idle longest, whom claims under way are likely to take come last.
        """
        floor = await replica.floor(pool)
        question = SearchRequest(replica, requirements, most, floor, ignore_availability, count_left_out)
        found, left_out, underway = await self._finder.find(question, Query(read.vectors, read.stems))
        # A claim that was answered since the search is under way no more, and took somebody whom the search saw idle.
        likely_taken = underway.union(replica.underway.agents) if beside_others else ()
        resting = sorted(found.longest_idle, key=lambda one: one.agent.id in likely_taken) if likely_taken else None
        ranking = rank(
            found,
            read.units,
            floor=floor,
            tolerance=self.tolerance(pool),
            most=most,
            left_out=left_out,
            resting=resting,
        )
        # Whoever is named alone is named by a transfer, unless the caller knows another reason.
        return replace(ranking, basis=Basis.TRANSFER) if requirements.only else ranking

    async def rank_one(
        self,
        replica: SiteReplica,
        pool: Pool,
        read: EncodedMessage,
        requirements: Requirements,
        agent: str,
        basis: Basis,
    ) -> Ranking | None:
        """Rank one agent alone, taken for another reason than affinity; None where the agent cannot take it now."""
        floor, alone = await replica.floor(pool), replace(requirements, only=agent)
        found = replica.index.find(Query(read.vectors, read.stems), alone, max_idle=1, floor=floor)
        ranking = rank(found, read.units, floor=floor, tolerance=self.tolerance(pool), most=1)
        return replace(ranking, basis=basis) if ranking.candidates else None

    async def preferred(
        self,
        replica: SiteReplica,
        pool: Pool,
        read: EncodedMessage,
        requirements: Requirements,
        preferred: Sequence[Preferred],
    ) -> Ranking | None:
        """Rank the first of the preferred agents who can take it now, without a turn; None where none of them can."""
        for one in preferred:
            if one.agent not in requirements.excluded:
                ranking = await self.rank_one(replica, pool, read, requirements, one.agent, one.basis)
                if ranking is not None:
                    return ranking
        return None


def shortlist_of(replica: SiteReplica, ranking: Ranking, only: str | None = None) -> Shortlist:
    """Return what the store is asked to choose among; `only`: the one of the candidates it may hold."""
    return Shortlist(
        basis=ranking.basis,
        tolerance=ranking.affinity_tolerance if ranking.basis is Basis.AFFINITY else LONGEST_IDLE,
        record=encode_record(Record(ranking, replica.matching.model)),
        candidates=[
            (candidate.agent, candidate.affinity)
            for candidate in ranking.candidates
            if only is None or candidate.agent == only
        ],
    )
