"""Assignment of a batch of messages: from the search result of each message to its agent. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from matcher.affinity.search_result import SearchResult, top_k
from matcher.ranking.assignment import Assigned, Floats, Opening, assign

LEAST_LISTED: Final = 16

Listed: TypeAlias = "dict[str, float]"


def most_listed(messages: int) -> int:
    """Return how many agents each message of a batch lists; messages: how many the batch has.

    With n messages each needs only its n best agents: the other n-1 messages take at most n-1 of them. So short lists
    do not change the optimum.
    """
    return max(messages, LEAST_LISTED)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A message of the batch and its search result; the value of an agent is the affinity.

    result: names `most_listed` of the least utilized agents. An affinity below `floor` decides nothing and counts 0;
    affinities within `tolerance` of the best count as equal to it.
    """

    result: SearchResult
    floor: float
    channel: str
    tolerance: float = 0.0

    def shortlist(self, most: int, *, by_profile: bool = True) -> Listed:
        """Return the agents that the message lists, with the affinity where it is not below the floor, else 0.

        These are the `most` best agents, the `most` best where affinities within the tolerance count as equal, and
        the `most` least utilized agents; those alone where the affinities are a profile's and by_profile is False.
        """
        affinity = self.result.scores.affinity
        listed = {free.agent.id: 0.0 for free in self.result.least_utilized[:most]}
        if self.result.by_profile and not by_profile:
            return listed
        matched = np.flatnonzero(affinity >= self.floor)
        if len(matched):
            used, idle_since = self.result.utilization[matched], self.result.idle_since_ms[matched]
            best = affinity[matched].max()
            for worth in (affinity[matched], np.minimum(affinity[matched], best - self.tolerance)):
                for at in matched[top_k((-worth, used, idle_since), most)].tolist():
                    listed[self.result.agents[at].id] = float(affinity[at])
        return listed


def assign_batch(entries: Sequence[BatchEntry], openings: Mapping[str, Opening]) -> list[str | None]:
    """Return the agent of each message, None where no agent is left; of equal messages the first is served first.

    As many messages as possible get an agent, and the sum of the affinities is the greatest there is. Where tolerances
    make unequal agents equal, assigning one by one may by chance end higher: then that assignment is used.
    Which messages get an agent is decided without the customers' profiles; they decide only whom these messages meet.
    openings: of all listed agents; a listed agent without an opening is assigned to no message.
    """
    if not entries:
        return []
    chosen = _Batch(entries, openings, by_profile=False).assign()
    if not any(entry.result.by_profile for entry in entries):
        return chosen
    served = [at for at, agent in enumerate(chosen) if agent is not None]
    met = _Batch([entries[at] for at in served], openings, by_profile=True).assign() if served else []
    # With several channels a message of these may get no agent: then the profiles decide nothing.
    return chosen if None in met else [dict(zip(served, met, strict=True)).get(at) for at in range(len(entries))]


class _Batch:
    """The messages and the agents they list, as a table of affinities [messages, agents]."""

    def __init__(self, entries: Sequence[BatchEntry], openings: Mapping[str, Opening], *, by_profile: bool) -> None:
        """by_profile: whether the affinities of the customers' profiles count."""
        most = most_listed(len(entries))
        shortlists = [entry.shortlist(most, by_profile=by_profile) for entry in entries]
        self._entries = entries
        self._channels = [entry.channel for entry in entries]
        self._agents = sorted({agent for listed in shortlists for agent in listed} & openings.keys())
        self._openings = [openings[agent] for agent in self._agents]
        self._affinity = np.full((len(entries), len(self._agents)), -np.inf)
        column = {agent: at for at, agent in enumerate(self._agents)}
        for row, listed in zip(self._affinity, shortlists, strict=True):
            for agent in listed.keys() & column.keys():
                row[column[agent]] = listed[agent]

    def assign(self) -> list[str | None]:
        """Return the agents by their ids: of the joint assignment, or of that one by one where it is worth more."""
        best = max((self.assign_jointly(), self.assign_one_by_one()), key=self.worth)
        return [None if agent is None else self._agents[agent] for agent in best]

    def assign_jointly(self) -> Assigned:
        """Return the jointly best assignment."""
        best = self._affinity.max(axis=1, initial=0.0, keepdims=True)
        equal_from = best - np.array([[entry.tolerance] for entry in self._entries])
        counted = np.where((self._affinity > 0) & (self._affinity >= equal_from), best, self._affinity)
        return assign(counted, self._channels, self._openings)

    def assign_one_by_one(self) -> Assigned:
        """Return the assignment where each message in its order gets an agent by the rule for a single message."""
        left = list(self._openings)
        assigned: Assigned = []
        for row, entry in zip(self._affinity, self._entries, strict=True):
            able = [at for at in np.flatnonzero(row >= 0).tolist() if left[at].free_for(entry.channel)]
            chosen = self._choose_alone(row, entry, able, left)
            if chosen is not None:
                left[chosen] = left[chosen].with_contact(entry.channel)
            assigned.append(chosen)
        return assigned

    @staticmethod
    def _choose_alone(row: Floats, entry: BatchEntry, able: Sequence[int], left: Sequence[Opening]) -> int | None:
        if not able:
            return None
        best = row[able].max()
        equal = [at for at in able if row[at] > 0 and row[at] >= best - entry.tolerance]
        return min(equal or able, key=lambda at: (left[at].used, left[at].idle_since_ms, left[at].agent))

    def worth(self, assigned: Assigned) -> tuple[int, float]:
        """Return how many messages have an agent, and the sum of the affinities, rounded: nearly equal is equal."""
        served = [float(self._affinity[message, agent]) for message, agent in enumerate(assigned) if agent is not None]
        return len(served), round(sum(served), 9)
