"""The checker, on hand-made histories: a good history is clean, and each broken law is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from benchmarks.record_file import write_records
from benchmarks.simulate import history as h
from benchmarks.simulate.checker import judge
from benchmarks.simulate.history import Ending, Outcome, Verb
from benchmarks.simulate.summary import gini
from benchmarks.simulate.verdict import Law
from matcher.model.lifecycle import Cause, ContactState, ReservationState
from tests.simulate.histories import (
    ACCEPTED,
    BEA,
    FIRST,
    OFFER,
    POOL,
    SETTING,
    WISH,
    Steps,
    did,
    held,
    routed,
    served,
    talk,
    waited,
)


@dataclass
class Case:
    """A history in the making, with the numbers of its steps."""

    records: list[h.Record] = field(default_factory=lambda: list(SETTING))
    steps: Steps = field(default_factory=Steps)

    def counts(self) -> dict[str, int]:
        """Return the number of breaches of each broken law."""
        return {law: count for law, count in judge(self.records).counts().items() if count}


@pytest.fixture
def case() -> Case:
    """Return a history with only the pools and the agents."""
    return Case()


def test_a_day_without_a_broken_law_is_clean(case: Case, tmp_path: Path) -> None:
    """A contact gets Bea at once, another waits for her, both are served; the verdict is the same from a file."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += waited(case.steps, "b", 5.0, 10.2, "r2", until=20.0)
    case.records += [h.FoundDesk(began=30.0, ended=30.1, agent="bea", load=0, holds=0)]
    case.records += [h.Probed(agent="bea", channel="chat", taken=1), h.Probed(agent="tom", channel="chat", taken=2)]
    verdict = judge(case.records)
    assert verdict.clean, verdict.breaches
    assert (verdict.figures["contacts"], verdict.figures["queued"]) == (2, 1)
    write_records(tmp_path / "history.jsonl", case.records)
    assert judge(h.read(tmp_path / "history.jsonl")) == verdict


def test_a_contact_that_is_never_reported_again_is_lost(case: Case) -> None:
    """It was acknowledged as queued, and has no further step."""
    case.records += [routed("a", 0.0), case.steps.queued("a", 0.0)]
    assert case.counts() == {Law.LOST: 1}


@pytest.mark.parametrize("state", [None, ContactState.QUEUED, ContactState.RESERVED, ContactState.ASSIGNED])
def test_a_contact_that_has_not_ended_at_the_end_of_the_day_is_lost(case: Case, state: ContactState | None) -> None:
    """The service does not know it, or it still waits, or an agent still serves it."""
    case.records += [routed("a", 0.0), h.FoundContact(began=99.0, ended=99.1, contact="a", state=state)]
    assert case.counts() == {Law.LOST: 1}


@pytest.mark.parametrize(("at", "lost"), [(30.0, 1), (60.1, 0)])
def test_a_contact_may_expire_only_when_its_own_wait_is_over(case: Case, at: float, lost: int) -> None:
    """It may wait for a minute, so half a minute is too early."""
    expired = case.steps("a", ContactState.QUEUED, Cause.NOBODY_FREE, 0.0)
    case.records += [routed("a", 0.0), expired]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, at)]
    assert case.counts() == ({Law.LOST: 1} if lost else {})


def test_a_contact_that_no_client_closed_or_canceled_is_lost(case: Case) -> None:
    """A contact ends by its desk or its customer; without a call of either the service ended it."""
    case.records += [routed("a", 0.0), routed("b", 0.0)]
    case.records += [case.steps("a", ContactState.CLOSED, Cause.COMPLETED, 1.0)]
    case.records += [case.steps("b", ContactState.CANCELED, Cause.CANCELED, 1.0)]
    assert case.counts() == {Law.LOST: 2}


def test_a_conversation_that_is_cut_off_is_lost(case: Case) -> None:
    """A conversation lasts two minutes unless a client ends it."""
    offer = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, offer), case.steps.offered(offer), did(Verb.ACCEPT, offer, 1.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, offer)]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.CONVERSATION_EXPIRED, 50.0, offer)]
    assert case.counts() == {Law.LOST: 1}


def test_a_request_that_was_done_twice_is_found(case: Case) -> None:
    """Its repeat was answered with another contact and another agent."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 0.5, "r2", until=9.0, agent="tom")
    case.records = [
        msgspec.structs.replace(record, request="the same") if isinstance(record, h.Routed) else record
        for record in case.records
    ]
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_replayed_answer_is_no_second_reserve(case: Case) -> None:
    """The first attempt had no answer, and the second got the answer of the first."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    route = next(record for record in case.records if isinstance(record, h.Routed))
    case.records += [msgspec.structs.replace(route, ended=0.5, replayed=True)]
    case.records += [
        msgspec.structs.replace(route, ending=Ending.UNKNOWN, contact="", outcome=None, held=None),
    ]
    assert case.counts() == {}


