"""A server takes its own writes in at once: also where their answers come later than the news of what followed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from matcher.errors import StoreUnavailable
from matcher.model import (
    Basis,
    Experience,
    Hold,
    Message,
    Outcome,
    Pool,
    PoolPolicy,
    Profile,
    QueuedOutcome,
    Requirements,
    Reservation,
    Wait,
)
from matcher.model.lifecycle import AgentStatus, ContactState, ReservationState
from matcher.model.requests import RouteRequest, TransferRequest
from matcher.replica import site_replica as replica_module
from matcher.replica.site_replica import READ_EVERY_SECONDS
from matcher.replica.snapshot import Snapshot, read_site
from matcher.routing import reserver
from matcher.routing.reserve_requests import ContactToReserve, new_reserve_request
from matcher.store.change_stream import HoldAdded
from matcher.store.keys import Keys
from matcher.store.redis.client import StoreClient
from matcher.store.reservations import Reserved, ReserveKind, ReserveRequest
from tests.state_machine.house import House
from tests.state_machine.pair import ROSES, Pair, blocked, go_on
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder

FAR_AHEAD_MS = 4 * 10**12


def reserve_request(held: Reservation, kind: ReserveKind = ReserveKind.NEW) -> ReserveRequest:
    """Return a request that a reservation answers."""
    pool = Pool(held.pool, PoolPolicy(), 1, 0, 0)
    contact = ContactToReserve("", held.contact, pool, held.channel, "", auto_accept=False)
    return new_reserve_request(contact, kind=kind)


async def test_a_hold_that_is_free_again_before_its_answer_came_is_not_taken_in(pair: Pair) -> None:
    """The slot is not thought to be taken until a deadline hours away."""
    await pair.create("ann")
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        # What follows is one batch: the index is told of the slot before cy's profile is read.
        held = (await pair.route(pair.other)).reservation
        held_event = (await Stored.read(pair.connection, pair.site)).ends[1]
        await pair.other.reservations.cancel(pair.site, held.id, 0)
        await pair.create("cy")
        await go_on(pair)
        replica.apply_reserved(reserve_request(held), Reserved(held, f"0-{held_event}"))
    assert await pair.agrees()


async def test_a_slot_that_a_server_freed_is_free_there_at_once_whatever_news_comes_late(pair: Pair) -> None:
    """News of the hold, read before that of its end, does not take the slot again; then it is as for everybody."""
    await pair.create("ann")
    await pair.catch_up()
    replica, desk = await pair.slow.sites.replica(pair.site), pair.slow.reservations

    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        held = (await pair.route(pair.slow)).reservation
        assert replica.index.holds("ann", held.id)
        await desk.accept(pair.site, held.id, 0)
        await desk.complete(pair.site, held.id, 0, Experience())
        assert not replica.index.holds("ann", held.id)
        late = HoldAdded("ann", Hold(held.id, held.channel, held.cost, held.deadline_ms), held.created_ms)
        await replica._apply([late])
        assert not replica.index.holds("ann", held.id)
    assert await pair.agrees()
    assert not replica._ended
    await replica._apply([late])
    assert replica.index.holds("ann", held.id)


async def test_an_agent_is_held_again_as_soon_as_a_talk_is_over_though_the_streams_are_read_seldom(pair: Pair) -> None:
    """A hundred talks with the one agent, one after another; both servers read the streams a hundred times a second."""
    await pair.create("ann", room=1)
    await pair.catch_up()
    begun, before = time.monotonic(), await reads(pair.connection)
    for _ in range(100):
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.reservations.accept(pair.site, held.id, 0)
        await pair.slow.reservations.complete(pair.site, held.id, 0, Experience())
    moments = (time.monotonic() - begun) / READ_EVERY_SECONDS
    assert await reads(pair.connection) - before <= 2 * (moments + 2)
    assert await pair.agrees()


async def test_a_contact_that_is_canceled_leaves_its_agent_free_at_once(pair: Pair) -> None:
    """Twenty offers to the one agent, each taken back by canceling the contact, and the next routed at once."""
    await pair.create("ann", room=1)
    await pair.catch_up()
    for _ in range(20):
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.contacts.cancel(pair.site, held.contact)
        assert not (await pair.slow.sites.replica(pair.site)).index.holds("ann", held.id)
    assert await pair.agrees()


async def test_who_is_free_since_a_moment_at_another_server_is_found(pair: Pair) -> None:
    """Though the streams are read a hundred times a second only: nobody hears that no agent is free who is."""
    await pair.create("ann", room=1)
    await pair.catch_up()
    for _ in range(20):
        held = (await pair.route(pair.slow)).reservation
        await pair.other.reservations.cancel(pair.site, held.id, 0)
    assert await pair.agrees()


async def test_who_came_online_a_moment_ago_at_another_server_is_found(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform sets the agent's status at one server and routes at the other at once."""
    monkeypatch.setattr(reserver, "ROSTER_SECONDS", 10.0)  # however busy this machine is
    await pair.create("ann", AgentStatus.OFFLINE, room=1)
    await pair.catch_up()
    for _ in range(20):
        await pair.other.roster.set_status(pair.site, "ann", AgentStatus.ONLINE)
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.reservations.cancel(pair.site, held.id, 0)
        await pair.other.roster.set_status(pair.site, "ann", AgentStatus.OFFLINE)
        await pair.catch_up()
    assert await pair.agrees()


