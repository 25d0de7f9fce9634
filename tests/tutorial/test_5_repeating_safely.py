"""Lesson 5: every call may be repeated; ids and fences keep a repeat from doing anything twice."""

from __future__ import annotations

import pytest

from matcher.client import MatcherCallError, MatcherClient

BEES = "The smoker for my bees has a dent."


async def test_the_same_request_id_gives_the_same_reservation(client: MatcherClient) -> None:
    """A caller who lost the answer asks again with the same request_id and gets the answer of then."""
    first = await client.route(BEES, request_id="r-1")
    again = await client.route(BEES, request_id="r-1")
    assert again.reservation.name == first.reservation.name
    assert again.replayed
    assert (await client.agent("bea")).load == 1


async def test_a_request_id_belongs_to_one_request(client: MatcherClient) -> None:
    """Another message under the same request_id is refused, and names the reason."""
    await client.route(BEES, request_id="r-1")
    with pytest.raises(MatcherCallError) as refused:
        await client.route("Something else.", request_id="r-1")
    assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_a_contact_is_with_one_agent(client: MatcherClient) -> None:
    """A second route of a contact that is reserved already is refused and names the reservation."""
    held = (await client.route(BEES, contact_id="c-1")).reservation
    with pytest.raises(MatcherCallError) as refused:
        await client.route(BEES, contact_id="c-1")
    assert refused.value.reason == "CONTACT_HELD"
    assert refused.value.metadata["reservation"] == held.name


async def test_an_old_fence_is_refused(client: MatcherClient) -> None:
    """A caller who holds an old copy of a reservation cannot change it."""
    held = (await client.route(BEES)).reservation
    with pytest.raises(MatcherCallError) as refused:
        await client.accept(held.name, fence=held.fence - 1)
    assert refused.value.reason == "FENCE_STALE"
