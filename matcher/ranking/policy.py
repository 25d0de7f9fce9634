"""The policy: from what was found to an order of candidates, with reasons. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.search_result import IdleAgent, SearchResult, top_k
from matcher.affinity.sentences import Sentences
from matcher.model import Basis, Candidate, LeftOut, Ranking, Reason, interest_id

MOST_CANDIDATES: Final = 8
MOST_REASONS: Final = 3

SMALL_TALK_SHARE: Final = 0.95
"""The share of small talk that stays below a pool's floor."""

_NOT_ASKED: Final = LeftOut({})


def rank(
    found: SearchResult,
    units: Sentences,
    *,
    floor: float,
    tolerance: float,
    most: int = MOST_CANDIDATES,
    left_out: LeftOut = _NOT_ASKED,
    resting: Sequence[IdleAgent] | None = None,
) -> Ranking:
    """Order those found, at most `most`, and say by what; `resting` in place of those found, where it is given.

    The agents whose affinity is within `tolerance` of the best count as equal: of them the lowest load over
    capacity comes first, then the longest idle, then the lower id. The others follow by their score. Where
    nobody is met, or the best affinity lies below `floor`, the message says nothing to go by: the basis is FALLBACK
    and the order that of `found.longest_idle`.
    """
    best = found.scores.affinity.max(initial=-np.inf)
    if best < floor or not len(found.scores.agent):
        longest = found.longest_idle if resting is None else resting
        basis, candidates = Basis.FALLBACK, _by_idleness(found, longest[:most], units)
    else:
        basis, candidates = Basis.AFFINITY, _by_affinity(found, units, best - tolerance, most)
    return _ranking(found, units, candidates, basis, floor, tolerance, left_out)


def rank_with(
    found: SearchResult, units: Sentences, chosen: str, *, floor: float, tolerance: float, most: int = MOST_CANDIDATES
) -> Ranking:
    """Rank for a message whose agent was chosen together with those of other messages: the agent is in the ranking.

    The basis is what the chosen agent was to the message: FALLBACK where not met, or met below `floor`; the order is
    that of `rank`. Raises ValueError where the agent is neither met nor among the resting.
    """
    at = next((at for at, agent in enumerate(found.agents) if agent.id == chosen), None)
    resting = [one for one in found.longest_idle if one.agent.id == chosen]
    if at is None and not resting:
        raise ValueError("the chosen agent is not among those found")
    if at is not None and found.scores.affinity[at] >= floor:
        basis, order = Basis.AFFINITY, _by_affinity(found, units, found.scores.affinity.max() - tolerance, most)
    else:
        basis, order = Basis.FALLBACK, _by_idleness(found, found.longest_idle[:most], units)
    if all(candidate.agent != chosen for candidate in order):
        own = _by_idleness(found, resting, units) if at is None else _candidates(found, [at], units)
        order = order[: most - 1] + own
    return _ranking(found, units, order, basis, floor, tolerance, _NOT_ASKED)


def floor_of(best_affinities: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the affinity that 95 % of small talk stays below, given the best one each message of it reaches.

    Their 95th percentile, the higher neighbour where it falls between two. Without any messages it is 0.
    """
    if not len(best_affinities):
        return 0.0
    return float(np.quantile(best_affinities, SMALL_TALK_SHARE, method="higher"))


def _ranking(
    found: SearchResult,
    units: Sentences,
    candidates: tuple[Candidate, ...],
    basis: Basis,
    floor: float,
    tolerance: float,
    left_out: LeftOut,
) -> Ranking:
    return Ranking(
        candidates=candidates,
        basis=basis,
        affinity_floor=floor,
        affinity_tolerance=tolerance,
        units=len(units.spans),
        units_merged=units.merged,
        eligible=found.eligible,
        left_out=left_out,
        scorer=found.scorer,
    )


def _by_affinity(found: SearchResult, units: Sentences, equal_from: float, most: int) -> tuple[Candidate, ...]:
    scores = found.scores
    # Equals count as infinitely good, so that among them only load, idleness and id speak.
    worth = np.where(scores.affinity >= equal_from, np.inf, scores.score)
    columns = (-worth, found.utilization, found.idle_since_ms)
    near = top_k(columns, most)
    ids = (found.agents[at].id for at in near)
    ordered = sorted(zip(*(column[near].tolist() for column in columns), ids, near.tolist(), strict=True))
    return _candidates(found, [at for *_, at in ordered[:most]], units)


def _candidates(found: SearchResult, places: Sequence[int], units: Sentences) -> tuple[Candidate, ...]:
    scores, chosen = found.scores, np.array(places, np.intp)
    columns = zip(
        found.agents[chosen].tolist(),
        scores.affinity[chosen].tolist(),
        scores.score[chosen].tolist(),
        found.confidence(places),
        found.utilization[chosen].tolist(),
        found.idle_since_ms[chosen].tolist(),
        _reasons(found, units, chosen),
        strict=True,
    )
    return tuple(
        Candidate(
            agent.id, agent.profile.display_name, affinity, score, confidence, utilization, idle_since_ms, reasons
        )
        for agent, affinity, score, confidence, utilization, idle_since_ms, reasons in columns
    )


def _by_idleness(found: SearchResult, resting: Sequence[IdleAgent], units: Sentences) -> tuple[Candidate, ...]:
    scores = found.scores
    place = {slot: at for at, slot in enumerate(scores.agent.tolist())} if resting else {}
    longest = [(one, place.get(one.row)) for one in resting]
    met = [at for _, at in longest if at is not None]
    known = dict(zip(met, _candidates(found, met, units), strict=True)) if met else {}
    return tuple(
        Candidate(one.agent.id, one.agent.profile.display_name, 0.0, 0.0, 0.0, one.utilization, one.idle_since_ms, ())
        if at is None
        else known[at]
        for one, at in longest
    )


def _reasons(found: SearchResult, units: Sentences, places: NDArray[np.intp]) -> list[tuple[Reason, ...]]:
    scores, evidence = found.scores, found.evidence
    strongest = []
    for first, end in zip(scores.first[places].tolist(), scores.first[places + 1].tolist(), strict=True):
        if end - first > 1:
            strengths = scores.strength[first:end].tolist()
            order = sorted(range(end - first), key=strengths.__getitem__, reverse=True)
            strongest.append([first + number for number in order[:MOST_REASONS]])
        else:
            strongest.append([first])
    triples = scores.reason[[reason for reasons in strongest for reason in reasons]]
    told = zip(
        evidence.unit[triples].tolist(),
        evidence.interest[triples].tolist(),
        evidence.cosine[triples].tolist(),
        evidence.lexical[triples].tolist(),
        strict=True,
    )
    reasons_of = []
    for agent, reasons in zip(found.agents[places].tolist(), strongest, strict=True):
        interests = agent.profile.interests
        made = []
        for unit, interest, similarity, lexical in islice(told, len(reasons)):
            span, text = units.spans[unit], interests[interest]
            made.append(Reason(span.start, span.end, interest_id(text), text, similarity, lexical))
        reasons_of.append(tuple(made))
    return reasons_of
