"""Contacts that wait, as the dispatcher compares them, and the jointly best pairs of contacts and agents."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from matcher.affinity.search_result import FreeAgent, SearchResult, top_k
from matcher.model import Agent, Basis, Candidate, Message, Pool, Ranking, Relaxed, Requirements
from matcher.ranking.assignment import Opening, assign
from matcher.ranking.comparison import compare, is_control, outside, with_relationship
from matcher.ranking.policy import RankingTerms, basis_of, by_load, rank, rank_with
from matcher.ranking.relaxation import next_relaxation_ms, relax_requirements
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.mean_affinity import MeanAffinity
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
    search result. by_load: of a contact with an arm, the free agents by the rule of FALLBACK. mean_affinity: what a
    control contact is weighed with. known: the agent who knows the customer, where the contact's arm forgoes that.
    """

    contact: QueuedContact
    pool: Pool
    requirements: Requirements
    terms: RankingTerms
    result: SearchResult | None = None
    preferred: Ranking | None = None
    by_load: Sequence[FreeAgent] = ()
    mean_affinity: float = 0.0
    known: Candidate | None = None

    @property
    def is_control(self) -> bool:
        """Whether the contact's agent is chosen by load: it is control, and no other rule chooses the agent."""
        draw, other = self.contact.record.draw, self.preferred or self.requirements.only or self.terms.degraded
        return is_control(draw) and not other

    @property
    def by_profile(self) -> bool:
        """Whether the affinities are those of the customer's profile."""
        return self.result is not None and self.result.by_profile

    def listed(self, *, by_profile: bool) -> dict[str, float]:
        """Return the agents that can serve the contact, each with the affinity that counts; 0: only load counts.

        by_profile: whether an affinity of the customer's profile counts. A control contact is weighed with the pool's
        mean affinity for every agent: so the contact is served as soon as others of its age.
        """
        if self.result is None:
            candidates = self.preferred.candidates if self.preferred else ()
            return {candidate.agent: 0.0 for candidate in candidates}
        affinity, floor = self.result.scores.affinity, self.terms.floor
        if self.is_control:
            return {free.agent.id: self.mean_affinity for free in self.by_load[:MOST_AGENTS]}
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
            ranking = self._ranking(self.result, agent)
        assert ranking is not None  # without a result and a preferred ranking no agent is listed
        return replace(ranking, relaxed=self.contact.relaxed)

    def _ranking(self, result: SearchResult, agent: str) -> Ranking:
        units, draw = self.contact.encoded.units, self.contact.record.draw
        if self.is_control:
            # The agent comes first who was chosen beside the other contacts that wait.
            ordered = sorted(self.by_load, key=lambda free: free.agent.id != agent)
            ranking = compare(rank(result, units, self.terms), by_load(result, units, ordered, self.terms.most), draw)
            return with_relationship(ranking, self.known)
        ranking = rank_with(result, units, self.terms, agent)
        if self.requirements.only:
            return outside(replace(ranking, basis=Basis.TRANSFER), draw)
        return compare(ranking, by_load(result, units, self.by_load, 1), draw, alone=basis_of(result, self.terms))


def with_arm(searched: SearchedContact, mean: MeanAffinity, known: Candidate | None = None) -> SearchedContact:
    """Return a searched contact that has an arm with what its arm needs to know.

    searched: its result names the least utilized agents in any case. mean: of the contact's pool; a contact that is not
    control counts in it. known: as of SearchedContact.
    """
    result = searched.result
    if result is None:
        return searched
    searched = replace(searched, by_load=result.least_utilized)
    if searched.is_control:
        return replace(searched, mean_affinity=mean.value, known=known)
    if not result.by_profile and result.scores.affinity.max(initial=-np.inf) >= searched.terms.floor:
        # As without an arm: the agents whom the message does not meet are not listed.
        searched = replace(searched, result=replace(result, least_utilized=()))
    mean.note(searched.listed(by_profile=False))
    return searched


Pairs: TypeAlias = "list[tuple[SearchedContact, str]]"
OpeningOf: TypeAlias = "Callable[[str], Opening | None]"


