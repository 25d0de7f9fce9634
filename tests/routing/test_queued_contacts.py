"""Those who wait and compete for agents: age against affinity, and whom each may have."""

from __future__ import annotations

import numpy as np

from matcher.affinity.search_result import SearchResult
from matcher.model import Basis, Message, Pool, PoolPolicy, Requirements
from matcher.routing.encoded_message import EncodedMessage
from matcher.routing.queued_contacts import QueuedContact, Searched, pair_contacts
from matcher.store.contacts import QueuePlace, WaitingContact
from tests.ranking.search_results import UNITS, found_of, person

FLOOR = 0.3
NOW_MS = 1_000_000


def waiting(contact: str, waited_s: float, found: SearchResult, only: str = "") -> Searched:
    """Return a contact that has waited so long, and whom it was found."""
    required = Requirements(only=only)
    entry = QueuedContact(
        QueuePlace(contact, "default", round(NOW_MS - 1000 * waited_s)),
        WaitingContact(b"", "chat", "", 0, 0, "", {}),
        Message("", "", required),
        auto_accept=False,
        read=EncodedMessage(UNITS, np.zeros((0, 4), np.float32), []),
        required=required,
    )
    pool = Pool("default", PoolPolicy(wait_weight=0.01), 1, 0, 0)
    return Searched(entry, pool, required, FLOOR, 0.05, found=found)


def test_those_who_wait_are_worth_what_they_have_waited() -> None:
    """Affinity 0.9 is worth 90 s at a wait_weight of 0.01: less than 100 s of waiting, more than 80."""
    meets, says_nothing = found_of([([(0, 0, 90)], 0.0, 0)]), found_of([([], 0.0, 0)])
    worth = 100 * float(meets.scores.affinity[0])
    ann = person(0)
    for waited, first in ((worth + 1, "old"), (worth - 1, "young")):
        both = [waiting("old", waited, says_nothing), waiting("young", 0, meets)]
        ((served, agent),) = pair_contacts(both, {ann.id: ann}.get, NOW_MS)
        assert (served.entry.place.contact, agent) == (first, ann.id)
        assert served.ranking(agent).basis is (Basis.AFFINITY if first == "young" else Basis.FALLBACK)


def test_whom_it_is_handed_to_by_name_is_taken_for_that_reason() -> None:
    """However well they match, the affinity says nothing then, and the decision says TRANSFER."""
    meets, ann = found_of([([(0, 0, 90)], 0.0, 0)]), person(0)
    handed_on = waiting("c", 0, meets, only=ann.id)
    assert handed_on.listed == {ann.id: 0.0}
    assert handed_on.ranking(ann.id).basis is Basis.TRANSFER
