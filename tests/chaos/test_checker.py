"""The checker of chaos, by histories of a few records: each law finds its breach and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.chaos import history as h
from benchmarks.chaos.checker import judge
from benchmarks.chaos.verdict import Law

SITE = "north"
TERMS = h.Terms(SITE, "desk", 2.0, 30.0, 0.2)
STAFF = (h.Staff(SITE, "a1", 2, {"chat": 1}), h.Staff(SITE, "a2", 2, {"chat": 1}))
BASE: tuple[h.Record, ...] = (TERMS, *STAFF)
LATER = 40.0


def held(reservation: str, contact: str, agent: str = "a1", fence: int = 1, **fields: Any) -> h.Held:
    """Return a conversation that began at the second of its fence."""
    state = fields.pop("state", "ACCEPTED")
    at = float(fields.pop("created", fence))
    expires = at + (30.0 if state == "ACCEPTED" else 2.0)
    return h.Held(
        reservation, agent, contact, "desk", "chat", 1, state, fence, at, fields.pop("expires", expires), **fields
    )


def call(verb: str, began: float, **fields: Any) -> h.Call:
    """Return an answered call of a tenth of a second."""
    return h.Call(site=SITE, verb=verb, replica=0, began=began, ended=fields.pop("ended", began + 0.1), **fields)


def routed(contact: str, began: float, **fields: Any) -> h.Call:
    """Return a route that was held at once."""
    hold = fields.pop("held", None) or held(f"r-{contact}", contact, fence=int(began * 1000), created=began)
    return call(
        "route", began, request=f"q-{contact}", contact=contact, pool="desk", channel="chat", outcome="reservation",
        auto_accept=True, held=hold, **fields,
    )  # fmt: skip


def completed(contact: str, began: float) -> list[h.Record]:
    """Return the end of a contact's conversation, with what is read of it when all is over."""
    done = held(f"r-{contact}", contact, state="COMPLETED", fence=0)
    return [
        call("complete", began, reservation=f"r-{contact}", held=done),
        h.FoundContact(site=SITE, contact=contact, at=LATER, state="CONTACT_CLOSED"),
        h.FoundReservation(site=SITE, reservation=f"r-{contact}", at=LATER, state="COMPLETED"),
    ]


def step(contact: str, sequence: int, state: str, cause: str, at: float, agent: str = "", **fields: Any) -> h.Step:
    """Return a step that the first watch heard at once."""
    return h.Step(
        site=SITE, watch=fields.pop("watch", "north-w0"), contact=contact, sequence=sequence, state=f"CONTACT_{state}",
        cause=f"CAUSE_{cause}", agent=agent, reservation=f"r-{contact}" if agent else "", pool="desk", at=at, heard=at,
    )  # fmt: skip


def laws(*records: h.Record) -> set[str]:
    """Return the laws that a history breaks."""
    return set(judge([*BASE, *records]).counts())


def able(until: float = LATER) -> list[h.Record]:
    """Return probes of a server that is able all the time."""
    times = [number * 0.5 for number in range(-20, int(until * 2) + 20)]
    return [h.Probe(replica=0, began=at, ended=at + 0.01, able=True) for at in times]


def test_a_history_without_a_fault_breaks_no_law() -> None:
    """Two conversations of one agent with two places, both completed."""
    records = [routed("c1", 1.0), routed("c2", 1.5), *completed("c1", 3.0), *completed("c2", 4.0)]
    assert laws(*records) == set()


def test_three_conversations_of_an_agent_with_two_places_are_found() -> None:
    """The third answer comes while the first two certainly go on."""
    records = [routed(f"c{number}", 1.0 + number / 10) for number in range(3)]
    ends = [end for number in range(3) for end in completed(f"c{number}", 3.0)]
    assert laws(*records, *ends) == {Law.CAPACITY}


def test_an_assignment_above_the_capacity_is_no_breach() -> None:
    """It was asked for, and is counted apart."""
    third = held("r-c3", "c3", fence=3000, created=1.3, over_capacity=True)
    assigned = call("assign", 1.3, contact="c3", over=True, outcome="reservation", held=third, request="q-c3")
    records = [routed("c1", 1.0), routed("c2", 1.1), assigned]
    verdict = judge([*BASE, *records, *(end for name in ("c1", "c2", "c3") for end in completed(name, 3.0))])
    assert verdict.breaches == ()
    assert verdict.claims["assigned_above_capacity"] == 1


