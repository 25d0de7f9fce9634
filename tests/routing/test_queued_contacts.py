"""Tests of the pairs that the dispatcher offers: age against affinity, and the agents that each contact may have."""

from __future__ import annotations

import numpy as np

from matcher.affinity.search_result import SearchResult
from matcher.model import Basis, Message, Pool, PoolPolicy, Requirements
from matcher.ranking.policy import RankingTerms
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.queued_contacts import QueuedContact, SearchedContact, pair_contacts
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


def test_an_agent_named_by_a_transfer_is_offered_with_basis_transfer() -> None:
    """The affinity to the agent counts nothing then, however close it is, and the decision says TRANSFER."""
    meets, ann = found_of([([(0, 0, 90)], 0.0, 0)]), person(0)
    transferred = waiting("c", 0, meets, only=ann.id)
    assert transferred.listed(by_profile=True) == {ann.id: 0.0}
    assert transferred.ranking(ann.id).basis is Basis.TRANSFER
