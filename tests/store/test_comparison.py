"""What the store keeps for a comparison: a site's salt, a contact's arm, and what was seen of the candidates."""

from __future__ import annotations

import random
from typing import Final

from matcher.model import Arm, Comparison, Draw, Part, unpacked_seen
from matcher.model.choice import choose
from matcher.model.lifecycle import ContactState
from matcher.store.reservations import OtherArm, Reserved
from matcher.store.salt import SiteSalt
from tests.store.stage import Stage

CONTROL: Final = Draw(Arm.CONTROL, 0.1)
TOOK_PART: Final = Comparison(CONTROL, Part.TOOK_PART).packed


async def test_a_salt_is_made_once_and_goes_with_its_site(stage: Stage) -> None:
    """Every process reads the same; a new site of the same id has another."""
    first = await SiteSalt(stage.connection, stage.site).read()
    assert await SiteSalt(stage.connection, stage.site).read() == first
    assert len(first) == 32
    await stage.clear()
    await stage.set_up()
    assert await SiteSalt(stage.connection, stage.site).read() != first


async def test_a_contact_keeps_the_arm_it_began_with(stage: Stage) -> None:
    """Another arm of a later route is refused with the contact's own; nothing is held then."""
    await stage.put("ann")
    held = await stage.hold("ann", contact="c", draw=CONTROL, compared=TOOK_PART)
    await stage.routing.decline(stage.reference(held), held.fence, "", 0)
    assert (await stage.contact("c")).draw == CONTROL
    for other in (None, Draw(Arm.TREATMENT, 0.1), Draw(Arm.CONTROL, 0.2)):
        assert await stage.reserve(stage.claim("ann", contact="c", draw=other)) == OtherArm(CONTROL)
    assert await stage.held_by("ann") == []
    again = await stage.reserve(stage.claim("ann", contact="c", draw=CONTROL))
    assert isinstance(again, Reserved)


async def test_a_contact_without_an_arm_is_given_none_later(stage: Stage) -> None:
    """It began before its pool compared."""
    await stage.line_up("c")
    assert await stage.reserve(stage.claim(contact="c", draw=CONTROL)) == OtherArm(None)
    assert (await stage.contact("c")).draw is None


async def test_a_contact_that_waits_and_one_that_cannot_be_read_keep_their_arm(stage: Stage) -> None:
    """The dispatcher reads it with the contact, and a contact that is set aside has it when it is routed again."""
    await stage.line_up("c", draw=CONTROL)
    (waiting,) = await stage.contacts.kept(stage.site, ["c"])
    assert waiting is not None
    assert getattr(waiting, "draw", None) == CONTROL
    assert await stage.contacts.quarantine(stage.site, "c", waiting.seen)
    contact = await stage.contact("c")
    assert (contact.state, contact.draw) == (ContactState.QUARANTINED, CONTROL)


async def test_a_decision_says_what_it_says_for_the_comparison(stage: Stage) -> None:
    """So does the reservation's record; without an arm neither has the field."""
    await stage.put("ann", 2)
    with_arm = await stage.hold("ann", draw=CONTROL, compared=TOOK_PART)
    without = await stage.hold("ann")
    for held, said in ((with_arm, TOOK_PART.encode()), (without, None)):
        for key in (stage.keys.decision(held.decision), stage.keys.reservation(held.id)):
            assert await stage.raw("HGET", key, "compared") == said


async def test_the_choice_can_be_made_again_from_what_was_seen(stage: Stage) -> None:
    """For drawn loads, idle times, affinities and tolerances the pure rule gives the agent whom the store held."""
    draw = random.Random(22)
    agents = [f"a{number}" for number in range(6)]
    totals = dict(zip(agents, (1, 2, 4, 5, 8, 10), strict=True))
    for agent, total in totals.items():
        await stage.put(agent, total)
    full = 0
    for _ in range(60):
        for agent in agents:
            await stage.set_idle(agent, draw.choice((1_000, 2_000, 3_000)))
        listed = draw.sample(agents, draw.randint(1, 6))
        affinities = {agent: draw.choice((0.5, 0.55, 0.6, 0.9)) for agent in listed}
        tolerance = draw.choice((-1.0, 0.0, 0.05, 0.1))
        answer = await stage.reserve(stage.claim(*affinities.items(), tolerance=tolerance))
        if not isinstance(answer, Reserved):
            full += 1
            continue
        held = answer.reservation
        stored = await stage.raw("HGET", stage.keys.decision(held.decision), "seen")
        assert stored == answer.seen
        seen = unpacked_seen(stored.decode())
        assert {one.agent for one in seen} <= set(listed)
        assert choose(seen, affinities, tolerance) == held.agent
        if draw.random() < 0.5:
            await stage.routing.cancel(stage.reference(held), held.fence)
    assert full < 30
