"""A search: everyone in a view whom each of some messages meets, scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from matcher.affinity.lexicon import Lexicon
from matcher.affinity.scorer import Evidence, Scorer, Scores
from matcher.affinity.search_result import IdleAgent, SearchResult, top_k
from matcher.index.agent_table import AgentTable
from matcher.index.filters import admitted
from matcher.index.pool_scorers import Serving
from matcher.index.vector_table import Floats, Rows
from matcher.index.view import View
from matcher.model import Requirements


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """A message as it is compared. It has no repr: vectors are never logged."""

    units: Floats
    """Unit vectors [units, dimension], before a scorer's map."""
    stems: Sequence[Sequence[str]]
    """The stems of each unit."""


def search(
    people: AgentTable,
    lexicon: Lexicon,
    view: View,
    serving: Serving,
    queries: Sequence[Query],
    requirements: Requirements,
    *,
    max_idle: int,
    floor: float,
) -> list[SearchResult]:
    """Find everyone in a view whom a message meets, for each of one or more messages.

    Each finds what it would find alone, to the last bit; together they cost less, most of all beside other work, which
    leaves little of the rows and of the code in the caches between two searches.
    max_idle: how many of the longest idle to name where nobody's affinity reaches `floor`.
    """
    scorer, lines = serving.scorer, serving.lines.lines
    members, allowed = admitted(people, view, requirements)
    # One by one: the last bit of a product depends on how many rows it has.
    toward = [serving.lines.toward(query.units) for query in queries]
    unit, row, cosine = view.above(np.concatenate(toward), scorer.threshold, allowed)
    evidence = Evidence(
        unit=unit,
        agent=lines.slot[row],
        interest=lines.interest[row],
        cosine=cosine,
        lexical=lexicon.shared([stems for query in queries for stems in query.stems], unit, lines.handle[row]),
        held=lines.held[row],
    )
    pool_agents = people.traits.in_pool(requirements.pool)
    rows = len(view.owners) if allowed is None else int(np.count_nonzero(allowed))
    idle: tuple[IdleAgent, ...] | None = None
    found = []
    for own, scores in _scored(scorer, evidence, [len(query.units) for query in queries], len(people.load)):
        reached = scores.affinity.max(initial=-np.inf) >= floor
        if not reached and idle is None:
            idle = longest_idle(people, members, max_idle)
        found.append(
            SearchResult(
                evidence=own,
                scores=scores,
                agents=people.agent[scores.agent],
                utilization=people.utilization(scores.agent),
                idle_since_ms=people.idle_since[scores.agent],
                longest_idle=() if reached else idle or (),
                eligible=len(members),
                pool_agents=pool_agents,
                calibration=scorer.calibration,
                scorer=serving.fingerprint,
                rows=rows,
            )
        )
    return found


def longest_idle(people: AgentTable, slots: Rows, most: int) -> tuple[IdleAgent, ...]:
    """Name the `most` of these agents who have been idle longest, in that order; of equals the less loaded first."""
    if not most or not len(slots):
        return ()
    slots = slots[top_k([people.idle_since[slots]], most)]
    if len(slots) > most:  # some are idle equally long
        tied = [people.idle_since[slots], people.utilization(slots), *people.id_parts(slots)]
        slots = slots[top_k(tied, most)]
    idle = map(
        IdleAgent,
        slots.tolist(),
        people.agent[slots].tolist(),
        people.utilization(slots).tolist(),
        people.idle_since[slots].tolist(),
    )
    return tuple(sorted(idle, key=lambda one: (one.idle_since_ms, one.utilization, one.agent.id))[:most])


def _scored(scorer: Scorer, evidence: Evidence, units: Sequence[int], slots: int) -> list[tuple[Evidence, Scores]]:
    """Score what messages of so many units met, each by itself, and return it with the scores of each.

    slots: more than any number of an agent. An agent met by two messages is scored as two agents.
    """
    if len(units) == 1:
        return [(evidence, scorer.score(evidence))]
    bounds = np.concatenate([[0], np.cumsum(units)])
    message = np.searchsorted(bounds, evidence.unit, side="right") - 1
    own = replace(evidence, unit=evidence.unit - bounds[message])
    scores = scorer.score(replace(own, agent=own.agent + message * slots))
    numbers = np.arange(len(units) + 1)
    triples = np.searchsorted(message, numbers).tolist()
    agents = np.searchsorted(scores.agent, numbers * slots).tolist()
    return [
        (own.only(slice(*of_message)), scores.part(*met, triples_before=of_message[0], slots_before=number * slots))
        for number, (of_message, met) in enumerate(zip(pairwise(triples), pairwise(agents), strict=True))
    ]