async def test_a_transfer_that_waits_is_not_taken_for_held_where_it_is_repeated_before_the_news(pair: Pair) -> None:
    """Asked again at a server that has not heard of it: it waits, and is not with the agent who hands it on."""
    await pair.create("ann")
    await pair.catch_up()
    held = (await pair.route(pair.other)).reservation
    await pair.other.reservations.accept(pair.site, held.id, 0)
    await pair.catch_up()

    async def hand_on(house: House) -> Outcome:
        return await house.router.transfer(
            pair.site, TransferRequest(held.contact, pool_id="", agent="", message=None, request_id="once", wait=Wait())
        )

    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        first, again = await hand_on(pair.other), await hand_on(pair.slow)
        assert isinstance(first, QueuedOutcome)
        assert isinstance(again, QueuedOutcome)
        assert again.replayed
    assert await pair.agrees()


async def test_a_transfer_that_waits_and_is_offered_leaves_the_old_slot_free_at_once(pair: Pair) -> None:
    """Whoever offers it knows so before the news of it is read."""
    await pair.create("ann")
    await pair.catch_up()
    held = (await pair.route(pair.other)).reservation
    await pair.other.reservations.accept(pair.site, held.id, 0)
    waits = await pair.other.router.transfer(
        pair.site, TransferRequest(held.contact, pool_id="", agent="", message=None, wait=Wait())
    )
    assert isinstance(waits, QueuedOutcome)
    await pair.create("bob")
    await pair.catch_up()
    replica, dispatcher = await pair.slow.sites.replica(pair.site), await pair.slow.dispatcher(pair.site)
    async with pair.held_up():
        await pair.create("cy", AgentStatus.OFFLINE)
        await blocked(pair)
        await dispatcher.serve()
        new = (await pair.other.contacts.contact(pair.site, held.contact)).reservation
        assert replica.index.holds("bob", new)
        assert not replica.index.holds("ann", held.id)
    assert await pair.agrees()