def pair_contacts(searched: Sequence[SearchedContact], agent_of: Callable[[str], Agent | None], now_ms: int) -> Pairs:
    """Return the jointly best pairs of contacts and agents, in the order of the contacts.

    The value of a pair, in seconds, is the contact's age plus its pool's head start plus the affinity over the pool's
    wait_weight. So no contact is overtaken by a contact that came later by more than 1/wait_weight and the difference
    of the head starts. Which contacts are served is decided without the customers' profiles; where a message says too
    little, the profile decides only whom its customer meets.
    Control contacts are weighed with the mean affinity of their pools; of those who are served they come first, each
    with the least utilized, of equals the longest idle agent who leaves one for every other, and for whom it overtakes
    nobody. The others are paired jointly with the agents who are left.
    agent_of: looks an agent up by id; None: the agent was deleted.
    """

    def opening_of(agent: str) -> Opening | None:
        known = agent_of(agent)
        return None if known is None else Opening.of(known)

    chosen = _pairs(searched, opening_of, now_ms, by_profile=False)
    if any(contact.is_control for contact, _ in chosen):
        left = {contact.contact.place.contact for contact, _ in chosen}
        unserved = [contact for contact in searched if contact.contact.place.contact not in left]
        return _control_first(chosen, unserved, opening_of, now_ms)
    return _by_profiles(chosen, opening_of, now_ms)


def _by_profiles(chosen: Pairs, opening_of: OpeningOf, now_ms: int) -> Pairs:
    """Return the pairs of the contacts that were chosen without the customers' profiles, with them."""
    if not any(contact.by_profile for contact, _ in chosen):
        return chosen
    met = _pairs([contact for contact, _ in chosen], opening_of, now_ms, by_profile=True)
    # With several channels a contact of these may get no agent: then the profiles decide nothing.
    return met if len(met) == len(chosen) else chosen


def _control_first(chosen: Pairs, unserved: Sequence[SearchedContact], opening_of: OpeningOf, now_ms: int) -> Pairs:
    """Return the pairs of the contacts that were chosen: the control contacts get their agents before the others.

    unserved: the contacts that get no agent. None of them is overtaken beyond the law for an agent it could have had:
    where that, or an agent for each of the others, cannot be, the joint choice stands.
    """
    left, agents = dict[str, Opening](), dict[str, str]()
    could_have = [(contact, contact.listed(by_profile=False)) for contact in unserved]

    def left_of(agent: str) -> Opening | None:
        return left.get(agent) or opening_of(agent)

    def is_lawful(contact: SearchedContact, agent: str) -> bool:
        latest = contact.contact.place.score - 1000 * contact.pool.policy.affinity_seconds
        return all(agent not in listed or other.contact.place.score >= latest for other, listed in could_have)

    waiting = sorted((contact for contact, _ in chosen), key=lambda contact: not contact.is_control)
    while waiting and waiting[0].is_control:
        contact, *waiting = waiting
        channel = contact.contact.record.channel
        listed = filter(None, map(left_of, contact.listed(by_profile=False)))
        able = [one for one in listed if one.free_for(channel) and is_lawful(contact, one.agent)]
        for opening in sorted(able, key=lambda one: (one.used, one.idle_since_ms, one.agent)):
            before = dict(left)
            left[opening.agent] = opening.with_contact(channel)
            if len(_pairs(waiting, left_of, now_ms, by_profile=False)) == len(waiting):
                agents[contact.contact.place.contact] = opening.agent
                break
            left = before
        else:
            return chosen
    others = _by_profiles(_pairs(waiting, left_of, now_ms, by_profile=False), left_of, now_ms)
    agents |= {contact.contact.place.contact: agent for contact, agent in others}
    pairs = [(contact, agents[contact.contact.place.contact]) for contact, _ in chosen]
    return pairs if all(is_lawful(contact, agent) for contact, agent in pairs) else chosen


def _pairs(searched: Sequence[SearchedContact], opening_of: OpeningOf, now_ms: int, *, by_profile: bool) -> Pairs:
    lists = [contact.listed(by_profile=by_profile) for contact in searched]
    found = [opening_of(agent) for agent in sorted({agent for listed in lists for agent in listed})]
    openings = [opening for opening in found if opening is not None]
    column = {opening.agent: number for number, opening in enumerate(openings)}
    values = np.full((len(searched), len(openings)), -np.inf)
    for row, (contact, listed) in enumerate(zip(searched, lists, strict=True)):
        age = (now_ms - contact.contact.place.score) / 1000
        for agent, affinity in listed.items():
            if agent in column:
                values[row, column[agent]] = age + affinity * contact.pool.policy.affinity_seconds
    channels = [contact.contact.record.channel for contact in searched]
    chosen = assign(values, channels, openings)
    return [
        (contact, openings[number].agent)
        for contact, number in zip(searched, chosen, strict=True)
        if number is not None
    ]
