"""Several contacts that compete for agents: from what was found for each to who gets whom. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from matcher.affinity.search_result import SearchResult, top_k
from matcher.ranking.assignment import Assigned, Floats, Opening, assign

LEAST_LISTED: Final = 16

Listed: TypeAlias = "dict[str, float]"


def most_listed(contestants: int) -> int:
    """Return how many agents each of so many contestants names.

    Among as many as there are contestants there is always one whom none of the others took: so the best assignment
    among shortlists is the best of all.
    """
    return max(contestants, LEAST_LISTED)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A contact, and whom it met: an agent is worth the affinity.

    found: with `most_listed` resting agents. An affinity below `floor` is nothing to go by and counts 0; those within
    `tolerance` of the best count as equal to it.
    """

    found: SearchResult
    floor: float
    channel: str
    tolerance: float = 0.0

    def shortlist(self, most: int) -> Listed:
        """Return whom the contact asks for with the affinity that is not below the floor, else 0.

        They are the `most` best, the `most` best where those within the tolerance count as equal, and as many longest
        idle.
        """
        affinity = self.found.scores.affinity
        listed = {one.agent.id: 0.0 for one in self.found.longest_idle[:most]}
        met = np.flatnonzero(affinity >= self.floor)
        if len(met):
            used, idle = self.found.utilization[met], self.found.idle_since_ms[met]
            best = affinity[met].max()
            for worth in (affinity[met], np.minimum(affinity[met], best - self.tolerance)):
                for at in met[top_k((-worth, used, idle), most)].tolist():
                    listed[self.found.agents[at].id] = float(affinity[at])
        return listed


def assign_batch(contestants: Sequence[BatchEntry], openings: Mapping[str, Opening]) -> list[str | None]:
    """Return the agent of each contestant, None where nobody is left; the first of equals is served first.

    As many as possible are served, and what their agents are worth to them is the greatest sum there is. Where
    tolerances make equals of unequals, one by one may by chance end higher: then that is taken. openings: of everybody
    on a shortlist; who is not among them is taken by nobody.
    """
    if not contestants:
        return []
    contest = _Contest(contestants, openings)
    together, in_turn = contest.together(), contest.in_turn()
    return contest.names(max((together, in_turn), key=contest.worth))


class _Contest:
    """Contestants [contacts] and whom they listed [agents]."""

    def __init__(self, contestants: Sequence[BatchEntry], openings: Mapping[str, Opening]) -> None:
        most = most_listed(len(contestants))
        shortlists = [one.shortlist(most) for one in contestants]
        self._contestants = contestants
        self._channels = [one.channel for one in contestants]
        self._agents = sorted({agent for listed in shortlists for agent in listed} & openings.keys())
        self._openings = [openings[agent] for agent in self._agents]
        self._affinity = np.full((len(contestants), len(self._agents)), -np.inf)
        column = {agent: at for at, agent in enumerate(self._agents)}
        for row, listed in zip(self._affinity, shortlists, strict=True):
            for agent in listed.keys() & column.keys():
                row[column[agent]] = listed[agent]

    def together(self) -> Assigned:
        """Assign jointly."""
        best = self._affinity.max(axis=1, initial=0.0, keepdims=True)
        equal = best - np.array([[one.tolerance] for one in self._contestants])
        counted = np.where((self._affinity > 0) & (self._affinity >= equal), best, self._affinity)
        return assign(counted, self._channels, self._openings, self._affinity == 0.0)

    def in_turn(self) -> Assigned:
        """Let each take by the rule for one alone, in their order."""
        left = list(self._openings)
        assigned: Assigned = []
        for row, contestant in zip(self._affinity, self._contestants, strict=True):
            able = [at for at in np.flatnonzero(row >= 0).tolist() if left[at].room(contestant.channel)]
            taken = self._alone(row, contestant, able, left)
            if taken is not None:
                left[taken] = left[taken].with_contact(contestant.channel)
            assigned.append(taken)
        return assigned

    @staticmethod
    def _alone(row: Floats, contestant: BatchEntry, able: Sequence[int], left: Sequence[Opening]) -> int | None:
        if not able:
            return None
        best = row[able].max()
        if best == 0.0:
            return min(able, key=lambda at: (left[at].idle_since_ms, left[at].used, left[at].agent))
        equal = [at for at in able if row[at] >= best - contestant.tolerance]
        return min(equal, key=lambda at: (left[at].used, left[at].idle_since_ms, left[at].agent))

    def worth(self, assigned: Assigned) -> tuple[int, float]:
        """Return how many are served, and what that is worth in sum; nearly the same is the same."""
        taken = [float(self._affinity[contact, agent]) for contact, agent in enumerate(assigned) if agent is not None]
        return len(taken), round(sum(taken), 9)

    def names(self, assigned: Assigned) -> list[str | None]:
        """Return the agents by name."""
        return [None if agent is None else self._agents[agent] for agent in assigned]