async def test_a_site_whose_reading_was_cut_short_is_read_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store goes away amid it and comes back: the server does not go on with an index that knows nobody."""
    await pair.create("ann")
    await pair.slow.sites.drop(pair.site)
    cut_short: list[bool] = []

    async def reading(*asked: Any) -> Snapshot:
        if not cut_short:
            cut_short.append(True)
            raise StoreUnavailable("here", "cut short")
        return await read_site(*asked)

    monkeypatch.setattr(replica_module, "read_site", reading)
    assert (await pair.route(pair.slow)).reservation.agent == "ann"
    assert cut_short
    assert await pair.agrees()


async def reads(connection: StoreClient) -> int:
    """Count how often the store was asked for the streams."""
    return int((await connection.run("INFO", "commandstats"))["cmdstat_xread"]["calls"])


async def test_only_an_earlier_deadline_wakes_whoever_waits_for_the_next(pair: Pair) -> None:
    """Every route makes a hold; most lapse after those that are known, and the sweeper sleeps on."""
    await pair.create("ann")
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    woken = []
    for number, seconds in enumerate((20, 30, 10)):
        replica.deadline_moved.clear()
        held = Reservation(
            id=f"r{number}",
            agent="ann",
            contact=f"c{number}",
            decision="",
            pool="default",
            channel="chat",
            cost=1,
            state=ReservationState.PENDING,
            fence=number,
            basis=Basis.AFFINITY,
            created_ms=0,
            deadline_ms=FAR_AHEAD_MS + 1000 * seconds,
        )
        replica.apply_reserved(reserve_request(held), Reserved(held, f"0-{10**9 + number}"))
        woken.append(replica.deadline_moved.is_set())
    assert woken == [True, False, True]


async def line_up(pair: Pair, contact: str, text: str, pool: str = "default") -> None:
    """Let a contact wait, through the other server."""
    waits = await pair.other.router.route(
        pair.site,
        RouteRequest(Message(text, "", Requirements(pool=pool)), contact_id=contact, wait=Wait()),
    )
    assert isinstance(waits, QueuedOutcome)


async def test_a_contact_that_waits_again_before_the_answer_to_its_offer_came_stays_in_line(pair: Pair) -> None:
    """It was declined at once: whoever offered it does not take it out of the queue for good."""
    desk = pair.other.reservations
    await line_up(pair, "c", "roses")
    await pair.create("ann")
    await pair.catch_up()
    dispatcher = await pair.other.dispatcher(pair.site)
    await dispatcher.serve()
    held = await desk.reservation(pair.site, (await pair.other.contacts.contact(pair.site, "c")).reservation)
    offered = (await Stored.read(pair.connection, pair.site)).ends[1] - 1
    await desk.decline(pair.site, held.id, 0, "", None)
    await pair.catch_up()
    replica = await pair.other.sites.replica(pair.site)
    replica.apply_reserved(reserve_request(held, ReserveKind.QUEUE), Reserved(held, f"0-{offered}"))
    assert "c" in replica.queue


async def test_an_offer_that_comes_to_nothing_lets_nobody_later_pass(pair: Pair) -> None:
    """The older one is offered an agent who is gone by now: the younger one is not given the other agent meanwhile."""
    house, site = pair.other, pair.site
    await house.roster.update_pool(site, "default", {"wait_weight": 1.0}, "")
    await house.roster.create_pool(site, "urgent", PoolPolicy(head_start_ms=60_000, wait_weight=1.0))
    for contact, pool, text in (("younger", "default", "jazz"), ("older", "urgent", "roses")):
        await line_up(pair, contact, text, pool)
    for agent, interest in (("ann", "roses"), ("bob", "jazz")):
        profile = Profile("", (interest,), pools=("default", "urgent"))
        await house.roster.create_agent(site, agent, profile, AgentStatus.ONLINE)
    await pair.catch_up()
    # No event tells of it, as if it were still to come.
    await pair.connection.run("HSET", Keys(site).agent("ann"), "status", "OFFLINE")
    await (await house.dispatcher(site)).serve()
    older, younger = [await house.contacts.contact(site, contact) for contact in ("older", "younger")]
    assert (older.state, younger.state) == (ContactState.RESERVED, ContactState.QUEUED)
    assert (await house.reservations.reservation(site, older.reservation)).agent == "bob"


async def test_a_new_agent_s_holds_are_known_where_the_answer_to_the_creation_comes_late(pair: Pair) -> None:
    """Another server held the new agent before the one that created them had its answer."""
    replica = await pair.slow.sites.replica(pair.site)
    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        created = await pair.create("ann")
        await pair.route(pair.other)
        await go_on(pair)
        replica.put(created, await WordEncoder().encode(created.profile.interests))
    assert await pair.agrees()


async def test_an_agent_made_anew_stays_where_the_answer_to_the_removal_comes_late(pair: Pair) -> None:
    """Another server created the agent again before the one that removed them had its answer."""
    old = await pair.other.roster.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    await pair.other.roster.delete_agent(pair.site, "ann", "", force=False)
    await pair.create("ann")
    await pair.catch_up()
    (await pair.slow.sites.replica(pair.site)).remove("ann", old.version)
    assert await pair.agrees()


async def test_an_agent_who_was_removed_does_not_come_back_with_a_late_answer(pair: Pair) -> None:
    """Another server removed the agent before the one that created them had its answer."""
    old = await pair.other.roster.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    await pair.other.roster.delete_agent(pair.site, "ann", "", force=False)
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    replica.put(old, await WordEncoder().encode(old.profile.interests))
    assert await pair.agrees()
    new = await pair.slow.roster.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    assert new.version > old.version
    assert await pair.agrees()


async def test_a_forced_removal_ends_what_the_agent_holds_also_a_wrap_up(pair: Pair) -> None:
    """An offer and a conversation are canceled; a wrap-up, which has nothing to cancel, is over."""
    roster, desk = pair.other.roster, pair.other.reservations
    await roster.update_pool(pair.site, "default", {"wrap_up_ms": 600_000}, "")
    await roster.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    held = [(await pair.route(pair.other)).reservation for _ in range(3)]
    await desk.accept(pair.site, held[1].id, 0)
    await desk.accept(pair.site, held[2].id, 0)
    await desk.complete(pair.site, held[2].id, 0, Experience())
    await roster.delete_agent(pair.site, "ann", "", force=True)
    assert [(await desk.reservation(pair.site, one.id)).state for one in held] == [
        ReservationState.CANCELED,
        ReservationState.CANCELED,
        ReservationState.COMPLETED,
    ]
    assert await pair.agrees()
