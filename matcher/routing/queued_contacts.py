"""Those who wait, as they are compared: what each requires by now, whom it may have, and what they are worth to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from matcher.affinity.search_result import SearchResult, top_k
from matcher.model import Agent, Basis, Message, Pool, Ranking, Relaxed, Requirements
from matcher.ranking.assignment import Opening, assign
from matcher.ranking.policy import rank_with
from matcher.ranking.relaxation import next_relaxation_ms, relax_requirements
from matcher.routing.ranker import EncodedMessage
from matcher.store.contacts import QueuePlace, WaitingContact

MOST_FREE: Final = 64
"""So many agents are compared for one who waits: as many as contacts are weighed together, so that none needs more."""

Group: TypeAlias = tuple[str, str, str, tuple[tuple[str, int], ...]]


@dataclass(slots=True, repr=False)
class QueuedContact:
    """A contact that waits, as it is compared. Never logged; lives while this process offers."""

    place: QueuePlace
    kept: WaitingContact
    message: Message
    auto_accept: bool
    read: EncodedMessage
    required: Requirements
    relaxed: tuple[Relaxed, ...] = ()
    group: Group = ("", "", "", ())
    """What it has in common with all whom the same agents may take."""
    changes_ms: float = 0.0
    """When the next requirement lapses, and with it what stands above."""

    def relax(self, now_ms: int) -> None:
        """Drop what is no longer required."""
        if now_ms < self.changes_ms:
            return
        asked, began = self.message.requirements, self.kept.created_ms
        self.required, self.relaxed = relax_requirements(asked, began, now_ms)
        self.changes_ms = next_relaxation_ms(asked, began, now_ms) or math.inf
        skills = tuple(sorted(self.required.skills.items()))
        self.group = (self.required.pool, self.required.channel, self.required.language, skills)


@dataclass(frozen=True, slots=True, repr=False)
class Searched:
    """An entry, what it requires by now, and who was found for it.

    preferred: the ranking of the one agent it goes to for another reason than affinity, instead of `found`.
    """

    entry: QueuedContact
    pool: Pool
    requirements: Requirements
    floor: float
    tolerance: float
    found: SearchResult | None = None
    preferred: Ranking | None = None

    @property
    def listed(self) -> dict[str, float]:
        """Return whom it may have, each with the affinity it goes by; 0: by none, the longest idle first."""
        if self.found is None:
            candidates = self.preferred.candidates if self.preferred else ()
            return {one.agent: 0.0 for one in candidates}
        affinity = self.found.scores.affinity
        if affinity.max(initial=-np.inf) < self.floor:
            return {one.agent.id: 0.0 for one in self.found.longest_idle[:MOST_FREE]}
        best = top_k([-affinity], MOST_FREE)
        goes_by = np.zeros(len(best)) if self.requirements.only else affinity[best] * (affinity[best] >= self.floor)
        return {agent.id: worth for agent, worth in zip(self.found.agents[best], goes_by.tolist(), strict=True)}

    def ranking(self, agent: str) -> Ranking:
        """Return the decision for an agent of those listed: beside whom, and why."""
        ranking = self.preferred
        if self.found is not None:
            units = self.entry.read.units
            ranking = rank_with(self.found, units, agent, floor=self.floor, tolerance=self.tolerance)
            if self.requirements.only:
                ranking = replace(ranking, basis=Basis.TRANSFER)
        assert ranking is not None  # who has neither has nobody listed
        return replace(ranking, relaxed=self.entry.relaxed)


def pair_contacts(
    wanted: Sequence[Searched], known: Callable[[str], Agent | None], now_ms: int
) -> list[tuple[Searched, str]]:
    """Return the jointly best pairs, in the order in which they wait.

    A pair is worth, in seconds: the contact's age, its pool's head start, and its affinity over the pool's
    wait_weight. So nobody is overtaken by a contact that came more than 1/wait_weight and the difference of the
    head starts later. known: looks an agent up; who is not there any more is None.
    """
    lists = [one.listed for one in wanted]
    agents = [known(name) for name in sorted({agent for listed in lists for agent in listed})]
    openings = [Opening.of(agent) for agent in agents if agent is not None]
    column = {opening.agent: number for number, opening in enumerate(openings)}
    values = np.full((len(wanted), len(openings)), -np.inf)
    at_rest = np.zeros(values.shape, np.bool_)
    for row, (one, listed) in enumerate(zip(wanted, lists, strict=True)):
        age = (now_ms - one.entry.place.score) / 1000
        for agent, affinity in listed.items():
            if agent in column:
                values[row, column[agent]] = age + affinity / one.pool.policy.wait_weight
                at_rest[row, column[agent]] = not affinity
    chosen = assign(values, [one.entry.kept.channel for one in wanted], openings, at_rest)
    return [(one, openings[number].agent) for one, number in zip(wanted, chosen, strict=True) if number is not None]
