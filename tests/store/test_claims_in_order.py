"""Several claims in one call, and several candidates in one claim: in which order they are tried, and how far."""

from __future__ import annotations

from matcher.store.reservations import Full, Reserved
from tests.store.stage import Stage


async def test_claims_in_order_are_held_up_to_the_first_for_whom_nobody_has_room(lawful: Stage) -> None:
    """Ann is full after the first: the second is told so, and the third, whom bob could take, is not tried."""
    stage = lawful
    for contact in ("c", "d", "e"):
        await stage.line_up(contact)
    await stage.put("ann")
    await stage.put("bob")
    asked = [stage.serve(contact, agent) for contact, agent in (("c", "ann"), ("d", "ann"), ("e", "bob"))]
    answers = await stage.routing.reserve_in_order([(one.claim, one.offer) for one in asked])
    assert [type(answer) for answer in answers] == [Reserved, Full]
    assert await stage.in_line() == ["d", "e"]


async def test_a_candidate_too_far_from_the_best_is_taken_only_where_the_nearer_are_full(lawful: Stage) -> None:
    """Within the tolerance the order of the candidates says nothing; beyond it only who has room does."""
    stage = lawful
    await stage.put("near")
    await stage.put("far")
    order = [("near", 0.9), ("far", 0.2)]
    assert (await stage.hold(*order)).agent == "near"
    assert (await stage.hold(*order)).agent == "far"
