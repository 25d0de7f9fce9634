"""Several requests in one reserve, and several candidates in one request: their order, and where the reserve stops."""

from __future__ import annotations

from matcher.store.reservations import Full, Reserved
from tests.store.stage import Stage


async def test_requests_in_order_are_reserved_up_to_the_first_without_free_capacity(lawful: Stage) -> None:
    """Ann is full after the first. The second gets Full, and the third is not tried, although bob could take it."""
    stage = lawful
    for contact in ("c", "d", "e"):
        await stage.line_up(contact)
    await stage.put("ann")
    await stage.put("bob")
    asked = [stage.serve(contact, agent) for contact, agent in (("c", "ann"), ("d", "ann"), ("e", "bob"))]
    answers = await stage.routing.reserve_in_order([(one.claim, one.offer) for one in asked])
    assert [type(answer) for answer in answers] == [Reserved, Full]
    assert await stage.in_line() == ["d", "e"]


async def test_a_candidate_beyond_the_tolerance_is_reserved_only_if_the_nearer_are_full(lawful: Stage) -> None:
    """Within the tolerance the order of the candidates does not count; beyond it only free capacity does."""
    stage = lawful
    await stage.put("near")
    await stage.put("far")
    order = [("near", 0.9), ("far", 0.2)]
    assert (await stage.hold(*order)).agent == "near"
    assert (await stage.hold(*order)).agent == "far"