def test_a_conversation_that_may_have_ended_makes_no_breach() -> None:
    """The completion has no answer: nobody can know that it was not done."""
    lost = call("complete", 1.15, reservation="r-c1", ending=h.UNKNOWN, reason="UNAVAILABLE")
    records = [routed("c1", 1.0), routed("c2", 1.02), lost, routed("c3", 1.3)]
    assert laws(*records, *(end for name in ("c1", "c2", "c3") for end in completed(name, 3.0))) == set()


def test_a_request_that_was_decided_twice_is_found() -> None:
    """Both answers say that they are the first, with two contacts' reservations."""
    other = held("r-other", "c1", "a2", fence=2000, created=2.0)
    records = [routed("c1", 1.0), *completed("c1", 1.5), routed("c1", 2.0, held=other)]
    assert Law.TWICE in laws(*records)


def test_a_contact_with_two_agents_is_found() -> None:
    """The second request is another one, and the first conversation has not ended."""
    second = call(
        "route", 1.5, request="q-2", contact="c1", pool="desk", channel="chat", outcome="reservation",
        held=held("r-2", "c1", "a2", fence=2000, created=1.5),
    )  # fmt: skip
    assert laws(routed("c1", 1.0), second, *completed("c1", 3.0)) == {Law.TWICE}


def test_a_fence_that_does_not_grow_is_found() -> None:
    """The later reservation has the smaller fence."""
    late = routed("c2", 3.0, held=held("r-c2", "c2", fence=500, created=3.0))
    assert laws(routed("c1", 1.0), *completed("c1", 1.5), late, *completed("c2", 3.5)) == {Law.FENCE}


def test_an_acknowledged_reservation_that_is_unknown_later_is_found() -> None:
    """Nothing was lost that anybody was told of."""
    gone = call("complete", 2.0, reservation="r-c1", ending=h.REFUSED, reason="RESERVATION_NOT_FOUND")
    assert laws(routed("c1", 1.0), gone) == {Law.GONE}


def test_a_contact_that_still_waits_when_all_is_over_is_found() -> None:
    """It was acknowledged as queued, and no agent was ever found for it."""
    queued = call("route", 1.0, request="q", contact="c1", pool="desk", channel="chat", outcome="queued", wait=60.0)
    found = h.FoundContact(site=SITE, contact="c1", at=LATER, state="CONTACT_QUEUED")
    assert laws(queued, found) == {Law.LOST}


def test_a_reservation_that_nobody_completed_is_found() -> None:
    """It reads COMPLETED, and no client asked for it."""
    found = h.FoundReservation(site=SITE, reservation="r-c1", at=LATER, state="COMPLETED")
    assert laws(routed("c1", 1.0), found) == {Law.ENDED}


def test_a_deadline_other_than_the_pools_is_found() -> None:
    """The conversation lasts for nine seconds less than the pool says."""
    short = routed("c1", 1.0, held=held("r-c1", "c1", fence=1000, created=1.0, expires=22.0))
    assert laws(short, *completed("c1", 2.0)) == {Law.ENDED}


@pytest.mark.parametrize(("load", "filled"), [(1, 2), (0, 1)])
def test_capacity_that_is_held_or_missing_when_all_is_over_is_found(load: int, filled: int) -> None:
    """Held and free are the whole capacity."""
    assert laws(h.FoundAgent(site=SITE, agent="a1", load=load, holds=load, filled=filled)) == {Law.LEFT}


def test_a_name_of_another_site_is_found() -> None:
    """An answer in one site names an agent of another."""
    assert laws(call("list", 1.0, named=("north", "south"))) == {Law.TENANT}


def test_an_internal_fault_is_found() -> None:
    """The service says INTERNAL."""
    assert laws(call("list", 1.0, ending=h.UNKNOWN, reason="INTERNAL_FAULT")) == {Law.UNKNOWN}


