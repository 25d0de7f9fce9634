"""Contacts that wait, as the dispatcher compares them, and the jointly best pairs of contacts and agents."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from matcher.affinity.search_result import SearchResult, top_k
from matcher.model import Agent, Basis, Message, Pool, Ranking, Relaxed, Requirements
from matcher.ranking.assignment import Opening, assign
from matcher.ranking.policy import RankingTerms, rank_with
from matcher.ranking.relaxation import next_relaxation_ms, relax_requirements
from matcher.routing.encoded_message import EncodedMessage
from matcher.store.contacts import QueuePlace, WaitingContact

MOST_AGENTS: Final = 64
"""Agents that are compared for one waiting contact: as many as contacts are decided together, so no contact needs
more."""

Group: TypeAlias = tuple[str, str, str, tuple[tuple[str, int], ...]]


@dataclass(slots=True, repr=False)
class QueuedContact:
    """A waiting contact with its encoded message. Never logged; it lives while this process is the leader."""

    place: QueuePlace
    record: WaitingContact
    message: Message
    auto_accept: bool
    encoded: EncodedMessage
    requirements: Requirements
    """What is still required."""
    relaxed: tuple[Relaxed, ...] = ()
    group: Group = ("", "", "", ())
    """What the contact has in common with all contacts that the same agents can serve."""
    changes_ms: float = 0.0
    """When the next requirement lapses, which changes the three fields above."""

    def relax(self, now_ms: int) -> None:
        """Drop the requirements that have lapsed."""
        if now_ms < self.changes_ms:
            return
        original, began_ms = self.message.requirements, self.record.created_ms
        self.requirements, self.relaxed = relax_requirements(original, began_ms, now_ms)
        self.changes_ms = next_relaxation_ms(original, began_ms, now_ms) or math.inf
        skills = tuple(sorted(self.requirements.skills.items()))
        self.group = (self.requirements.pool, self.requirements.channel, self.requirements.language, skills)


@dataclass(frozen=True, slots=True, repr=False)
class SearchedContact:
    """A waiting contact with the agents found for it.

    requirements: with the agents excluded at the moment. preferred: the ranking of a preferred agent, instead of a
    search result.
    """

    contact: QueuedContact
    pool: Pool
    requirements: Requirements
    terms: RankingTerms
    result: SearchResult | None = None
    preferred: Ranking | None = None

    @property
    def by_profile(self) -> bool:
        """Whether the affinities are those of the customer's profile."""
        return self.result is not None and self.result.by_profile

    def listed(self, *, by_profile: bool) -> dict[str, float]:
        """Return the agents that can serve the contact, each with the affinity that counts; 0: only load counts.

        by_profile: whether an affinity of the customer's profile counts.
        """
        if self.result is None:
            candidates = self.preferred.candidates if self.preferred else ()
            return {candidate.agent: 0.0 for candidate in candidates}
        affinity, floor = self.result.scores.affinity, self.terms.floor
        anybody = {free.agent.id: 0.0 for free in self.result.least_utilized[:MOST_AGENTS]}
        if affinity.max(initial=-np.inf) < floor or (self.by_profile and not by_profile):
            return anybody
        best = top_k([-affinity], MOST_AGENTS)
        counted = np.zeros(len(best)) if self.requirements.only else affinity[best] * (affinity[best] >= floor)
        met = {agent.id: value for agent, value in zip(self.result.agents[best], counted.tolist(), strict=True)}
        return anybody | met

    def ranking(self, agent: str) -> Ranking:
        """Return the ranking with which a listed agent is offered the contact."""
        ranking = self.preferred
        if self.result is not None:
            ranking = rank_with(self.result, self.contact.encoded.units, self.terms, agent)
            if self.requirements.only:
                ranking = replace(ranking, basis=Basis.TRANSFER)
        assert ranking is not None  # without a result and a preferred ranking no agent is listed
        return replace(ranking, relaxed=self.contact.relaxed)


def pair_contacts(
    searched: Sequence[SearchedContact], agent_of: Callable[[str], Agent | None], now_ms: int
) -> list[tuple[SearchedContact, str]]:
    """Return the jointly best pairs of contacts and agents, in the order of the contacts.

    The value of a pair, in seconds, is the contact's age plus its pool's head start plus the affinity over the pool's
    wait_weight. So no contact is overtaken by a contact that came later by more than 1/wait_weight and the difference
    of the head starts. Which contacts are served is decided without the customers' profiles; where a message says too
    little, the profile decides only whom its customer meets.
    agent_of: looks an agent up by id; None: the agent was deleted.
    """
    chosen = _pairs(searched, agent_of, now_ms, by_profile=False)
    if not any(contact.by_profile for contact, _ in chosen):
        return chosen
    met = _pairs([contact for contact, _ in chosen], agent_of, now_ms, by_profile=True)
    # With several channels a contact of these may get no agent: then the profiles decide nothing.
    return met if len(met) == len(chosen) else chosen


def _pairs(
    searched: Sequence[SearchedContact], agent_of: Callable[[str], Agent | None], now_ms: int, *, by_profile: bool
) -> list[tuple[SearchedContact, str]]:
    lists = [contact.listed(by_profile=by_profile) for contact in searched]
    agents = [agent_of(agent) for agent in sorted({agent for listed in lists for agent in listed})]
    openings = [Opening.of(agent) for agent in agents if agent is not None]
    column = {opening.agent: number for number, opening in enumerate(openings)}
    values = np.full((len(searched), len(openings)), -np.inf)
    for row, (contact, listed) in enumerate(zip(searched, lists, strict=True)):
        age = (now_ms - contact.contact.place.score) / 1000
        for agent, affinity in listed.items():
            if agent in column:
                values[row, column[agent]] = age + affinity / contact.pool.policy.wait_weight
    channels = [contact.contact.record.channel for contact in searched]
    chosen = assign(values, channels, openings)
    return [
        (contact, openings[number].agent)
        for contact, number in zip(searched, chosen, strict=True)
        if number is not None
    ]
