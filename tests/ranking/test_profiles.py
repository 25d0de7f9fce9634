"""No customer is served sooner for having a profile: who is served, and in which order, is decided without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.affinity.search_result import SearchResult
from matcher.model import Message, Pool, PoolPolicy, Requirements
from matcher.ranking.assignment import Opening
from matcher.ranking.batch_assignment import BatchEntry, assign_batch
from matcher.ranking.policy import RankingTerms
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.queued_contacts import QueuedContact, SearchedContact, pair_contacts
from matcher.store.contacts import QueuePlace, WaitingContact
from tests.ranking.search_results import UNITS, found_of, person

FLOOR = 0.3
NOW_MS = 1_000_000
ANYONE = Requirements()


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[SearchResult, SearchResult]]:
    """Draw the search results of several messages, each without a profile and as it is."""
    crew = draw(st.lists(st.tuples(st.sampled_from([0.0, 0.5]), st.integers(0, 2)), min_size=1, max_size=6))
    matches = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(25, 100)), max_size=2)
    drawn = []
    for _ in range(draw(st.integers(1, 6))):
        met = found_of([(draw(matches), used, idle) for used, idle in crew])
        if draw(st.booleans()):
            nothing = found_of([([], used, idle) for used, idle in crew])
            drawn.append((nothing, replace(met, by_profile=True)))
        else:
            drawn.append((met, met))
    return drawn


def waiting(number: int, waited_s: float, result: SearchResult) -> SearchedContact:
    """Return a contact that has waited so long, with a search result."""
    queued = QueuedContact(
        QueuePlace(f"c-{number}", "default", round(NOW_MS - 1000 * waited_s)),
        WaitingContact(b"", "chat", "", 0, 0, "", {}, {}),
        Message("", "", ANYONE),
        auto_accept=False,
        encoded=EncodedMessage(UNITS, np.zeros((0, 4), np.float32), []),
        requirements=ANYONE,
    )
    return SearchedContact(
        queued, Pool("default", PoolPolicy(), 1, 0, 0), ANYONE, RankingTerms(FLOOR, 0.05), result=result
    )


@settings(deadline=None)
@given(messages(), st.data())
def test_the_same_contacts_leave_the_queue_in_the_same_order_with_and_without_profiles(
    drawn: list[tuple[SearchResult, SearchResult]], data: st.DataObject
) -> None:
    """A profile decides only with whom: where some customers have none, others are not served before them for it."""
    crew = {agent.id: agent for agent in map(person, range(drawn[0][0].eligible))}
    ages = sorted(data.draw(st.lists(st.floats(0, 200), min_size=len(drawn), max_size=len(drawn))), reverse=True)
    served = []
    for profiles in (False, True):
        contacts = [
            waiting(number, age, both[profiles]) for number, (age, both) in enumerate(zip(ages, drawn, strict=True))
        ]
        pairs = pair_contacts(contacts, crew.get, NOW_MS)
        assert len({agent for _, agent in pairs}) == len(pairs)
        served.append([contact.contact.place.contact for contact, _ in pairs])
    assert served[0] == served[1]


@settings(deadline=None)
@given(messages(), st.sampled_from([0.0, 0.05]))
def test_the_same_messages_of_a_batch_get_an_agent_with_and_without_profiles(
    drawn: list[tuple[SearchResult, SearchResult]], tolerance: float
) -> None:
    """Where agents are short, a profile takes no agent from a message that has none."""
    openings = {
        agent.id: Opening(agent.id, 1, 0, 0, {"chat": (1, 1)}) for agent in map(person, range(drawn[0][0].eligible))
    }
    without, by_profile = (
        assign_batch([BatchEntry(both[profiles], FLOOR, "chat", tolerance) for both in drawn], openings)
        for profiles in (False, True)
    )
    assert [agent is None for agent in without] == [agent is None for agent in by_profile]


def test_of_two_contacts_that_say_nothing_each_meets_the_agent_of_its_profile() -> None:
    """Without profiles the first contact gets the agent who is idle longest; with them both get whom they share."""
    to_first, to_second = (
        replace(found_of([([(0, 0, 90)] if meets else [], 0.0, 0) for meets in row]), by_profile=True)
        for row in ((True, False), (False, True))
    )
    crew = {agent.id: agent for agent in map(person, range(2))}
    for results, order in (((to_first, to_second), (0, 1)), ((to_second, to_first), (1, 0))):
        contacts = [waiting(number, 10 - number, result) for number, result in enumerate(results)]
        pairs = pair_contacts(contacts, crew.get, NOW_MS)
        assert [agent for _, agent in pairs] == [person(row).id for row in order]
