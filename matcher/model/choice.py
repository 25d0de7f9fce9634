"""The choice of the store among the candidates of a decision, as a rule of its own: it makes a decision again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matcher.model.comparison import SeenAgent


def choose(seen: Sequence[SeenAgent], affinities: Mapping[str, float], tolerance: float) -> str | None:
    """Return the agent whom the store chooses by what it saw; None: no agent had enough free capacity.

    seen: in the order of the shortlist. affinities: of the shortlist, by agent. tolerance: affinities this near the
    best of those with free capacity count as equal; below 0 all do. Of equals the least utilized agent is chosen, then
    the longest idle, then the first.
    """
    free = [one for one in seen if not one.refused]
    if not free:
        return None
    best = max(affinities[one.agent] for one in free)
    equal = [one for one in free if tolerance < 0 or affinities[one.agent] >= best - tolerance]
    return min(equal, key=lambda one: (one.utilization, one.idle_since_ms)).agent
