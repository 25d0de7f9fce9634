"""Exact search: for each of some messages, every agent of a view that the message meets, scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import Lexicon
from matcher.affinity.scorer import Evidence, Scorer, Scores
from matcher.affinity.search_result import FreeAgent, SearchResult, top_k
from matcher.index.agent_table import AgentTable
from matcher.index.filters import admitted
from matcher.index.kinds import kinds_of
from matcher.index.pool_scorers import ServingScorer
from matcher.index.vector_table import Floats, Rows
from matcher.index.view import View
from matcher.model import Requirements

Admitted: TypeAlias = tuple[Rows, NDArray[np.bool_] | None]
"""The members and the positions of a view that meet a message's constraints, as `admitted` returns them."""

_AT_ONCE: Final = 64
"""Messages of one turn, at most: beside a busy loop a thread waits up to 5 ms for each turn."""

_ROWS_AT_ONCE: Final = 32_768
"""Interests times messages of one turn, at most: a millisecond or two under the lock."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The units of a customer's profile: those of a query from `first` on.

    They count where no affinity of the units before them reaches `floor`. stems: called for those of each, where they
    count: most messages speak for themselves, and a stemmer is slow.
    """

    first: int
    floor: float
    stems: Callable[[], Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """A message as it is compared. It has no repr: vectors are never logged."""

    units: Floats
    """Unit vectors [units, dimension], before a scorer's map."""
    stems: Sequence[Sequence[str]]
    """The stems of each unit; of the message's own units alone, where there is a customer's profile beside them."""
    weights: Sequence[float] | None = None
    """Of each unit: the factor of its evidence, not negative; 0: as if the message did not have it; None: each is 1."""
    beside: Beside | None = None
    """The units of the customer's profile among them; None: it has none."""

    def __post_init__(self) -> None:
        """Raise ValueError where the weights are not one a unit, or one is negative or no number."""
        if self.weights is not None and (
            len(self.weights) != len(self.units) or not all(0 <= weight < math.inf for weight in self.weights)
        ):
            raise ValueError("weights must be one number a unit, none of them negative")

    @property
    def message_alone(self) -> Query:
        """The query without the units of the customer's profile."""
        if self.beside is None:
            return self
        first = self.beside.first
        return Query(self.units[:first], self.stems, self.weights[:first] if self.weights else None)

    def profile_alone(self, beside: Beside) -> Query:
        """Return the query of the units of the customer's profile."""
        first = beside.first
        return Query(self.units[first:], beside.stems(), self.weights[first:] if self.weights else None)


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What a search compares with messages: a site's agents and words, and one pool's view and scorer."""

    agents: AgentTable
    lexicon: Lexicon
    view: View
    serving: ServingScorer


def search(
    space: SearchSpace, queries: Sequence[Query], requirements: Requirements, *, max_free: int, floor: float
) -> list[SearchResult]:
    """Return, for each of one or more messages, the agents of a view that the message meets.

    Each result is that of the message alone, to the last bit. One search of several messages costs less than several
    searches, most of all beside other work, which leaves little of the rows and of the code in the caches between two
    searches.
    max_free: how many of the least utilized agents to name where no affinity reaches `floor`, and where the customer's
    profile counts: a queue's order goes by the message alone.
    """
    eligible = admitted(space.agents, space.view, requirements)
    results = _search(space, [query.message_alone for query in queries], requirements, eligible, max_free, floor)
    for number, query in enumerate(queries):
        if query.beside and results[number].scores.affinity.max(initial=-np.inf) < query.beside.floor:
            results[number] = _with_profile(space, query, query.beside, results[number], eligible, max_free)
    return results


def messages_at_once(view: View) -> int:
    """Return how many messages a worker thread compares with a view before it gives others their turn."""
    return min(_AT_ONCE, max(1, _ROWS_AT_ONCE // max(1, len(view.owners))))


def scores_of_all(space: SearchSpace, queries: Sequence[Query]) -> list[Scores]:
    """Return the scores of every member of a view for each of some messages without a customer's profile."""
    evidence = _evidence(space, queries, None)
    weight = _weights(queries, evidence.unit)
    units = [len(query.units) for query in queries]
    return [scores for _, scores in _scored(space.serving.scorer, evidence, weight, units, len(space.agents.load))]


def _search(
    space: SearchSpace,
    queries: Sequence[Query],
    requirements: Requirements,
    eligible: Admitted,
    max_free: int,
    floor: float,
) -> list[SearchResult]:
    agents, scorer = space.agents, space.serving.scorer
    members, positions = eligible
    evidence = _evidence(space, queries, positions)
    pool_agents = agents.attribute_table.in_pool(requirements.pool)
    rows = len(space.view.owners) if positions is None else int(np.count_nonzero(positions))
    free: tuple[FreeAgent, ...] | None = None
    results = []
    weight = _weights(queries, evidence.unit)
    for own, scores in _scored(scorer, evidence, weight, [len(query.units) for query in queries], len(agents.load)):
        reached = scores.affinity.max(initial=-np.inf) >= floor
        if not reached and free is None:
            free = least_utilized(agents, members, max_free)
        results.append(
            SearchResult(
                evidence=own,
                scores=scores,
                agents=agents.agent[scores.agent],
                utilization=agents.utilization(scores.agent),
                idle_since_ms=agents.idle_since[scores.agent],
                least_utilized=() if reached else free or (),
                eligible=len(members),
                pool_agents=pool_agents,
                calibration=scorer.calibration,
                scorer=space.serving.fingerprint,
                rows=rows,
            )
        )
    return results


def _with_profile(
    space: SearchSpace, query: Query, beside: Beside, alone: SearchResult, eligible: Admitted, max_free: int
) -> SearchResult:
    """Return the result of a message with the customer's profile; alone: that of the message, whose evidence stays."""
    agents, (members, positions) = space.agents, eligible
    brought = _evidence(space, [query.profile_alone(beside)], positions)
    evidence = alone.evidence.followed_by(replace(brought, unit=brought.unit + beside.first))
    scores = space.serving.scorer.score(evidence, _weights([query], evidence.unit))
    return replace(
        alone,
        evidence=evidence,
        scores=scores,
        agents=agents.agent[scores.agent],
        utilization=agents.utilization(scores.agent),
        idle_since_ms=agents.idle_since[scores.agent],
        least_utilized=alone.least_utilized or least_utilized(agents, members, max_free),
        by_profile=True,
    )


def _evidence(space: SearchSpace, queries: Sequence[Query], positions: NDArray[np.bool_] | None) -> Evidence:
    """Return the evidence of some messages, whose units are numbered on; positions: as `admitted` returns them."""
    scorer, vectors = space.serving.scorer, space.serving.vectors
    table = vectors.table
    # Query by query: the last bit of a matrix product depends on how many rows it has.
    toward = np.concatenate([vectors.toward(query.units) for query in queries])
    kinds = None
    if scorer.halves is not None and scorer.others is not None:
        units = np.concatenate([query.units for query in queries])
        kinds = kinds_of(units, toward, scorer.halves, scorer.others.threshold)
    unit, row, cosine = space.view.above(toward, scorer.threshold, positions, kinds)
    evidence = Evidence(
        unit=unit,
        agent=table.agent[row],
        interest=table.interest[row],
        cosine=cosine,
        lexical=space.lexicon.shared([stems for query in queries for stems in query.stems], unit, table.handle[row]),
        held=table.held[row],
    )
    return evidence if kinds is None else _by_kind(scorer, evidence, vectors.both_english(unit, row, kinds))


def least_utilized(agents: AgentTable, rows: Rows, most: int) -> tuple[FreeAgent, ...]:
    """Return the `most` least utilized agents of these rows, in that order; of equals the longest idle first."""
    if not most or not len(rows):
        return ()
    rows = rows[top_k([agents.utilization(rows), agents.idle_since[rows]], most)]
    if len(rows) > most:  # some are utilized equally and idle equally long
        columns = [agents.utilization(rows), agents.idle_since[rows], *agents.id_parts(rows)]
        rows = rows[top_k(columns, most)]
    free = map(
        FreeAgent,
        rows.tolist(),
        agents.agent[rows].tolist(),
        agents.utilization(rows).tolist(),
        agents.idle_since[rows].tolist(),
    )
    return tuple(sorted(free, key=lambda agent: (agent.utilization, agent.idle_since_ms, agent.agent.id))[:most])


def _by_kind(scorer: Scorer, evidence: Evidence, both_english: NDArray[np.bool_]) -> Evidence:
    """Return the evidence with what its cosines are worth.

    Words are stemmed as English, so shared words count only between two English texts.
    """
    return replace(
        evidence,
        cosine=scorer.values(evidence.cosine, both_english),
        lexical=evidence.lexical * both_english,
        similarity=evidence.cosine,
    )


def _weights(queries: Sequence[Query], unit: NDArray[np.integer]) -> Floats | None:
    """Return the weight of each triple's unit [triples]; None where no message has weights."""
    if all(query.weights is None for query in queries):
        return None
    weights = [np.ones(len(query.units)) if query.weights is None else query.weights for query in queries]
    of_triples: Floats = np.concatenate(weights).astype(np.float32)[unit]
    return of_triples


def _scored(
    scorer: Scorer, evidence: Evidence, weight: Floats | None, units: Sequence[int], rows: int
) -> list[tuple[Evidence, Scores]]:
    """Score the evidence of several messages, each by itself; return the evidence and scores of each.

    weight: [triples], as of `Scorer.score`; units: of each message; rows: of the agent table. An agent
    that two messages meet is scored as two agents.
    """
    if len(units) == 1:
        return [(evidence, scorer.score(evidence, weight))]
    bounds = np.concatenate([[0], np.cumsum(units)])
    message = np.searchsorted(bounds, evidence.unit, side="right") - 1
    own = replace(evidence, unit=evidence.unit - bounds[message])
    scores = scorer.score(replace(own, agent=own.agent + message * rows), weight)
    numbers = np.arange(len(units) + 1)
    triples = np.searchsorted(message, numbers).tolist()
    agents = np.searchsorted(scores.agent, numbers * rows).tolist()
    return [
        (own.only(slice(*of_message)), scores.part(*met, triples_before=of_message[0], rows_before=number * rows))
        for number, (of_message, met) in enumerate(zip(pairwise(triples), pairwise(agents), strict=True))
    ]
