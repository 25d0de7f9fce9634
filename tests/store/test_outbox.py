"""The outbox: what the ledger is told of contacts, in which order, and what becomes of it when nobody reads."""

from __future__ import annotations

from itertools import pairwise

from matcher.model.lifecycle import Cause
from matcher.model.steps import CUSTOMER, UNMATCHED, Step, without_agent
from matcher.store import verbs
from matcher.store.by_hand import ByHand
from matcher.store.outbox import Feeding, step_of
from matcher.store.reservations import ReserveKind, WaitTerms
from tests.store.stage import KEEP_MS, LONG_MS, Stage

ME = "this process"
LEASE_MS = 60_000


async def feed(stage: Stage, most: int = 500, process: str = ME) -> Feeding:
    """Read the outbox as the process that feeds the ledger."""
    found = await stage.outbox.feed(stage.site, process, LEASE_MS, most)
    assert found is not None
    return found


async def steps(stage: Stage) -> list[Step]:
    """Return every step in the outbox."""
    found = [step_of(entry) for entry in (await feed(stage)).entries]
    assert None not in found
    return [step for step in found if step is not None]


async def test_every_step_of_a_contact_s_life_stands_in_the_outbox_once(lawful: Stage) -> None:
    """Offered, declined, waiting, offered, accepted, completed: the same steps as in the contact's own history."""
    await lawful.put("ann")
    await lawful.put("bob")
    first = await lawful.hold("ann", contact="c", customer="customer-7", waiting=WaitTerms(LONG_MS, 0, b"sealed"))
    await lawful.routing.decline(await lawful.routing.reference(lawful.site, first.id), 0, "busy", None)
    second = await lawful.hold("bob", contact="c", how=ReserveKind.QUEUE)
    await lawful.routing.accept(await lawful.routing.reference(lawful.site, second.id), 0, LONG_MS)
    await lawful.routing.complete(await lawful.routing.reference(lawful.site, second.id), 0, 0)
    told, history = await steps(lawful), await lawful.contacts.history(lawful.site, "c")
    assert [step.kind for step in told] == ["OFFERED", "DECLINED", "OFFERED", "ACCEPTED", "COMPLETED"]
    assert [(step.sequence, step.kind, step.state, step.agent, step.at_ms) for step in told] == [
        (event.sequence, event.cause, event.state, event.agent, event.at_ms) for event in history
    ]
    assert len({step.born_ms for step in told}) == 1
    assert all(after.number == before.number + 1 for before, after in pairwise(told))


async def test_an_offer_says_what_is_known_of_the_choice(stage: Stage) -> None:
    """Basis, affinity and load come from the choice itself, the rest from the ranking."""
    await stage.put("ann", 4)
    await stage.put("bob")
    await stage.set_idle("ann", 1_000)
    await stage.hold("bob")
    await stage.hold(("ann", 0.5))
    await stage.hold(("bob", 0.9), ("ann", 0.75), contact="c", facts="margin=0.1000;")
    offered = (await steps(stage))[-1]
    known = {"channel": "chat", "basis": "AFFINITY", "affinity": "0.7500", "utilization": "0.2500", "margin": "0.1000"}
    assert offered.known() == known | {"seen": "bob|CAPACITY,ann|1|4|1000"}
    assert without_agent(without_agent(offered.facts, "bob"), "ann").count("seen=|CAPACITY,|1|4|1000;") == 1


async def test_an_assignment_by_hand_says_who_made_it_and_why(stage: Stage) -> None:
    """In the caller's words, whose semicolons would end a fact."""
    ann = await stage.put("ann")
    by_hand = ByHand(0, ann.profile_version, (), frozenset(), False, False, "Eva; desk 7", "They = friends; she asked.")
    await stage.hold("ann", contact="c", how=ReserveKind.ASSIGN, by_hand=by_hand)
    known = (await steps(stage))[-1].known()
    assert (known["actor"], known["reason"]) == ("Eva, desk 7", "They = friends, she asked.")


async def test_a_contact_without_an_agent_who_may_not_wait_is_noted_as_unmatched(stage: Stage) -> None:
    """Such a contact has no record, so this is all that is ever known of it."""
    await stage.outbox.note_unmatched(stage.site, "c", "sales", "voice", "SKILL")
    (step,) = await steps(stage)
    assert (step.kind, step.contact, step.pool) == (UNMATCHED, "c", "sales")
    assert step.known() == {"channel": "voice", "constraint": "SKILL"}