def test_a_step_that_a_watch_did_not_hear_is_found() -> None:
    """The third step comes after the first."""
    told = [step("c1", 1, "RESERVED", "OFFERED", 1.0, "a1"), step("c1", 3, "CLOSED", "COMPLETED", 2.0, "a1")]
    assert Law.UNTOLD in laws(*told)


def test_a_contact_that_waits_beside_a_free_agent_is_found() -> None:
    """Both agents are free for three seconds, and all servers are able."""
    queued = call("route", 10.0, request="q", contact="c1", pool="desk", channel="chat", outcome="queued", wait=60.0)
    told = [step("c1", 1, "QUEUED", "NOBODY_FREE", 10.0), step("c1", 2, "RESERVED", "OFFERED", 13.0, "a1")]
    ended = step("c1", 3, "CANCELED", "CANCELED", 13.5, "a1")
    assert laws(queued, *told, ended, *able()) == {Law.LATE}
    assert laws(queued, *told, ended) == set()  # no probe says that a server was able


def test_an_offer_that_lapses_late_is_found() -> None:
    """Its time was two seconds, and it lapsed after four."""
    told = [step("c1", 1, "RESERVED", "OFFERED", 10.0, "a1"), step("c1", 2, "RETURNED", "OFFER_EXPIRED", 14.0, "a1")]
    asked = call("route", 9.9, request="q", contact="c1", pool="desk", channel="chat", ending=h.UNKNOWN)
    assert laws(asked, *told, *able()) == {Law.LATE}


def overtaken() -> list[h.Record]:
    """Return a wait beside nobody free, and a contact that came fifteen seconds later and gets the agent."""
    requests = [
        call("route", at, request=f"q-{name}", contact=name, pool="desk", channel="chat", outcome="queued", wait=60.0)
        for name, at in (("c1", 10.0), ("c2", 25.0))
    ]
    told = [
        step("c1", 1, "QUEUED", "NOBODY_FREE", 10.0),
        step("c2", 1, "RESERVED", "OFFERED", 25.0, "a1"),
        step("c2", 2, "CANCELED", "CANCELED", 26.0, "a1"),
        step("c1", 2, "CANCELED", "CANCELED", 27.0),
    ]
    return [*requests, *told, *able()]


def test_a_contact_that_is_overtaken_by_one_that_came_much_later_is_found() -> None:
    """Both times are by a clock that was never stepped, and the store forgot nothing."""
    assert Law.OVERTAKEN in laws(*overtaken())


def test_an_age_by_a_stepped_clock_is_not_judged() -> None:
    """The first contact came while the clock was seconds off, so nobody knows how much later the second one came."""
    stepped = h.Fault(what="clock steps back", target="store", began=9.0, ended=11.0, clock=True)
    assert Law.OVERTAKEN not in laws(*overtaken(), stepped)


def test_a_wait_that_a_store_forgot_to_have_ended_is_not_judged() -> None:
    """The first contact was offered at 12 s, the store lost that, and its second step was told again at 27 s."""
    lost = h.Fault(what="failover", target="store", began=28.0, ended=29.0, forgets=True)
    offered = step("c1", 2, "RESERVED", "OFFERED", 12.0, "a2", watch="north-w1")
    assert Law.OVERTAKEN not in laws(*overtaken(), lost, offered)


@pytest.mark.parametrize("site", ["", "probes"])
@pytest.mark.parametrize("able", [True, False])
def test_a_health_that_is_untrue_for_more_than_five_seconds_is_found(*, able: bool, site: str) -> None:
    """The probes say one thing and the health another, either way, of the service or of their site."""
    reason = "" if able else "STORE_UNAVAILABLE"
    times = [number * 0.5 for number in range(40)]
    probes = [h.Probe(replica=0, began=at, ended=at + 0.01, able=able, reason=reason) for at in times]
    said = [h.Health(replica=0, site=site, began=at, ended=at + 0.01, serving=not able) for at in times]
    assert laws(*probes, *said) == {Law.HEALTH}
    true = [h.Health(replica=0, site=site, began=at, ended=at + 0.01, serving=able) for at in times]
    assert laws(*probes, *said[:8], *true[8:]) == set()
