"""The checker, on hand-made histories: a good one is clean, and each broken law is found by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

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
    """A history under the hand, with the steps told so far."""

    records: list[h.Record] = field(default_factory=lambda: list(SETTING))
    steps: Steps = field(default_factory=Steps)

    def counts(self) -> dict[str, int]:
        """Return the breaches that are found, by law."""
        return {law: count for law, count in judge(self.records).counts().items() if count}


@pytest.fixture
def case() -> Case:
    """Give a history with nothing in it but the setting."""
    return Case()


def test_a_day_on_which_all_goes_well_is_clean(case: Case, tmp_path: Path) -> None:
    """One is held at once, one waits for the same agent; both are served. So it reads from a file, too."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += waited(case.steps, "b", 5.0, 10.2, "r2", until=20.0)
    case.records += [h.FoundDesk(began=30.0, ended=30.1, agent="bea", load=0, holds=0)]
    case.records += [h.Probed(agent="bea", channel="chat", taken=1), h.Probed(agent="tom", channel="chat", taken=2)]
    verdict = judge(case.records)
    assert verdict.clean, verdict.breaches
    assert (verdict.figures["contacts"], verdict.figures["queued"]) == (2, 1)
    h.write(tmp_path / "history.jsonl", case.records)
    assert judge(h.read(tmp_path / "history.jsonl")) == verdict


def test_a_contact_that_nobody_hears_of_again_is_lost(case: Case) -> None:
    """It was acknowledged as queued, and then nothing."""
    case.records += [routed("a", 0.0), case.steps.queued("a", 0.0)]
    assert case.counts() == {Law.LOST: 1}


@pytest.mark.parametrize("state", [None, ContactState.QUEUED, ContactState.RESERVED, ContactState.ASSIGNED])
def test_a_contact_that_is_left_when_the_day_is_over_is_lost(case: Case, state: ContactState | None) -> None:
    """Nobody knows it any more, or it still waits or is held."""
    case.records += [routed("a", 0.0), h.FoundContact(began=99.0, ended=99.1, contact="a", state=state)]
    assert case.counts() == {Law.LOST: 1}


@pytest.mark.parametrize(("at", "lost"), [(30.0, 1), (60.1, 0)])
def test_a_contact_may_be_given_up_only_when_its_own_wait_is_over(case: Case, at: float, lost: int) -> None:
    """It may wait for a minute: half of it is too early."""
    expired = case.steps("a", ContactState.QUEUED, Cause.NOBODY_FREE, 0.0)
    case.records += [routed("a", 0.0), expired]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, at)]
    assert case.counts() == ({Law.LOST: 1} if lost else {})


def test_a_contact_that_is_closed_or_canceled_by_nobody_is_lost(case: Case) -> None:
    """A desk completes, a customer gives up: what ends without either was ended by the service."""
    case.records += [routed("a", 0.0), routed("b", 0.0)]
    case.records += [case.steps("a", ContactState.CLOSED, Cause.COMPLETED, 1.0)]
    case.records += [case.steps("b", ContactState.CANCELED, Cause.CANCELED, 1.0)]
    assert case.counts() == {Law.LOST: 2}


def test_a_conversation_that_is_cut_off_is_lost(case: Case) -> None:
    """It lasts two minutes unless somebody ends it."""
    one = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, one), case.steps.offered(one), did(Verb.ACCEPT, one, 1.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, one)]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.CONVERSATION_EXPIRED, 50.0, one)]
    assert case.counts() == {Law.LOST: 1}


def test_a_request_that_was_done_twice_is_found(case: Case) -> None:
    """Its repeat was answered with another contact, on another agent."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 0.5, "r2", until=9.0, agent="tom")
    case.records = [
        msgspec.structs.replace(one, request="the same") if isinstance(one, h.Routed) else one for one in case.records
    ]
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_repeat_that_replays_is_no_second_time(case: Case) -> None:
    """The first attempt had no answer, the second has that of the first."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    route = next(one for one in case.records if isinstance(one, h.Routed))
    case.records += [msgspec.structs.replace(route, ended=0.5, replayed=True)]
    case.records += [
        msgspec.structs.replace(route, ending=Ending.UNKNOWN, contact="", outcome=None, held=None),
    ]
    assert case.counts() == {}


def test_a_contact_that_nobody_asked_for_is_found(case: Case) -> None:
    """The desks are offered somebody whom no customer brought."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += [case.steps("ghost", ContactState.QUEUED, Cause.NOBODY_FREE, 1.0)]
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_contact_that_two_agents_hold_at_once_is_found(case: Case) -> None:
    """Bea still talks with the customer when Tom is offered them."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    second = held("r2", "a", 5.0, agent="tom")
    case.records += [case.steps.offered(second), *talk(second, 6.0, 9.0)]
    assert Law.SERVED_TWICE in case.counts()


