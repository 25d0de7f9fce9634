"""Outcomes in the store: a report adds to the outbox once, and to the life of the contact that it is of."""

from __future__ import annotations

from matcher.model import Experience
from matcher.model.outcomes import Life, Outcome
from matcher.model.steps import OUTCOME, Step
from matcher.store.keys import Keys
from matcher.store.outbox import OutboxEntry, step_of
from matcher.store.outcomes import OutcomeStore, reported_outcomes
from tests.store.stage import KEEP_MS, LONG_MS, OUTBOX_KEPT, Stage


async def outcomes_of(stage: Stage) -> list[Step]:
    """Return the outcomes of the outbox, in their order."""
    entries = await stage.raw("XRANGE", Keys(stage.site).outbox, "-", "+")
    steps = [step_of(OutboxEntry(int(number.rpartition(b"-")[2]), said[b"e"])) for number, said in entries]
    return [step for step in steps if step is not None and step.kind == OUTCOME]


async def test_a_report_is_an_outcome_once_and_another_report_another(stage: Stage) -> None:
    """A repeated call adds nothing; a later value is added as it comes."""
    await stage.put("ann")
    held = await stage.hold("ann", accepted=True)
    ref = stage.reference(held)
    for rating in (2, 2, 5):
        await stage.routing.complete(ref, 0, LONG_MS, reported=reported_outcomes(Experience(True, rating)))
    told = [(step.known()["outcome"], step.known()["value"]) for step in await outcomes_of(stage)]
    assert told == [("resolved", "1.0"), ("csat", "2.0"), ("csat", "5.0")]
    assert {(step.contact, step.born_ms) for step in await outcomes_of(stage)} == {(held.contact, held.created_ms)}


async def test_a_report_of_a_former_life_of_the_contact_is_no_outcome_of_the_new_one(stage: Stage) -> None:
    """The id is used again after its record is gone, while the reservation can still be read."""
    await stage.put("ann")
    held = await stage.hold("ann", accepted=True)
    await stage.raw("HSET", Keys(stage.site).contact(held.contact), "created", held.created_ms + 1)
    await stage.routing.complete(stage.reference(held), 0, LONG_MS, reported=reported_outcomes(Experience(True)))
    assert await outcomes_of(stage) == []


async def test_the_same_value_adds_nothing_and_the_memory_of_it_ends(stage: Stage) -> None:
    """It is kept beside the contact for as long as ended contacts are."""
    store = OutcomeStore(stage.connection, kept_ms=KEEP_MS, outbox_kept=OUTBOX_KEPT)
    life = Life("c-1", 1_000)
    given = [(life, Outcome("survey", "csat", 4.0, 7), True), (life, Outcome("survey", "nps", 9.0, 0), False)]
    assert await store.record(stage.site, given) == [True, True]
    assert await store.record(stage.site, given) == [False, False]
    later = [(life, Outcome("survey", "csat", 4.0, 8), True), (life, Outcome("survey", "csat", 5.0, 8), True)]
    assert await store.record(stage.site, later) == [False, True]
    assert [step.known()["value"] for step in await outcomes_of(stage)] == ["4.0", "9.0", "5.0"]
    (recent,) = await store.recent(stage.site, [life])
    assert {(one.kind, one.value) for one in recent} == {("csat", 5.0), ("nps", 9.0)}
    assert await store.recent(stage.site, [Life("c-1", 2_000)]) == [()]
    assert 0 < await stage.raw("PTTL", Keys(stage.site).outcomes("c-1")) <= KEEP_MS
