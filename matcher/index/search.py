"""A search: everyone in a view whom a message meets, scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matcher.found import Found, Resting, foremost
from matcher.index.constraints import admitted
from matcher.index.lines import Floats, Rows
from matcher.index.people import People
from matcher.index.serving import Serving
from matcher.index.view import View
from matcher.lexicon import Lexicon
from matcher.model import Requirements
from matcher.scorer import Evidence


def search(
    people: People,
    lexicon: Lexicon,
    view: View,
    serving: Serving,
    units: Floats,
    unit_stems: Sequence[Sequence[str]],
    requirements: Requirements,
    *,
    resting: int,
    floor: float,
) -> Found:
    """Find everyone in a view whom a message meets; units [units, dimension] before the map.

    resting: how many of the longest idle to name where nobody's affinity reaches `floor`.
    """
    scorer, lines = serving.scorer, serving.lines.lines
    members, allowed = admitted(people, view, requirements)
    unit, row, cosine = view.above(serving.lines.toward(units), scorer.threshold, allowed)
    evidence = Evidence(
        unit=unit,
        agent=lines.slot[row],
        interest=lines.interest[row],
        cosine=cosine,
        lexical=lexicon.shared(unit_stems, unit, lines.handle[row]),
        held=lines.held[row],
    )
    scores = scorer.score(evidence)
    reached = scores.affinity.max(initial=-np.inf) >= floor
    return Found(
        evidence=evidence,
        scores=scores,
        agents=people.agent[scores.agent],
        utilization=people.utilization(scores.agent),
        idle_since_ms=people.idle_since[scores.agent],
        resting=() if reached else longest_idle(people, members, resting),
        eligible=len(members),
        pool_agents=people.traits.in_pool(requirements.pool),
        calibration=scorer.calibration,
        scorer=serving.fingerprint,
        rows=len(view.owners) if allowed is None else int(np.count_nonzero(allowed)),
    )


def longest_idle(people: People, slots: Rows, most: int) -> tuple[Resting, ...]:
    """Name the `most` of these agents who have been idle longest, in that order; of equals the less loaded first."""
    if not most or not len(slots):
        return ()
    slots = slots[foremost([people.idle_since[slots]], most)]
    if len(slots) > most:  # some are idle equally long
        tied = [people.idle_since[slots], people.utilization(slots), *people.id_parts(slots)]
        slots = slots[foremost(tied, most)]
    resting = map(
        Resting,
        slots.tolist(),
        people.agent[slots].tolist(),
        people.utilization(slots).tolist(),
        people.idle_since[slots].tolist(),
    )
    return tuple(sorted(resting, key=lambda one: (one.idle_since_ms, one.utilization, one.agent.id))[:most])