def test_a_slot_that_is_held_twice_is_found(case: Case) -> None:
    """Bea takes one chat at a time."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 5.0, "r2", until=9.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_total_that_is_exceeded_by_two_channels_is_found(case: Case) -> None:
    """A chat of 30 and a call of 100 are more than 100."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    case.records += served(case.steps, "b", 5.0, "r2", until=9.0, channel="voice", cost=100)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_slot_whose_end_is_not_known_may_be_free(case: Case) -> None:
    """The first completion had no answer: what it freed may be taken from the moment it was called."""
    one = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, one), case.steps.offered(one), did(Verb.ACCEPT, one, 1.0)]
    case.records += [did(Verb.COMPLETE, one, 5.0, ending=Ending.UNKNOWN), did(Verb.COMPLETE, one, 9.0)]
    case.records += case.steps.talked(one, 1.0, 5.0)
    case.records += served(case.steps, "b", 6.0, "r2", until=12.0)
    assert case.counts() == {}


def test_a_fence_that_comes_again_is_found(case: Case) -> None:
    """Two holds of an agent never have the same, and a later one has a higher."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0, fence=7)
    case.records += served(case.steps, "b", 20.0, "r2", until=30.0, fence=7)
    case.records += served(case.steps, "c", 40.0, "r3", until=50.0, fence=6)
    assert case.counts() == {Law.SERVED_TWICE: 2}


def test_a_transfer_frees_the_old_slot_only_when_another_agent_is_held(case: Case) -> None:
    """While it waits the old agent holds it: a second customer for that slot is one too many."""
    one, taken = held("r1", "a", 0.0), held("r2", "a", 20.0, agent="tom")
    case.records += [routed("a", 0.0, one), case.steps.offered(one), did(Verb.ACCEPT, one, 1.0)]
    case.records += [case.steps("a", ContactState.ASSIGNED, Cause.ACCEPTED, 1.0, one)]
    case.records += [
        h.Transferred(
            began=5.0, ended=5.1, request="t", contact="a", old="r1", wish=WISH, wait=30, outcome=Outcome.QUEUED
        ),
        case.steps("a", ContactState.ASSIGNED, Cause.TRANSFER_ASKED, 5.05, one),
        case.steps("a", ContactState.RESERVED, Cause.TRANSFERRED, 20.0, taken),
        *talk(taken, 21.0, 30.0),
        *case.steps.talked(taken, 21.0, 30.0),
    ]
    assert case.counts() == {}
    case.records += served(case.steps, "b", 10.0, "r3", until=15.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def overtaking(case: Case, *, later: float, **wish: object) -> None:
    """Let `a` wait for 40 s while an agent is given to `b`, which comes `later` seconds after it."""
    wanted = msgspec.structs.replace(WISH, **wish)
    case.records += served(case.steps, "before", -5.0, "r0", until=20.0)
    case.records += waited(case.steps, "a", 0.0, 40.0, "r2", until=50.0)
    case.records = [
        msgspec.structs.replace(one, wish=wanted) if isinstance(one, h.Routed) and one.contact == "a" else one
        for one in case.records
    ]
    case.records += served(case.steps, "b", later, "r1", until=later + 8)


def test_a_new_message_that_takes_the_agent_a_contact_waited_for_is_found(case: Case) -> None:
    """Bea became free at 20; somebody who came at 21 has her, and whoever waited since 0 waits on."""
    overtaking(case, later=21.0)
    assert case.counts() == {Law.OVERTAKEN: 1}


def test_who_came_within_the_law_may_overtake(case: Case) -> None:
    """Affinity is worth two seconds of waiting here."""
    case.records += served(case.steps, "before", -5.0, "r0", until=20.0)
    case.records += waited(case.steps, "a", 0.0, 40.0, "r2", until=50.0)
    case.records += waited(case.steps, "b", 2.3, 21.0, "r1", until=30.0)
    assert case.counts() == {}
    case.records += waited(case.steps, "c", 2.9, 31.0, "r3", until=39.0)
    assert case.counts() == {Law.OVERTAKEN: 1}


@pytest.mark.parametrize(("head_start", "overtaken"), [(10.0, 1), (20.0, 0)])
def test_a_head_start_lets_a_pool_overtake_so_far(case: Case, head_start: float, overtaken: int) -> None:
    """Twenty-one seconds later are too many with a head start of ten, and not with one of twenty."""
    overtaking(case, later=21.0)
    case.records[1] = msgspec.structs.replace(FIRST, head_start=head_start)
    case.records = [
        msgspec.structs.replace(one, held=msgspec.structs.replace(one.held, pool="first"))
        if isinstance(one, h.Routed | h.Answered) and one.held is not None and one.held.contact == "b"
        else one
        for one in case.records
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
def test_nobody_is_overtaken_for_an_agent_whom_they_could_not_have(case: Case, wish: dict[str, object]) -> None:
    """A channel, language, skill, exclusion or kept preference stands between them and Bea at that moment."""
    if wish == {"channel": "voice"}:
        # She has room for the chat, not for a call beside another chat.
        case.records[2] = msgspec.structs.replace(BEA, channels={"chat": (30, 2), "voice": (100, 1)})
        case.records += served(case.steps, "beside", 19.0, "r9", until=38.0)
    overtaking(case, later=21.0, **wish)
    assert case.counts() == {}


def test_a_skill_that_is_required_no_longer_is_no_excuse(case: Case) -> None:
    """It lapsed after ten seconds."""
    overtaking(case, later=21.0, skills={"law": (1, 10.0)})
    assert case.counts() == {Law.OVERTAKEN: 1}


def test_an_agent_who_declined_a_contact_is_not_for_it_any_more(case: Case) -> None:
    """Bea turned it down: others may have her before it."""
    declined = held("r5", "a", 15.0)
    case.records += [routed("a", 0.0), case.steps.queued("a", 0.0), case.steps.offered(declined)]
    case.records += [did(Verb.READ, declined, 15.1), did(Verb.DECLINE, declined, 16.0)]
    case.records += [case.steps("a", ContactState.QUEUED, Cause.DECLINED, 16.0, declined)]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, 60.1)]
    case.records += served(case.steps, "b", 21.0, "r1", until=30.0)
    assert case.counts() == {}


@pytest.mark.parametrize("lasts", [OFFER - 2.5, OFFER + 2.5])
def test_an_offer_with_another_deadline_than_the_pool_promises_is_found(case: Case, lasts: float) -> None:
    """So it is where a replica's clock counts instead of the store's."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0, expires=lasts)
    assert case.counts() == {Law.DRIFT: 1}


