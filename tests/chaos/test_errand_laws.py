"""The checker's laws of errands and records, by histories of a few records: each law finds its breach."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.chaos import history as h
from benchmarks.chaos.checker import judge
from benchmarks.chaos.verdict import Law
from tests.chaos.test_checker import able, call, laws, routed, step

ADA = "ada@example.com"
WATCHES = [
    h.Watching(site="north", watch=f"north-w{number}", replica=0, began=0.0, ended=40.0, reason="", resumed=False)
    for number in range(2)
]


def put(at: float, interest: str, **fields: Any) -> h.Call:
    """Return a customer that was put."""
    return call("put customer", at, request=ADA, outcome=interest, **fields)


def forgotten(at: float, contact: str = "visit-1", **fields: Any) -> h.Call:
    """Return a customer who was forgotten, with the contact."""
    return call("forget customer", at, request=ADA, contact=contact, **fields)


def entry(contact: str, sequence: int, state: str, kind: str, agent: str = "") -> h.Entry:
    """Return a step as the ledger has it."""
    reservation = f"r-{contact}" if agent else ""
    return h.Entry(
        site="north", contact=contact, sequence=sequence, state=state, kind=kind, reservation=reservation, agent=agent
    )


def refused(verb: str, at: float, reason: str, **fields: Any) -> h.Call:
    """Return a call that was refused."""
    return call(verb, at, ending=h.REFUSED, reason=reason, **fields)


def test_a_customer_who_is_remembered_otherwise_than_put_is_found() -> None:
    """The interest is the one of before, or nothing is known of the customer."""
    read = call("look up customer", 3.0, request=ADA, outcome="bees")
    assert laws(put(1.0, "bees"), read) == set()
    assert laws(put(1.0, "bees"), put(2.0, "cello"), read) == {Law.GONE}
    unknown = refused("look up customer", 3.0, "CUSTOMER_NOT_FOUND", request=ADA)
    assert laws(put(1.0, "bees"), unknown) == {Law.GONE}


def test_a_customer_who_was_forgotten_and_is_still_there_is_found() -> None:
    """The handle, the contact or its steps in the ledger."""
    gone = [
        refused("look up customer", 3.0, "CUSTOMER_NOT_FOUND", request=ADA),
        refused("look for visit", 3.0, "CONTACT_NOT_FOUND", request=ADA, contact="visit-1"),
    ]
    before = [put(1.0, "bees"), forgotten(2.0)]
    assert laws(*before, *gone) == set()
    assert laws(*before, call("look up customer", 3.0, request=ADA, outcome="bees")) == {Law.FORGOTTEN}
    assert laws(*before, call("look for visit", 3.0, request=ADA, contact="visit-1")) == {Law.FORGOTTEN}
    assert laws(*before, *gone, entry("visit-1", 1, "RESERVED", "OFFERED", "a1")) == {Law.FORGOTTEN}


def test_a_change_of_a_customer_without_an_answer_is_not_judged() -> None:
    """It may be done after the forgetting."""
    late = put(1.0, "bees", ending=h.UNKNOWN, reason="NO_ANSWER")
    read = call("look up customer", 4.0, request=ADA, outcome="bees")
    assert laws(late, put(1.5, "bees"), forgotten(2.0), read) == set()


def test_an_outcome_that_was_acknowledged_and_does_not_count_is_found() -> None:
    """The correction was acknowledged, and the first value counts."""
    asked = [call("outcome", at, contact="c1", outcome=f"csat={value}") for at, value in ((1.0, 2), (2.0, 5))]
    assert laws(*asked, call("read outcomes", 9.0, contact="c1", outcome="csat=5 resolved=1")) == set()
    assert laws(*asked, call("read outcomes", 9.0, contact="c1", outcome="csat=2")) == {Law.LEDGER}


def test_a_key_that_counts_after_it_was_revoked_is_found() -> None:
    """Three seconds after, at a server that is able; one second after is allowed."""
    made, revoked = call("make key", 10.0, agent="k"), call("revoke key", 13.0, agent="k")
    assert laws(made, revoked, call("with key", 14.0, agent="k"), *able()) == set()
    assert laws(made, revoked, call("with key", 16.2, agent="k"), *able()) == {Law.REVOKED}
    assert laws(made, revoked, call("with key", 16.2, agent="k")) == set()  # no probe says that a server was able


def test_a_key_that_is_refused_though_it_counts_is_found() -> None:
    """Every server is to know a key two seconds after it was made."""
    made, revoked = call("make key", 10.0, agent="k"), call("revoke key", 15.0, agent="k")
    early, late = (refused("with key", at, "CREDENTIALS_WRONG", agent="k") for at in (11.0, 12.5))
    assert laws(made, early, revoked, *able()) == set()
    assert laws(made, late, revoked, *able()) == {Law.REVOKED}


def test_a_body_beyond_the_limit_that_is_taken_is_found() -> None:
    """It must be refused, or have no answer."""
    assert laws(refused("oversized", 1.0, "MESSAGE_TOO_LARGE")) == set()
    assert laws(call("oversized", 1.0)) == {Law.BOUND}


def test_a_site_that_answers_after_its_deletion_is_found() -> None:
    """Until it is created again."""
    deleted, listed = call("delete site", 1.0), call("list after deletion", 2.0)
    assert laws(deleted, listed) == {Law.DELETED}
    assert laws(deleted, refused("list after deletion", 2.0, "SITE_NOT_FOUND")) == set()
    assert laws(deleted, call("create site", 1.5), listed) == set()


@pytest.mark.parametrize(
    ("agents", "contacts", "law"),
    [(("b-2-a0", "b-1-a0"), (), Law.DELETED), (("b-2-a0",), ("b-1-c",), Law.DELETED), ((), (), Law.GONE)],
)
def test_what_a_new_site_has_of_the_one_before_is_found(agents: Any, contacts: Any, law: Law) -> None:
    """Agents and contacts of the former life, or an import that was acknowledged and is gone."""

    def life(agents: tuple[str, ...], contacts: tuple[str, ...]) -> h.FoundLife:
        return h.FoundLife(site="brief", at=9.0, imported=("b-2-a0",), agents=agents, contacts=contacts)

    assert laws(life(("b-2-a0",), ())) == set()
    assert laws(life(agents, contacts)) == {law}


def test_a_ledger_that_differs_from_what_was_told_is_found() -> None:
    """A step is missing, another agent stands in it, or the ledger itself says that it lacks some."""
    told = [
        step("c1", sequence, *what, watch=watching.watch)
        for watching in WATCHES
        for sequence, what in ((1, ("RESERVED", "OFFERED", 1.0, "a1")), (2, ("CLOSED", "COMPLETED", 2.0, "a1")))
    ]
    kept = [entry("c1", 1, "RESERVED", "OFFERED", "a1"), entry("c1", 2, "CLOSED", "COMPLETED", "a1")]
    assert laws(*WATCHES, *told, *kept) == set()
    assert laws(*WATCHES, *told, kept[0]) == {Law.LEDGER}
    assert laws(*WATCHES, *told, kept[0], entry("c1", 2, "CLOSED", "COMPLETED", "a2")) == {Law.LEDGER}
    assert laws(*WATCHES, *told, *kept, h.Gap(site="north", entries=3)) == {Law.LEDGER}


def test_a_step_that_only_the_ledger_has_is_found() -> None:
    """The watches were open all the time, and one was not told."""
    told = [step("c1", 1, "QUEUED", "NOBODY_FREE", 1.0, watch=watching.watch) for watching in WATCHES]
    kept = [entry("c1", 1, "QUEUED", "NOBODY_FREE"), entry("c1", 2, "CANCELED", "CANCELED")]
    assert laws(*WATCHES, *told, step("c1", 2, "CANCELED", "CANCELED", 2.0), *kept) == {Law.UNTOLD}
    broken = h.Watching(
        site="north", watch="north-w1", replica=0, began=3.0, ended=9.0, reason="EVENTS_FORGOTTEN", resumed=True
    )
    assert laws(*WATCHES, broken, *told, step("c1", 2, "CANCELED", "CANCELED", 2.0), *kept) == set()


def test_a_loss_that_is_told_late_or_on_one_watch_only_is_found() -> None:
    """The store forgot at the tenth second, and all servers are able from then on."""
    fault = h.Fault(what="store set back", target="0", began=10.0, ended=11.0, forgets=True)
    first = [step("c1", 1, "RESERVED", "OFFERED", 9.0, "a1", watch=watching.watch) for watching in WATCHES]

    def told(at: float, watch: str) -> h.Step:
        return step("c1", 2, "RETURNED", "LOST", at, "a1", watch=watch)

    both = [told(14.0, watching.watch) for watching in WATCHES]
    base = [*WATCHES, fault, routed("c1", 9.0), *first, *able()]
    assert Law.UNREPORTED not in laws(*base, *both)
    assert Law.UNREPORTED in laws(*base, both[0])
    assert Law.UNREPORTED in laws(*base, told(18.0, "north-w0"), both[1])


def test_a_loss_where_no_store_has_forgotten_anything_is_found() -> None:
    """The service told a loss that there was not."""
    told = [step("c1", number + 1, *what) for number, what in enumerate((("RESERVED", "OFFERED", 9.0, "a1"),
                                                                         ("RETURNED", "LOST", 9.5, "a1")))]  # fmt: skip
    assert Law.UNREPORTED in laws(*told)


def test_errands_are_counted() -> None:
    """The report says how many of each kind were done; of rude requests how many were tried."""
    records = [put(1.0, "bees"), refused("oversized", 1.0, "MESSAGE_TOO_LARGE"), refused("import", 1.0, "UNAVAILABLE")]
    claims = judge(records).claims
    assert (claims["customers_put"], claims["oversized"]) == (1, 1)
    assert "imports" not in claims
