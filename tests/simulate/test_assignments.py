"""The checker, on hand-made histories of assignments by a supervisor, above the capacity and past the queue."""

from __future__ import annotations

from benchmarks.simulate import history as h
from benchmarks.simulate.checker import judge
from benchmarks.simulate.history import Ending
from benchmarks.simulate.verdict import Law
from matcher.model.lifecycle import Cause, ContactState
from tests.simulate.histories import BEA, LAG, POOL, TOM, Steps, held, routed, served, talk


def assigned(offer: h.Held) -> h.Assigned:
    """Return the answered assignment of an offer."""
    at = offer.created
    return h.Assigned(
        began=at - LAG / 2, ended=at + LAG / 2, request="by hand", contact=offer.contact, agent=offer.agent, held=offer
    )


def counts(records: list[h.Record]) -> dict[str, int]:
    """Return the number of breaches of each broken law."""
    return {law: count for law, count in judge(records).counts().items() if count}


def test_an_assignment_above_the_capacity_is_counted_apart_and_a_route_above_it_is_a_breach() -> None:
    """Bea takes one chat at a time; the supervisor gives her a second one, and then the service a third one."""
    steps, by_hand = Steps(), held("r2", "b", 2.0)
    records: list[h.Record] = [POOL, BEA, TOM, *served(steps, "a", 0.0, "r1", until=20.0)]
    records += [routed("b", 1.0), steps.queued("b", 1.0), assigned(by_hand)]
    records += [steps("b", ContactState.RESERVED, Cause.ASSIGNED, 2.0, by_hand)]
    records += [*talk(by_hand, 3.0, 15.0), *steps.talked(by_hand, 3.0, 15.0)]
    verdict = judge(records)
    assert verdict.clean, verdict.breaches
    assert (verdict.figures["assigned"], verdict.figures["assigned_above_capacity"]) == (1, 1)
    records += served(steps, "c", 5.0, "r3", until=9.0)
    assert counts(records) == {Law.SERVED_TWICE: 1}


def test_an_assignment_overtakes_nobody_by_law() -> None:
    """The contact that the supervisor assigned came ten seconds after the contact that goes on waiting."""
    steps, by_hand = Steps(), held("r2", "late", 12.0)
    records: list[h.Record] = [POOL, BEA, TOM, routed("early", 0.0), steps.queued("early", 0.0)]
    records += [routed("late", 10.0), steps.queued("late", 10.0), assigned(by_hand)]
    records += [steps("late", ContactState.RESERVED, Cause.ASSIGNED, 12.0, by_hand)]
    records += [*talk(by_hand, 13.0, 15.0), *steps.talked(by_hand, 13.0, 15.0)]
    records += [h.GaveUp(began=16.0, ended=16.1, ending=Ending.OK, contact="early")]
    records += [steps("early", ContactState.CANCELED, Cause.CANCELED, 16.05)]
    assert counts(records) == {}