def test_an_offer_that_lapses_early_is_found(case: Case) -> None:
    """The desk had five seconds, and was refused after two."""
    one = held("r1", "a", 0.0)
    case.records += [routed("a", 0.0, one), case.steps.offered(one)]
    case.records += [did(Verb.ACCEPT, one, 2.0, ending=Ending.REFUSED, reason="RESERVATION_LAPSED")]
    case.records += [case.steps("a", ContactState.EXPIRED, Cause.WAIT_EXPIRED, 60.1)]
    assert case.counts() == {Law.DRIFT: 1}


def test_a_conversation_with_another_deadline_is_found(case: Case) -> None:
    """From the acceptance on it lasts as long as the pool says."""
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    for at, one in enumerate(case.records):
        if isinstance(one, h.Answered) and one.verb is Verb.ACCEPT and one.held is not None:
            wrong = msgspec.structs.replace(one.held, expires=1.0 + ACCEPTED - 3)
            case.records[at] = msgspec.structs.replace(one, held=wrong)
    assert case.counts() == {Law.DRIFT: 1}


def test_what_is_held_or_cannot_be_taken_when_all_is_over_is_drift(case: Case) -> None:
    """Bea holds a chat nobody has, and Tom takes one chat where he could take two."""
    case.records += [h.FoundDesk(began=99.0, ended=99.1, agent="bea", load=30, holds=1)]
    case.records += [h.Probed(agent="tom", channel="chat", taken=1)]
    assert case.counts() == {Law.DRIFT: 2}


def test_a_wrap_up_holds_the_slot(case: Case) -> None:
    """Two seconds after the end of a conversation are the agent's own: whoever is held then is one too many."""
    case.records[0] = msgspec.structs.replace(POOL, wrap_up=2.0)
    case.records += served(case.steps, "a", 0.0, "r1", until=10.0)
    for at, one in enumerate(case.records):
        if isinstance(one, h.Answered) and one.verb is Verb.COMPLETE and one.held is not None:
            wraps = msgspec.structs.replace(one.held, state=ReservationState.WRAPPING, expires=12.0)
            case.records[at] = msgspec.structs.replace(one, held=wraps)
    assert case.counts() == {}
    case.records += served(case.steps, "b", 11.0, "r2", until=20.0)
    assert case.counts() == {Law.SERVED_TWICE: 1}


def test_a_step_that_was_not_told_is_found(case: Case) -> None:
    """The second of four is missing."""
    case.records += waited(case.steps, "a", 0.0, 5.0, "r1", until=20.0)
    case.records = [one for one in case.records if not (isinstance(one, h.Stepped) and one.sequence == 2)]
    assert case.counts() == {Law.UNTOLD: 1}


def test_the_gini_coefficient_is_that_of_the_textbook() -> None:
    """All alike: 0. One of four has everything: 3/4."""
    assert gini([2, 2, 2, 2]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([1, 3]) == pytest.approx(0.25)
