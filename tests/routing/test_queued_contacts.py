"""Tests of the pairs that the dispatcher offers: age against affinity, and the agents that each contact may have."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from matcher.affinity.search_result import SearchResult
from matcher.model import Agent, Arm, Basis, Draw, Message, Pool, PoolPolicy, Requirements, WouldBe
from matcher.ranking.policy import RankingTerms
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.mean_affinity import MeanAffinity
from matcher.routing.queued_contacts import QueuedContact, SearchedContact, pair_contacts, with_arm
from matcher.store.contacts import QueuePlace, WaitingContact
from tests.ranking.search_results import UNITS, found_of, person

FLOOR = 0.3
NOW_MS = 1_000_000


def waiting(contact: str, waited_s: float, result: SearchResult, only: str = "") -> SearchedContact:
    """Return a contact that has waited so long, with a search result."""
    requirements = Requirements(only=only)
    queued = QueuedContact(
        QueuePlace(contact, "default", round(NOW_MS - 1000 * waited_s)),
        WaitingContact(b"", "chat", "", 0, 0, "", {}, {}),
        Message("", "", requirements),
        auto_accept=False,
        encoded=EncodedMessage(UNITS, np.zeros((0, 4), np.float32), []),
        requirements=requirements,
    )
    pool = Pool("default", PoolPolicy(wait_weight=0.01), 1, 0, 0)
    return SearchedContact(queued, pool, requirements, RankingTerms(FLOOR, 0.05), result=result)


def test_a_second_of_waiting_is_worth_the_wait_weight_in_affinity() -> None:
    """Affinity 0.9 is worth 90 s at a wait_weight of 0.01: less than 100 s of waiting, more than 80."""
    meets, says_nothing = found_of([([(0, 0, 90)], 0.0, 0)]), found_of([([], 0.0, 0)])
    worth = 100 * float(meets.scores.affinity[0])
    ann = person(0)
    for waited, first in ((worth + 1, "old"), (worth - 1, "young")):
        both = [waiting("old", waited, says_nothing), waiting("young", 0, meets)]
        ((served, agent),) = pair_contacts(both, {ann.id: ann}.get, NOW_MS)
        assert (served.contact.place.contact, agent) == (first, ann.id)
        assert served.ranking(agent).basis is (Basis.AFFINITY if first == "young" else Basis.FALLBACK)


@pytest.mark.parametrize("weight", [5e-324, 1e-300, 1e-9])
def test_with_the_smallest_wait_weight_the_queue_is_served_and_equal_contacts_keep_their_order(weight: float) -> None:
    """An affinity over such a weight is no number that can be compared: the queue of the site would stand still."""
    meets, says_nothing = found_of([([(0, 0, 90)], 0.0, 0)]), found_of([([], 0.0, 0)])
    ann = person(0)
    week = 7 * 86_400
    searched = [waiting("old", 0.002, meets), waiting("young", 0.001, meets), waiting("week", week, says_nothing)]
    policy = PoolPolicy(wait_weight=weight, control_share=0.1)
    searched = [replace(one, pool=replace(one.pool, policy=policy)) for one in searched]
    assert paired(searched, {ann.id: ann}) == {"old": ann.id}
    control = with_draw("control", 0, meets, CONTROL, MeanAffinity())
    alone = [replace(control, pool=replace(control.pool, policy=policy))]
    assert paired(alone, {ann.id: ann}) == {"control": ann.id}


def test_an_agent_named_by_a_transfer_is_offered_with_basis_transfer() -> None:
    """The affinity to the agent counts nothing then, however close it is, and the decision says TRANSFER."""
    meets, ann = found_of([([(0, 0, 90)], 0.0, 0)]), person(0)
    transferred = waiting("c", 0, meets, only=ann.id)
    assert transferred.listed(by_profile=True) == {ann.id: 0.0}
    assert transferred.ranking(ann.id).basis is Basis.TRANSFER


CONTROL = Draw(Arm.CONTROL, 0.1)
TREATMENT = Draw(Arm.TREATMENT, 0.1)


def with_draw(contact: str, waited_s: float, result: SearchResult, draw: Draw, mean: MeanAffinity) -> SearchedContact:
    """Return a contact that has an arm."""
    searched = waiting(contact, waited_s, result)
    record = replace(searched.contact.record, draw=draw)
    return with_arm(replace(searched, contact=replace(searched.contact, record=record)), mean)


def test_a_control_contact_is_weighed_with_the_mean_of_the_others() -> None:
    """Its own affinity counts nothing: it is served first once it has waited for what the other exceeds the mean by."""
    mean, ann = MeanAffinity(), person(0)
    meets, says_nothing = found_of([([(0, 0, 90)], 0.0, 0)]), found_of([([], 0.0, 0)])
    affinity = float(meets.scores.affinity[0])
    close = with_draw("close", 0, meets, TREATMENT, mean)
    with_draw("far", 0, says_nothing, TREATMENT, mean)
    assert mean.value == pytest.approx(affinity / 2)
    for waited, first in ((50 * affinity + 1, "control"), (50 * affinity - 1, "close")):
        control = with_draw("control", waited, says_nothing, CONTROL, mean)
        ((served, _),) = pair_contacts([close, control], {ann.id: ann}.get, NOW_MS)
        assert served.contact.place.contact == first


def paired(searched: list[SearchedContact], agents: dict[str, Agent]) -> dict[str, str]:
    """Return the agent of each contact, by their ids."""
    return {one.contact.place.contact: agent for one, agent in pair_contacts(searched, agents.get, NOW_MS)}


def test_control_comes_first_to_the_least_utilized_who_leaves_an_agent_for_the_others() -> None:
    """Of two free agents control takes the longest idle, though the other contact would want that agent."""
    mean = MeanAffinity()
    both = found_of([([(0, 0, 90)], 0.0, 0), ([], 0.0, 5)])
    idle, other = replace(person(0), idle_since_ms=0), replace(person(1), idle_since_ms=5)
    control = with_draw("control", 0, both, CONTROL, mean)
    treatment = waiting("treatment", 0, found_of([([(0, 0, 90)], 0.0, 0), ([(0, 0, 90)], 0.0, 5)]))
    agents = {agent.id: agent for agent in (idle, other)}
    pairs = {
        searched.contact.place.contact: agent
        for searched, agent in pair_contacts([treatment, control], agents.get, NOW_MS)
    }
    assert pairs == {"control": idle.id, "treatment": other.id}
    ranking = control.ranking(idle.id)
    assert (ranking.basis, ranking.candidates[0].agent) == (Basis.CONTROL, idle.id)
    assert ranking.compared is not None
    assert ranking.compared.would_be == WouldBe(idle.id, Basis.AFFINITY, ranking.candidates[0].affinity)
    # A treatment contact that only the idle agent can serve is not left without.
    needs_idle = waiting("needs", 0, found_of([([(0, 0, 90)], 0.0, 0)]))
    pairs = {
        searched.contact.place.contact: agent
        for searched, agent in pair_contacts([needs_idle, control], agents.get, NOW_MS)
    }
    assert pairs == {"control": other.id, "needs": idle.id}
    assert control.ranking(other.id).candidates[0].agent == other.id


def test_no_contact_that_waits_on_is_overtaken_for_an_agent_whom_it_could_have_had() -> None:
    """Control would take the idle agent; an older contact, who could have had her alone and gets nobody, forbids it."""
    mean, idle, other = MeanAffinity(), replace(person(0), idle_since_ms=0), replace(person(1), idle_since_ms=5)
    agents = {agent.id: agent for agent in (idle, other)}
    with_draw("before", 0, found_of([([(0, 0, 90)], 0.0, 0)]), TREATMENT, mean)
    assert mean.value > 0.55
    met = waiting("met", 200, found_of([([(0, 0, 90)], 0.0, 0), ([], 0.0, 5)]))
    control = with_draw("control", 0, found_of([([], 0.0, 0), ([], 0.0, 5)]), CONTROL, mean)
    old = waiting("old", 110, found_of([([], 0.0, 0)]))
    assert paired([met, old, control], agents) == {"met": idle.id, "control": other.id}
    younger = waiting("younger", 90, found_of([([], 0.0, 0)]))
    assert paired([met, younger, control], agents) == {"met": other.id, "control": idle.id}


def test_the_agents_of_a_treatment_contact_are_those_without_an_arm() -> None:
    """Also the agents whom it lists: those whom the message does not meet are not among them."""
    result = found_of([([(0, 0, 90)], 0.0, 0), ([], 0.0, 0)])
    plain = waiting("c", 0, replace(result, least_utilized=()))
    drawn = with_draw("c", 0, result, TREATMENT, MeanAffinity())
    assert drawn.listed(by_profile=True) == plain.listed(by_profile=True)
    by_profile = replace(result, by_profile=True)
    for counts in (False, True):
        plain_listed = waiting("c", 0, by_profile).listed(by_profile=counts)
        assert with_draw("c", 0, by_profile, TREATMENT, MeanAffinity()).listed(by_profile=counts) == plain_listed != {}
    agent = next(iter(plain.listed(by_profile=True)))
    assert replace(drawn.ranking(agent), comparison=msgspec.UNSET) == plain.ranking(agent)