def test_a_contact_without_a_request_is_found(case: Case) -> None:
    """A contact is queued that no customer requested."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += [case.steps("ghost", ContactState.QUEUED, Cause.NOBODY_FREE, 1.0)]
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_contact_that_two_agents_have_at_once_is_found(case: Case) -> None:
    """Bea still serves the contact when it is offered to Tom."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    second = held("r2", "a", 5.0, agent="tom")
    case.records += [case.steps.offered(second), *talk(second, 6.0, 9.0)]
    assert Law.SERVED_TWICE in case.counts()


def test_a_second_chat_above_the_channels_maximum_is_found(case: Case) -> None:
    """Bea can have one chat at a time."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 5.0, "r2", until=9.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_total_that_is_exceeded_by_two_channels_is_found(case: Case) -> None:
    """A chat of 30 and a call of 100 exceed the total of 100."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 5.0, "r2", until=9.0, channel="voice", cost=100)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_capacity_may_be_free_from_the_first_completion_on(case: Case) -> None:
    """The first completion had no answer: the agent may be free from the moment of the call."""
    offer = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, offer), case.steps.offered(offer), did(Verb.ACCEPT, offer, 1.0)]
    case.records += [did(Verb.COMPLETE, offer, 5.0, ending=Ending.UNKNOWN), did(Verb.COMPLETE, offer, 9.0)]
    case.records += case.steps.talked(offer, 1.0, 5.0)
    case.records += served(case.steps, "b", 6.0, "r2", until=12.0)
    assert case.counts() == {}


def test_a_fence_that_does_not_grow_is_found(case: Case) -> None:
    """Two holds of an agent never have the same fence, and a later hold has a higher one."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0, fence=7)
    case.records += served(case.steps, "b", 20.0, "r2", until=30.0, fence=7)
    case.records += served(case.steps, "c", 40.0, "r3", until=50.0, fence=6)
    assert case.counts() == {Law.SERVED_TWICE: 2}


def test_a_transfer_frees_the_old_agent_only_when_another_agent_is_reserved(case: Case) -> None:
    """While the transfer waits the old agent serves the contact, and cannot have a second one."""
    first, second = held("r1", "a", 0.0), held("r2", "a", 20.0, agent="tom")
    case.records += [routed("a", 0.0, first), case.steps.offered(first), did(Verb.ACCEPT, first, 1.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, first)]
    case.records += [
        h.Transferred(
            began=5.0, ended=5.1, request="t", contact="a", old="r1", wish=WISH, wait=30, outcome=Outcome.QUEUED
        ),
        case.steps("a", ContactState.ASSIGNED, Cause.TRANSFER_ASKED, 5.05, first),
        case.steps("a", ContactState.RESERVED, Cause.TRANSFERRED, 20.0, second),
        *talk(second, 21.0, 30.0),
        *case.steps.talked(second, 21.0, 30.0),
    ]
    assert case.counts() == {}
    case.records += served(case.steps, "b", 10.0, "r3", until=15.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_transfer_that_the_desk_of_a_removed_agent_asks_for_ends_the_hold_of_the_next_agent(case: Case) -> None:
    """Bea was removed and Tom has her contact; her desk, which did not hear of it, hands the contact on to Ada."""
    first, second = held("r1", "a", 0.0), held("r2", "a", 10.0, agent="tom")
    third = held("r3", "a", 20.0, agent="ada")
    ada = h.Desk(agent="ada", pools=("care",), total=100, channels={"chat": (30, 1)})
    case.records += [ada, routed("a", 0.0, first), case.steps.offered(first), did(Verb.ACCEPT, first, 1.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, first)]
    case.records += [case.steps("a", ContactState.QUEUED, Cause.AGENT_REMOVED, 9.0, first)]
    case.records += [case.steps.offered(second), did(Verb.READ, second, 10.1), did(Verb.ACCEPT, second, 11.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 11.0, second)]
    case.records += [
        h.Transferred(
            began=19.9, ended=20.1, request="t", contact="a", old="r1", wish=WISH, outcome=Outcome.HELD, held=third
        ),
        case.steps("a", ContactState.RESERVED, Cause.TRANSFERRED, 20.0, third),
        *talk(third, 21.0, 30.0),
        *case.steps.talked(third, 21.0, 30.0),
    ]
    assert case.counts() == {}


def overtaking(case: Case, *, later: float, **wish: object) -> None:
    """Let `a` wait for 40 s while `b`, which arrives `later` seconds after it, gets an agent."""
    wanted = msgspec.structs.replace(WISH, **wish)
    case.records += served(case.steps, "before", -5.0, "r0", until=20.0)
    case.records += waited(case.steps, "a", 0.0, 40.0, "r2", until=50.0)
    case.records = [
        msgspec.structs.replace(record, wish=wanted)
        if isinstance(record, h.Routed) and record.contact == "a"
        else record
        for record in case.records
    ]
    case.records += served(case.steps, "b", later, "r1", until=later + 8)


def test_a_new_message_that_gets_the_agent_of_a_waiting_contact_is_found(case: Case) -> None:
    """Bea became free at 20; a contact that arrived at 21 gets her, and the one that waits since 0 does not."""
    overtaking(case, later=21.0)
    assert case.counts() == {Law.OVERTAKEN: 1}


def test_a_contact_that_arrived_within_the_law_may_overtake(case: Case) -> None:
    """With this pool's wait_weight affinity is worth two seconds of waiting."""
    case.records += served(case.steps, "before", -5.0, "r0", until=20.0)
    case.records += waited(case.steps, "a", 0.0, 40.0, "r2", until=50.0)
    case.records += waited(case.steps, "b", 2.3, 21.0, "r1", until=30.0)
    assert case.counts() == {}
    case.records += waited(case.steps, "c", 2.9, 31.0, "r3", until=39.0)
    assert case.counts() == {Law.OVERTAKEN: 1}


