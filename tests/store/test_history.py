"""The history of a contact: every step of a live contact, each with its pool of then."""

from __future__ import annotations

from matcher.model.lifecycle import ContactState
from matcher.store.reservations import ReserveKind
from tests.store.stage import LONG_MS, Stage


async def test_every_step_of_a_contact_that_goes_to_and_fro_is_kept(lawful: Stage) -> None:
    """Two hundred offers, each declined: four hundred and one steps, numbered without a gap."""
    stage = lawful
    await stage.put("ann", 1)
    await stage.line_up("c")
    for _ in range(200):
        held = await stage.served("c", "ann")
        await stage.routing.decline(stage.reference(held), 0, "", 0)
    steps = await stage.contacts.history(stage.site, "c")
    assert [step.sequence for step in steps] == list(range(1, 402))
    assert steps[0].state is ContactState.QUEUED


async def test_a_step_is_told_with_the_pool_of_then(lawful: Stage) -> None:
    """The contact begins in one pool, is to be handed on to another, and goes on there; as its events said live."""
    stage = lawful
    await stage.put("ann")
    await stage.put("zoe", pools=("default",))
    old = await stage.hold("ann", contact="c", accepted=True)
    await stage.line_up("c", pool="night", **stage.handing_on(old))
    new = await stage.served("c", "zoe", pool="night", **stage.handing_on(old, ReserveKind.MOVE))
    await stage.routing.accept(stage.reference(new), 0, LONG_MS)
    steps = await stage.contacts.history(stage.site, "c")
    assert [(step.cause.value, step.pool) for step in steps] == [
        ("ACCEPTED", "default"),
        ("TRANSFER_ASKED", "night"),
        ("TRANSFERRED", "night"),
        ("ACCEPTED", "night"),
    ]


async def test_steps_that_a_version_before_wrote_are_told_with_the_pool_of_now(lawful: Stage) -> None:
    """It kept no pool of a step; the steps that follow have theirs."""
    stage = lawful
    await stage.put("ann")
    await stage.line_up("c")
    await stage.raw("HDEL", stage.keys.contact("c"), "pools")
    assert [step.pool for step in await stage.contacts.history(stage.site, "c")] == ["default"]
    await stage.served("c", "ann")
    assert [step.pool for step in await stage.contacts.history(stage.site, "c")] == ["default", "default"]


async def test_a_history_beyond_all_measure_keeps_its_later_half(lawful: Stage) -> None:
    """The numbers go on, so that a reader knows what is missing."""
    stage = lawful
    await stage.put("ann")
    await stage.line_up("c")
    before = "".join(f"{number}|QUEUED|NOBODY_FREE|{'r' * 32}||1764505800000;" for number in range(1, 1_001))
    await stage.raw("HSET", stage.keys.contact("c"), "history", before, "sequence", 1_000)
    await stage.served("c", "ann")
    steps = await stage.contacts.history(stage.site, "c")
    assert steps[-1].sequence == 1_001
    assert [step.sequence for step in steps] == list(range(steps[0].sequence, 1_002))
    assert 300 < len(steps) < 1_000
    assert len((await stage.fields("c"))["history"]) <= 64_000
