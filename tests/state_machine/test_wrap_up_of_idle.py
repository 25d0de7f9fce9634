"""The wrap-up of an idle conversation, beside the chat that its agent got meanwhile: it counts, and makes no room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matcher.model import (
    Basis,
    Capacity,
    ChannelCapacity,
    Message,
    Outcome,
    PoolPolicy,
    Profile,
    QueuedOutcome,
    Requirements,
    Reservation,
    ReservedOutcome,
    Unmatched,
    Wait,
)
from matcher.model.lifecycle import AgentStatus, ReservationState
from matcher.model.requests import AssignRequest, RouteRequest, TransferRequest
from matcher.store.keys import Keys
from tests.state_machine.pair import Pair
from tests.state_machine.stored import Stored
from tests.store.stage import LONG_MS

ONE_CHAT = Profile("", ("roses",), capacity=Capacity(5, {"chat": ChannelCapacity(1, 1)}))
AT_NIGHT = replace(ONE_CHAT, pools=("night",))


async def route(pair: Pair, contact: str, *, wait: bool = False) -> Outcome:
    """Route a contact to the pool in which bob is alone."""
    message = Message("roses", "", Requirements())
    request = RouteRequest(message, contact_id=contact, wait=Wait(LONG_MS) if wait else None)
    return await pair.other.router.route(pair.site, request)


async def become_idle(pair: Pair, held: Reservation) -> None:
    """Let a conversation become idle."""
    await pair.connection.run("ZADD", Keys(pair.site).timers, "XX", 1, f"idle|{held.id}")
    await pair.other.sweep(pair.site)


async def of_contact(pair: Pair, contact: str) -> Reservation:
    """Read a contact's reservation."""
    stored = await Stored.read(pair.connection, pair.site)
    return stored.reservation(stored.contact(contact).reservation)


@pytest.mark.parametrize(("control_share", "basis"), [(0.0, Basis.AFFINITY), (1.0, Basis.CONTROL)])
async def test_an_idle_chat_that_is_handed_on_wraps_up_beside_the_agent_s_new_chat_and_leaves_no_room_for_a_third(
    pair: Pair, control_share: float, basis: Basis
) -> None:
    """Bob may have one chat. One pass of the queue gives him a second while his first is idle, then moves the first."""
    change = {"idle_ms": LONG_MS, "wrap_up_ms": LONG_MS, "control_share": control_share}
    await pair.other.pools.update_pool(pair.site, "default", change, "")
    await pair.other.pools.create_pool(pair.site, "night", PoolPolicy())
    await pair.other.agents.create_agent(pair.site, "bob", ONE_CHAT, AgentStatus.OFFLINE)
    await pair.catch_up()
    assert isinstance(await route(pair, "second", wait=True), QueuedOutcome)
    await pair.other.agents.set_status(pair.site, "bob", AgentStatus.ONLINE)
    await pair.catch_up()
    first = await pair.other.assigner.assign(pair.site, AssignRequest("first", "bob", accepted=True))
    assert isinstance(first, ReservedOutcome)
    await become_idle(pair, first.reservation)
    transfer = TransferRequest("first", pool_id="night", wait=Wait(LONG_MS))
    assert isinstance(await pair.other.router.transfer(pair.site, transfer), QueuedOutcome)
    await pair.other.agents.create_agent(pair.site, "ann", AT_NIGHT, AgentStatus.ONLINE)
    await pair.catch_up()

    before = await Stored.read(pair.connection, pair.site)
    await (await pair.other.dispatcher(pair.site)).serve()

    second, moved = await of_contact(pair, "second"), await of_contact(pair, "first")
    assert (second.agent, second.basis, moved.agent) == ("bob", basis, "ann")
    made = await before.held_since(pair.connection, pair.site)
    assert list(made) == [second.id, moved.id]
    assert {hold.reservation: hold.cost for hold in made[second.id]} == {first.reservation.id: 0, second.id: 1}
    after = await Stored.read(pair.connection, pair.site)
    assert {name: hold.cost for name, hold in after.leases["bob"].items()} == {first.reservation.id: 1, second.id: 1}
    assert after.reservation(first.reservation.id).state is ReservationState.WRAPPING

    await pair.catch_up()
    assert isinstance(await route(pair, "third"), Unmatched)
    await pair.other.reservations.end_wrap_up(pair.site, first.reservation.id, 0)
    await pair.catch_up()
    assert isinstance(await route(pair, "third"), Unmatched)
    await pair.other.reservations.cancel(pair.site, second.id, 0)
    await pair.catch_up()
    third = await route(pair, "third")
    assert isinstance(third, ReservedOutcome)
    assert (third.reservation.agent, third.reservation.basis) == ("bob", basis)