@pytest.mark.parametrize(("head_start", "overtaken"), [(10.0, 1), (20.0, 0)])
def test_a_head_start_lets_a_pool_overtake_by_that_much(case: Case, head_start: float, overtaken: int) -> None:
    """An arrival 21 seconds later may not overtake with a head start of ten, but may with twenty."""
    overtaking(case, later=21.0)
    case.records[1] = msgspec.structs.replace(FIRST, head_start=head_start)
    case.records = [
        msgspec.structs.replace(record, held=msgspec.structs.replace(record.held, pool="first"))
        if isinstance(record, h.Routed | h.Answered) and record.held is not None and record.held.contact == "b"
        else record
        for record in case.records
    ]
    assert case.counts() == ({Law.OVERTAKEN: 1} if overtaken else {})


@pytest.mark.parametrize(
    "wish",
    [
        {"pool": "first", "channel": "mail"},
        {"language": "fr"},
        {"skills": {"law": (1, 0.0)}},
        {"skills": {"law": (1, 30.0)}},
        {"excluded": ("bea",)},
        {"only": "tom"},
        {"kept": 30.0},
        {"channel": "voice"},
    ],
    ids=str,
)
def test_a_contact_is_not_overtaken_for_an_agent_who_does_not_fit(case: Case, wish: dict[str, object]) -> None:
    """A channel, language, skill, exclusion or kept preference rules out Bea at that moment."""
    if wish == {"channel": "voice"}:
        # She has capacity for the chat, but not for a call beside another chat.
        case.records[2] = msgspec.structs.replace(BEA, channels={"chat": (30, 2), "voice": (100, 1)})
        case.records += served(case.steps, "beside", 19.0, "r9", until=38.0)
    overtaking(case, later=21.0, **wish)
    assert case.counts() == {}


def test_a_lapsed_skill_does_not_rule_out_an_agent(case: Case) -> None:
    """The requirement lapsed after ten seconds."""
    overtaking(case, later=21.0, skills={"law": (1, 10.0)})
    assert case.counts() == {Law.OVERTAKEN: 1}


def test_an_agent_who_declined_a_contact_does_not_fit_it_any_more(case: Case) -> None:
    """Bea declined it, so other contacts may get her first."""
    declined = held("r5", "a", 15.0)
    case.records += [routed("a", 0.0), case.steps.queued("a", 0.0), case.steps.offered(declined)]
    case.records += [did(Verb.READ, declined, 15.1), did(Verb.DECLINE, declined, 16.0)]
    case.records += [case.steps("a", ContactState.QUEUED, Cause.DECLINED, 16.0, declined)]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, 60.1)]
    case.records += served(case.steps, "b", 21.0, "r1", until=30.0)
    assert case.counts() == {}


