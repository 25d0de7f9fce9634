"""The ranking policy: an ordered shortlist of candidates with reasons, made from a search result. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.search_result import FreeAgent, SearchResult, top_k
from matcher.affinity.sentences import Sentences
from matcher.model import Basis, Candidate, Degraded, LeftOut, Ranking, Reason, ReasonSource, interest_id

MOST_CANDIDATES: Final = 8
MOST_REASONS: Final = 3

CONVINCING: Final = 0.3
"""The strength from which a match convinces: 92 % of 98 such pairs did, 24 % of 200 weaker ones (evaluation.md)."""

_NOT_COUNTED: Final = LeftOut({})


@dataclass(frozen=True, slots=True)
class RankingTerms:
    """The terms by which agents are ranked.

    floor: an affinity below it decides nothing. tolerance: affinities this near the best count as equal. most: how
    many candidates are named at most.
    """

    floor: float
    tolerance: float
    most: int = MOST_CANDIDATES
    degraded: Degraded | None = None
    """Why the message was not compared with interests; None: it was."""
    language: str = ""
    """The tag of the language in which the message is written; "": unknown."""


class _Order(NamedTuple):
    """The candidates in their order, and the reason for the order."""

    basis: Basis
    candidates: tuple[Candidate, ...]


def rank(
    result: SearchResult,
    units: Sentences,
    terms: RankingTerms,
    *,
    left_out: LeftOut = _NOT_COUNTED,
    free: Sequence[FreeAgent] | None = None,
) -> Ranking:
    """Order the agents of a search result.

    The agents whose affinity is within the tolerance of the best count as equal: of them the lowest load over
    capacity comes first, then the longest idle, then the lower id. The other agents follow by their score. Where no
    agent has an affinity, or the best one lies below the floor, the affinity decides nothing: the basis is FALLBACK
    and the order that of `free`: the lowest load over capacity, then the longest idle.
    free: the least utilized agents, in their order; None: those of the search result.
    """
    if basis_of(result, terms) is Basis.FALLBACK:
        least_utilized = result.least_utilized if free is None else free
        order = _Order(Basis.FALLBACK, _by_utilization(result, least_utilized[: terms.most], units))
    else:
        order = _Order(
            Basis.AFFINITY, _by_affinity(result, units, result.scores.affinity.max() - terms.tolerance, terms.most)
        )
    return _ranking(result, units, terms, order, left_out)


def rank_with(result: SearchResult, units: Sentences, terms: RankingTerms, chosen: str) -> Ranking:
    """Rank for a message whose agent was chosen in a batch; the chosen agent is always in the ranking.

    The basis is FALLBACK where the chosen agent has no affinity, or one below the floor; the order is that of `rank`.
    Raises ValueError where the agent is neither matched nor among the least utilized of the search result.
    """
    at = next((at for at, agent in enumerate(result.agents) if agent.id == chosen), None)
    free = [candidate for candidate in result.least_utilized if candidate.agent.id == chosen]
    if at is None and not free:
        raise ValueError("the chosen agent is not in the search result")
    if at is not None and result.scores.affinity[at] >= terms.floor:
        equal_from = result.scores.affinity.max() - terms.tolerance
        basis, candidates = Basis.AFFINITY, _by_affinity(result, units, equal_from, terms.most)
    else:
        basis, candidates = Basis.FALLBACK, _by_utilization(result, result.least_utilized[: terms.most], units)
    if all(candidate.agent != chosen for candidate in candidates):
        own = _by_utilization(result, free, units) if at is None else _candidates(result, [at], units)
        candidates = candidates[: terms.most - 1] + own
    return _ranking(result, units, terms, _Order(basis, candidates), _NOT_COUNTED)


def basis_of(result: SearchResult, terms: RankingTerms) -> Basis:
    """Return the basis by which `rank` orders a search result."""
    met = len(result.scores.agent) and result.scores.affinity.max() >= terms.floor
    return Basis.AFFINITY if met else Basis.FALLBACK


def by_load(
    result: SearchResult, units: Sentences, free: Sequence[FreeAgent] | None = None, most: int = MOST_CANDIDATES
) -> tuple[Candidate, ...]:
    """Return the agents by the rule of FALLBACK: the lowest load over capacity, then the longest idle.

    free: the least utilized agents, in their order; None: those of the search result.
    """
    return _by_utilization(result, (result.least_utilized if free is None else free)[:most], units)


def _ranking(result: SearchResult, units: Sentences, terms: RankingTerms, order: _Order, left_out: LeftOut) -> Ranking:
    return Ranking(
        candidates=order.candidates,
        basis=order.basis,
        affinity_floor=terms.floor,
        affinity_tolerance=terms.tolerance,
        units=len(units.spans) - units.whole,
        units_merged=units.merged,
        eligible=result.eligible,
        left_out=left_out,
        scorer=result.scorer,
        set_aside=units.set_aside,
        degraded=terms.degraded,
        language=terms.language,
    )


def _by_affinity(result: SearchResult, units: Sentences, equal_from: float, most: int) -> tuple[Candidate, ...]:
    scores = result.scores
    # Equal agents count as infinitely good, so that only load, idleness and id order them.
    worth = np.where(scores.affinity >= equal_from, np.inf, scores.score)
    columns = (-worth, result.utilization, result.idle_since_ms)
    near = top_k(columns, most)
    ids = (result.agents[at].id for at in near)
    ordered = sorted(zip(*(column[near].tolist() for column in columns), ids, near.tolist(), strict=True))
    return _candidates(result, [at for *_, at in ordered[:most]], units)


def _candidates(result: SearchResult, places: Sequence[int], units: Sentences) -> tuple[Candidate, ...]:
    scores, chosen = result.scores, np.array(places, np.intp)
    columns = zip(
        result.agents[chosen].tolist(),
        scores.affinity[chosen].tolist(),
        scores.score[chosen].tolist(),
        result.confidence(places),
        result.utilization[chosen].tolist(),
        result.idle_since_ms[chosen].tolist(),
        _reasons(result, units, chosen),
        strict=True,
    )
    return tuple(
        Candidate(
            agent.id, agent.profile.display_name, affinity, score, confidence, utilization, idle_since_ms, reasons
        )
        for agent, affinity, score, confidence, utilization, idle_since_ms, reasons in columns
    )


def _by_utilization(result: SearchResult, free: Sequence[FreeAgent], units: Sentences) -> tuple[Candidate, ...]:
    scores = result.scores
    place_of_row = {row: at for at, row in enumerate(scores.agent.tolist())} if free else {}
    placed = [(entry, place_of_row.get(entry.row)) for entry in free]
    matched = [at for _, at in placed if at is not None]
    candidates = dict(zip(matched, _candidates(result, matched, units), strict=True)) if matched else {}
    return tuple(
        Candidate(
            entry.agent.id, entry.agent.profile.display_name, 0.0, 0.0, 0.0, entry.utilization, entry.idle_since_ms, ()
        )
        if at is None
        else candidates[at]
        for entry, at in placed
    )


def _reasons(result: SearchResult, units: Sentences, places: NDArray[np.intp]) -> list[tuple[Reason, ...]]:
    scores, evidence = result.scores, result.evidence
    strongest: list[list[int]] = []
    for first, end in zip(scores.first[places].tolist(), scores.first[places + 1].tolist(), strict=True):
        if end - first > 1:
            strengths = scores.strength[first:end].tolist()
            order = sorted(range(end - first), key=strengths.__getitem__, reverse=True)
            strongest.append([first + number for number in order[:MOST_REASONS]])
        else:
            strongest.append([first])
    places_of_all = [reason for reasons in strongest for reason in reasons]
    triples = scores.reason[places_of_all]
    columns = zip(
        evidence.unit[triples].tolist(),
        evidence.interest[triples].tolist(),
        (evidence.cosine if evidence.similarity is None else evidence.similarity)[triples].tolist(),
        evidence.lexical[triples].tolist(),
        (scores.strength[places_of_all] < CONVINCING).tolist(),
        strict=True,
    )
    reasons_of_agents, said = [], len(units.spans)
    for agent, reasons in zip(result.agents[places].tolist(), strongest, strict=True):
        interests = agent.profile.interests
        own = []
        for unit, interest, similarity, lexical, weak in islice(columns, len(reasons)):
            text = interests[interest]
            if unit < said:
                span = units.spans[unit]
                own.append(Reason(span.start, span.end, interest_id(text), text, similarity, lexical, weak=weak))
            else:
                brought = units.profile[unit - said]
                met = (0, 0, interest_id(text), text, similarity, lexical)
                own.append(Reason(*met, ReasonSource.PROFILE, brought.id, brought.shareable, weak))
        reasons_of_agents.append(tuple(own))
    return reasons_of_agents
