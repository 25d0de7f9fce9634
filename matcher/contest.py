"""Several contacts that compete for agents: from what was found for each to who gets whom. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matcher.assignment import Opening, assign
from matcher.found import Found, foremost


@dataclass(frozen=True, slots=True)
class Contestant:
    """A contact, and what an agent is worth to it: `per_affinity` times the affinity, and `beside` whoever it is.

    found: with as many resting agents as there are contestants. An affinity below `floor` is nothing to go by and
    counts 0. So a message is worth its affinity where the two others are 1 and 0; a contact that waits is worth
    seconds: 1/wait_weight an affinity, its age and the head start beside it.
    """

    found: Found
    floor: float
    channel: str
    per_affinity: float = 1.0
    beside: float = 0.0

    def shortlist(self, most: int) -> dict[str, float]:
        """Return whom the contact asks for, and the affinity that counts: the `most` best, and as many longest idle.

        Among so many there is always one whom none of `most - 1` others took; so the best assignment among
        shortlists is the best of all.
        """
        affinity = self.found.scores.affinity
        met = np.flatnonzero(affinity >= self.floor)
        if len(met):
            idle, used = self.found.idle_since_ms[met], self.found.utilization[met]
            met = met[foremost((-affinity[met], used, idle), most)]
        counted = {one.agent.id: 0.0 for one in self.found.resting[:most]}
        return counted | {self.found.agents[at].id: float(affinity[at]) for at in met.tolist()}


def compete(contestants: Sequence[Contestant], openings: Mapping[str, Opening]) -> list[str | None]:
    """Return the agent of each contestant, None where nobody is left; the first of equals is served first.

    openings: of everybody on a shortlist; who is not among them is taken by nobody.
    """
    shortlists = [one.shortlist(len(contestants)) for one in contestants]
    agents = sorted({agent for listed in shortlists for agent in listed} & openings.keys())
    column = {agent: at for at, agent in enumerate(agents)}
    affinity = np.full((len(contestants), len(agents)), -np.inf)
    for row, listed in zip(affinity, shortlists, strict=True):
        for agent, counted in listed.items():
            if agent in column:
                row[column[agent]] = counted
    per_affinity = np.array([one.per_affinity for one in contestants])
    beside = np.array([one.beside for one in contestants])
    worth = affinity * per_affinity[:, None] + beside[:, None]
    at_rest = affinity == 0.0
    taken = assign(worth, [one.channel for one in contestants], [openings[agent] for agent in agents], at_rest)
    return [None if at is None else agents[at] for at in taken]