async def test_without_a_ledger_nothing_is_written(stage: Stage) -> None:
    """A site that keeps no ledger has no outbox."""
    step = verbs.ContactStep.of(stage.keys, "c", KEEP_MS, 1_000)
    await stage.connection.verb(verbs.Leave(step=step, aside=stage.keys.aside("c"), cause=Cause.CANCELED))
    assert await stage.raw("EXISTS", stage.keys.outbox) == 0


async def test_what_is_committed_is_trimmed_and_nothing_else(stage: Stage) -> None:
    """Entries that came since they were read stay."""
    for contact in ("a", "b", "c"):
        await stage.outbox.note_unmatched(stage.site, contact, "default", "chat", "STATUS")
    committed = (await feed(stage, most=2)).entries[-1]
    await stage.outbox.note_unmatched(stage.site, "d", "default", "chat", "STATUS")
    rest = await stage.outbox.feed(stage.site, ME, LEASE_MS, 500, committed)
    assert rest is not None
    assert [entry.number for entry in rest.entries] == [3, 4]
    assert await stage.raw("XLEN", stage.keys.outbox) == 2


async def test_entries_that_were_given_a_number_of_lost_ones_are_not_trimmed(stage: Stage) -> None:
    """A primary that took over without the last entries gives their numbers to new ones, which nobody has read."""
    await stage.outbox.note_unmatched(stage.site, "lost", "default", "chat", "STATUS")
    committed = (await feed(stage)).entries[-1]
    await stage.raw("DEL", stage.keys.outbox)
    await stage.outbox.note_unmatched(stage.site, "new", "default", "chat", "STATUS")
    found = await stage.outbox.feed(stage.site, ME, LEASE_MS, 500, committed)
    assert found is not None
    assert [step.contact for entry in found.entries if (step := step_of(entry))] == ["new"]


async def test_one_process_feeds_a_site(stage: Stage) -> None:
    """Another one reads nothing, and trims nothing, while the lease lasts."""
    await stage.outbox.note_unmatched(stage.site, "c", "default", "chat", "STATUS")
    entry = (await feed(stage)).entries[-1]
    assert await stage.outbox.feed(stage.site, "another", LEASE_MS, 500, entry) is None
    assert await stage.raw("XLEN", stage.keys.outbox) == 1


async def test_a_full_outbox_loses_the_oldest_and_the_numbers_say_how_many(stage: Stage) -> None:
    """The newest entries stay; about so many as the bound says, a node of the stream more."""
    stage.outbox._kept = 200
    for number in range(1_000):
        await stage.outbox.note_unmatched(stage.site, f"c{number}", "default", "chat", "STATUS")
    kept = [entry.number for entry in (await feed(stage, most=2_000)).entries]
    assert kept == list(range(kept[0], 1_001))
    assert 200 <= len(kept) <= 400


async def test_persons_to_forget_are_named_when_everything_before_has_been_read(stage: Stage) -> None:
    """Rows that come after a removal would stay; one who is forgotten again meanwhile stays on the list."""
    for contact in ("a", "b"):
        await stage.outbox.note_unmatched(stage.site, contact, "default", "chat", "STATUS")
    await stage.outbox.note_forgets(stage.site, {CUSTOMER + "d1"})
    assert (await feed(stage, most=2)).forgets == {}
    found = await feed(stage)
    assert set(found.forgets) == {CUSTOMER + "d1"}
    await stage.outbox.note_forgets(stage.site, {CUSTOMER + "d1"})
    again = await stage.outbox.feed(stage.site, ME, LEASE_MS, 500, found.entries[-1], found.forgets)
    assert again is not None
    assert set(again.forgets) == {CUSTOMER + "d1"}
    last = await stage.outbox.feed(stage.site, ME, LEASE_MS, 500, None, again.forgets)
    assert last is not None
    assert last.forgets == {}
    assert await stage.raw("EXISTS", stage.keys.forgets) == 0


async def test_a_backlog_says_how_much_waits_and_since_when(stage: Stage) -> None:
    """For metrics, and so that a process need not ask each site's lease."""
    before = await stage.now_ms()
    await stage.outbox.note_unmatched(stage.site, "c", "default", "chat", "STATUS")
    await stage.outbox.note_forgets(stage.site, {CUSTOMER + "d1"})
    (backlog,) = await stage.outbox.backlogs([stage.site])
    assert (backlog.entries, backlog.forgets) == (1, 1)
    assert backlog.oldest_ms is not None
    assert before <= backlog.oldest_ms <= await stage.now_ms()
