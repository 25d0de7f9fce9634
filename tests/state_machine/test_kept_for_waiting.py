"""Capacity that is kept for contacts that wait: what a route and a transfer are told, and who gets it."""

from __future__ import annotations

from dataclasses import replace

from matcher.model import Constraint, Experience, Message, QueuedOutcome, Requirements, ReservedOutcome, Unmatched, Wait
from matcher.model.lifecycle import AgentStatus, ContactState
from matcher.model.requests import RouteRequest, TransferRequest
from tests.state_machine.pair import Pair
from tests.store.stage import LONG_MS

ROSES = Message("roses", "", Requirements())


async def route(pair: Pair, contact: str, *, wait: bool = False, only: str = "", accepted: bool = False) -> object:
    """Route a contact at a server."""
    message = replace(ROSES, requirements=Requirements(only=only))
    request = RouteRequest(message, contact_id=contact, wait=Wait(LONG_MS) if wait else None, auto_accept=accepted)
    return await pair.other.router.route(pair.site, request)


async def keep_ann(pair: Pair, waiting: str = "w") -> None:
    """Let a contact wait for ann, and free her only capacity: it is kept for the contact."""
    held = await route(pair, "busy", only="ann", accepted=True)
    assert isinstance(held, ReservedOutcome)
    assert isinstance(await route(pair, waiting, wait=True, only="ann"), QueuedOutcome)
    await pair.other.reservations.complete(pair.site, held.reservation.id, 0, Experience())
    await pair.catch_up()


async def talk(pair: Pair, contact: str, agent: str) -> None:
    """Let an agent talk with a contact."""
    held = await route(pair, contact, only=agent, accepted=True)
    assert isinstance(held, ReservedOutcome)
    assert held.reservation.agent == agent


async def test_a_route_that_finds_only_kept_capacity_is_told_so_with_the_counts(pair: Pair) -> None:
    """Neither EXCLUDED nor POOL with nobody counted: one agent is kept, one is offline."""
    await pair.create("ann", capacity=1)
    await pair.create("bob", AgentStatus.OFFLINE)
    await keep_ann(pair)
    answer = await route(pair, "new")
    assert isinstance(answer, Unmatched)
    assert answer.reason is Constraint.KEPT_FOR_WAITING
    assert answer.left_out.counts == {Constraint.STATUS: 1, Constraint.KEPT_FOR_WAITING: 1}


async def test_the_reason_is_the_store_s_where_the_replica_knows_better_times(pair: Pair) -> None:
    """A replica that has not heard of it takes ann for free; the store says that she is full, or away."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    async with pair.held_up():
        # The slow server encodes this one's profile until the block ends, and applies no event behind it.
        await pair.create("zoe", AgentStatus.OFFLINE)
        await pair.encoder.waiting.wait()
        await talk(pair, "c", "ann")
        assert not replica.index.holds("ann", "c")
        answer = await pair.slow.router.route(pair.site, RouteRequest(ROSES))
    assert isinstance(answer, Unmatched)
    assert answer.reason is Constraint.CAPACITY
    assert answer.left_out.counts == {Constraint.CAPACITY: 1}


async def test_a_transfer_by_name_to_a_kept_agent_is_told_so_and_with_wait_gets_its_turn(pair: Pair) -> None:
    """The contact that waits is older: it is served first, and the transferred contact after it."""
    await pair.create("ann", capacity=1)
    await pair.create("cy", capacity=1)
    await keep_ann(pair)
    await talk(pair, "c", "cy")
    refused = await pair.other.router.transfer(pair.site, TransferRequest("c", agent="ann"))
    assert isinstance(refused, Unmatched)
    assert refused.reason is Constraint.KEPT_FOR_WAITING
    assert refused.left_out.counts == {Constraint.KEPT_FOR_WAITING: 1}
    asked = await pair.other.router.transfer(pair.site, TransferRequest("c", agent="ann", wait=Wait(LONG_MS)))
    assert isinstance(asked, QueuedOutcome)
    dispatcher = await pair.other.dispatcher(pair.site)
    await pair.catch_up()
    await dispatcher.serve()
    first = await pair.other.contacts.contact(pair.site, "w")
    assert (first.state, (await pair.other.contacts.contact(pair.site, "c")).state) == (
        ContactState.RESERVED,
        ContactState.ASSIGNED,
    )
    await pair.other.reservations.cancel(pair.site, first.reservation, 0)
    await pair.catch_up()
    await dispatcher.serve()
    assert (await pair.other.contacts.contact(pair.site, "c")).state is ContactState.RESERVED


async def test_a_transfer_of_a_contact_older_than_all_that_wait_overtakes_none_and_is_done(pair: Pair) -> None:
    """It began before the contact for which ann is kept: she gets it at once."""
    await pair.create("ann", capacity=1)
    await pair.create("cy", capacity=1)
    await talk(pair, "old", "cy")
    await keep_ann(pair)
    done = await pair.other.router.transfer(pair.site, TransferRequest("old", agent="ann"))
    assert isinstance(done, ReservedOutcome)
    assert done.reservation.agent == "ann"