@pytest.mark.parametrize("lasts", [OFFER - 2.5, OFFER + 2.5])
def test_an_offer_with_another_deadline_than_the_pools_is_found(case: Case, lasts: float) -> None:
    """This happens if a replica's clock sets the deadline instead of the store's."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0, expires=lasts)
    assert case.counts() == {Law.DRIFT: 1}


def test_an_offer_that_lapses_early_is_found(case: Case) -> None:
    """The offer had five seconds, and its acceptance was refused after two."""
    offer = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, offer), case.steps.offered(offer)]
    case.records += [did(Verb.ACCEPT, offer, 2.0, ending=Ending.REFUSED, reason="RESERVATION_LAPSED")]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, 60.1)]
    assert case.counts() == {Law.DRIFT: 1}


def test_a_conversation_with_another_deadline_is_found(case: Case) -> None:
    """It must last as long as the pool says from the acceptance on."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    for at, record in enumerate(case.records):
        if isinstance(record, h.Answered) and record.verb is Verb.ACCEPT and record.held is not None:
            wrong = msgspec.structs.replace(record.held, expires=1.0 + ACCEPTED - 3)
            case.records[at] = msgspec.structs.replace(record, held=wrong)
    assert case.counts() == {Law.DRIFT: 1}


@pytest.mark.parametrize(("at", "answered", "broken"), [(11.1, False, 0), (8.0, False, 1), (11.1, True, 1)])
def test_a_contact_is_taken_from_who_does_not_answer_in_time_and_from_nobody_else(
    case: Case, at: float, answered: bool, broken: int
) -> None:
    """The agent accepted after a second and had ten to answer; then another agent serves the contact."""
    terms = msgspec.structs.replace(POOL, id="answers", first_response=10.0)
    offer = held("r1", "a", 0.0, pool="answers")
    case.records += [terms, routed("a", 0.0, offer), case.steps.offered(offer)]
    for call in (did(Verb.READ, offer, 0.1), did(Verb.ACCEPT, offer, 1.0)):
        assert call.held is not None
        lasts = msgspec.structs.replace(call.held, expires=11.0 if call.verb is Verb.ACCEPT else OFFER)
        case.records.append(msgspec.structs.replace(call, held=lasts))
    case.records.append(case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, offer))
    if answered:
        case.records.append(did(Verb.TOUCH, offer, 2.0))
    case.records.append(case.steps("a", ContactState.QUEUED, Cause.NO_FIRST_RESPONSE, at, offer))
    again = held("r2", "a", 12.0, agent="tom")
    case.records += [case.steps.offered(again), *talk(again, 13.0, 20.0), *case.steps.talked(again, 13.0, 20.0)]
    assert case.counts() == ({Law.DRIFT: broken} if broken else {})


def test_whatever_a_removed_agent_held_is_over(case: Case) -> None:
    """The conversation goes back, and the capacity of the agent who is hired again is free at once."""
    offer = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, offer), case.steps.offered(offer), did(Verb.READ, offer, 0.1)]
    case.records += [did(Verb.ACCEPT, offer, 1.0), case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, offer)]
    case.records.append(h.Dismissed(began=5.0, ended=5.2, agent="bea"))
    case.records.append(case.steps("a", ContactState.QUEUED, Cause.AGENT_REMOVED, 5.1, offer))
    case.records += served(case.steps, "b", 5.5, "r2", until=9.0)
    again = held("r3", "a", 6.0, agent="tom")
    case.records += [case.steps.offered(again), *talk(again, 7.0, 20.0), *case.steps.talked(again, 7.0, 20.0)]
    assert case.counts() == {}


def test_a_remaining_hold_or_missing_capacity_at_the_end_is_drift(case: Case) -> None:
    """Bea still has the hold of a chat, and Tom gets one chat, but his capacity is two."""
    case.records += [h.FoundDesk(began=99.0, ended=99.1, agent="bea", load=30, holds=1)]
    case.records += [h.Probed(agent="tom", channel="chat", taken=1)]
    assert case.counts() == {Law.DRIFT: 2}


def test_a_wrap_up_uses_the_capacity(case: Case) -> None:
    """For two seconds after the conversation the agent cannot get another contact."""
    case.records[0] = msgspec.structs.replace(POOL, wrap_up=2.0)
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    for at, record in enumerate(case.records):
        if isinstance(record, h.Answered) and record.verb is Verb.COMPLETE and record.held is not None:
            wraps = msgspec.structs.replace(record.held, state=ReservationState.WRAPPING, expires=12.0)
            case.records[at] = msgspec.structs.replace(record, held=wraps)
    assert case.counts() == {}
    case.records += served(case.steps, "b", 11.0, "r2", until=20.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_step_that_was_not_reported_is_found(case: Case) -> None:
    """The second of four steps is missing."""
    case.records += waited(case.steps, "a", 0.0, 5.0, "r1", until=20.0)
    case.records = [record for record in case.records if not (isinstance(record, h.Stepped) and record.sequence == 2)]
    assert case.counts() == {Law.UNTOLD: 1}


def test_the_gini_coefficient_is_that_of_the_textbook() -> None:
    """It is 0 if all are equal, and 3/4 if one of four has everything."""
    assert gini([2, 2, 2, 2]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([1, 3]) == pytest.approx(0.25)
