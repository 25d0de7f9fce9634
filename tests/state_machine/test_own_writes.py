"""Tests of a server's own writes: it applies them at once, also when their answers arrive after later events."""

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
from tests.state_machine.pair import ROSES, Pair, blocked, go_on
from tests.state_machine.service_instance import ServiceInstance
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder

FAR_AHEAD_MS = 4 * 10**12


def reserve_request(held: Reservation, kind: ReserveKind = ReserveKind.NEW) -> ReserveRequest:
    """Return a request that a reservation answers."""
    pool = Pool(held.pool, PoolPolicy(), 1, 0, 0)
    contact = ContactToReserve("", held.contact, pool, held.channel, "", auto_accept=False)
    return new_reserve_request(contact, kind=kind)


async def test_a_hold_that_ended_before_its_answer_arrived_is_not_applied(pair: Pair) -> None:
    """Else the server would count the capacity as held until a deadline hours away."""
    await pair.create("ann")
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        # These events are one batch: the index gets the hold before the profile of cy is read.
        held = (await pair.route(pair.other)).reservation
        held_event = (await Stored.read(pair.connection, pair.site)).ends[1]
        await pair.other.reservations.cancel(pair.site, held.id, 0)
        await pair.create("cy")
        await go_on(pair)
        replica.apply_reserved(reserve_request(held), Reserved(held, f"0-{held_event}"))
    assert await pair.agrees()


async def test_a_hold_that_a_server_ended_is_free_there_at_once_also_when_its_event_comes_late(pair: Pair) -> None:
    """The event of the hold, read before that of its end, does not hold the agent again; later events do."""
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


async def test_an_agent_is_reserved_again_as_soon_as_a_conversation_ends_though_streams_are_read_seldom(
    pair: Pair,
) -> None:
    """A hundred conversations, one after another, with one agent; servers read the streams 100 times a second."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    begun, before = time.monotonic(), await reads(pair.connection)
    for _ in range(100):
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.reservations.accept(pair.site, held.id, 0)
        await pair.slow.reservations.complete(pair.site, held.id, 0, Experience())
    moments = (time.monotonic() - begun) / READ_EVERY_SECONDS
    assert await reads(pair.connection) - before <= 2 * (moments + 2)
    assert await pair.agrees()


async def test_canceling_a_contact_frees_its_agent_at_once(pair: Pair) -> None:
    """Twenty offers to the only agent, each ended by canceling the contact, and the next routed at once."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    for _ in range(20):
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.contacts.cancel(pair.site, held.contact)
        assert not (await pair.slow.sites.replica(pair.site)).index.holds("ann", held.id)
    assert await pair.agrees()


async def test_an_agent_freed_at_another_server_a_moment_ago_is_found(pair: Pair) -> None:
    """The streams are read only 100 times a second, but no caller gets "unmatched" while the agent is free."""
    await pair.create("ann", capacity=1)
    await pair.catch_up()
    for _ in range(20):
        held = (await pair.route(pair.slow)).reservation
        await pair.other.reservations.cancel(pair.site, held.id, 0)
    assert await pair.agrees()


async def test_an_agent_who_came_online_at_another_server_a_moment_ago_is_found(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform sets the agent's status at one server and routes at the other at once."""
    monkeypatch.setattr(reserver, "ROSTER_SECONDS", 10.0)  # also on a busy machine
    await pair.create("ann", AgentStatus.OFFLINE, capacity=1)
    await pair.catch_up()
    for _ in range(20):
        await pair.other.agents.set_status(pair.site, "ann", AgentStatus.ONLINE)
        held = (await pair.route(pair.slow)).reservation
        await pair.slow.reservations.cancel(pair.site, held.id, 0)
        await pair.other.agents.set_status(pair.site, "ann", AgentStatus.OFFLINE)
        await pair.catch_up()
    assert await pair.agrees()


async def test_a_waiting_transfer_is_queued_also_at_a_server_that_has_no_event_of_it(pair: Pair) -> None:
    """The request is repeated at a server without the event: the answer is the queue, not the agent who transfers."""
    await pair.create("ann")
    await pair.catch_up()
    held = (await pair.route(pair.other)).reservation
    await pair.other.reservations.accept(pair.site, held.id, 0)
    await pair.catch_up()

    async def transfer(instance: ServiceInstance) -> Outcome:
        return await instance.router.transfer(
            pair.site, TransferRequest(held.contact, pool_id="", agent="", message=None, request_id="once", wait=Wait())
        )

    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        first, again = await transfer(pair.other), await transfer(pair.slow)
        assert isinstance(first, QueuedOutcome)
        assert isinstance(again, QueuedOutcome)
        assert again.replayed
    assert await pair.agrees()


async def test_offering_a_waiting_transfer_ends_the_old_hold_at_once(pair: Pair) -> None:
    """The server that makes the offer knows it before it reads the event."""
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


async def test_a_site_is_read_again_when_the_reading_was_interrupted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails during the reading and returns: the server does not continue with an empty index."""
    await pair.create("ann")
    await pair.slow.sites.drop(await pair.slow.sites.replica(pair.site))
    interrupted: list[bool] = []

    async def reading(*args: Any) -> Snapshot:
        if not interrupted:
            interrupted.append(True)
            raise StoreUnavailable("here", "interrupted")
        return await read_site(*args)

    monkeypatch.setattr(replica_module, "read_site", reading)
    assert (await pair.route(pair.slow)).reservation.agent == "ann"
    assert interrupted
    assert await pair.agrees()


async def reads(connection: StoreClient) -> int:
    """Return how often the streams were read from the store."""
    return int((await connection.run("INFO", "commandstats"))["cmdstat_xread"]["calls"])


async def test_only_an_earlier_deadline_wakes_the_expiry_task(pair: Pair) -> None:
    """Every route makes a hold; most lapse after the known holds, and then the expiry task sleeps on."""
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


async def enqueue(pair: Pair, contact: str, text: str, pool: str = "default") -> None:
    """Queue a contact at `other`."""
    waits = await pair.other.router.route(
        pair.site,
        RouteRequest(Message(text, "", Requirements(pool=pool)), contact_id=contact, wait=Wait()),
    )
    assert isinstance(waits, QueuedOutcome)


async def test_a_contact_that_waits_again_before_the_answer_to_its_offer_arrived_stays_queued(pair: Pair) -> None:
    """The offer was declined at once: the late answer does not take the contact out of the queue."""
    desk = pair.other.reservations
    await enqueue(pair, "c", "roses")
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


async def test_a_failed_offer_lets_no_later_contact_overtake(pair: Pair) -> None:
    """The agent offered to the older contact has left: the younger contact is not given the other agent."""
    instance, site = pair.other, pair.site
    await instance.pools.update_pool(site, "default", {"wait_weight": 1.0}, "")
    await instance.pools.create_pool(site, "urgent", PoolPolicy(head_start_ms=60_000, wait_weight=1.0))
    for contact, pool, text in (("younger", "default", "jazz"), ("older", "urgent", "roses")):
        await enqueue(pair, contact, text, pool)
    for agent, interest in (("ann", "roses"), ("bob", "jazz")):
        profile = Profile("", (interest,), pools=("default", "urgent"))
        await instance.agents.create_agent(site, agent, profile, AgentStatus.ONLINE)
    await pair.catch_up()
    # There is no event of this change, as if it were still to come.
    await pair.connection.run("HSET", Keys(site).agent("ann"), "status", "OFFLINE")
    await (await instance.dispatcher(site)).serve()
    older, younger = [await instance.contacts.contact(site, contact) for contact in ("older", "younger")]
    assert (older.state, younger.state) == (ContactState.RESERVED, ContactState.QUEUED)
    assert (await instance.reservations.reservation(site, older.reservation)).agent == "bob"


async def test_a_new_agents_holds_are_known_when_the_answer_to_the_creation_comes_late(pair: Pair) -> None:
    """Another server reserves the new agent before the creating server has its answer."""
    replica = await pair.slow.sites.replica(pair.site)
    async with pair.held_up():
        await pair.create("bob", AgentStatus.OFFLINE)
        await blocked(pair)
        created = await pair.create("ann")
        await pair.route(pair.other)
        await go_on(pair)
        replica.apply_own_agent(created, await WordEncoder().encode(created.profile.interests))
    assert await pair.agrees()


async def test_an_agent_created_again_stays_when_the_answer_to_the_deletion_comes_late(pair: Pair) -> None:
    """Another server creates the agent again before the deleting server has its answer."""
    old = await pair.other.agents.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    await pair.other.agents.delete_agent(pair.site, "ann", "", force=False)
    await pair.create("ann")
    await pair.catch_up()
    (await pair.slow.sites.replica(pair.site)).apply_own_removal("ann", old.version)
    assert await pair.agrees()


async def test_a_deleted_agent_does_not_come_back_with_a_late_answer(pair: Pair) -> None:
    """Another server deletes the agent before the creating server has its answer."""
    old = await pair.other.agents.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    await pair.other.agents.delete_agent(pair.site, "ann", "", force=False)
    await pair.catch_up()
    replica = await pair.slow.sites.replica(pair.site)
    replica.apply_own_agent(old, await WordEncoder().encode(old.profile.interests))
    assert await pair.agrees()
    new = await pair.slow.agents.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    assert new.version > old.version
    assert await pair.agrees()


async def test_a_forced_deletion_ends_all_reservations_of_the_agent_also_a_wrap_up(pair: Pair) -> None:
    """An offer and a conversation are canceled; a wrap-up, in which nothing can be canceled, is completed."""
    agents, desk = pair.other.agents, pair.other.reservations
    await pair.other.pools.update_pool(pair.site, "default", {"wrap_up_ms": 600_000}, "")
    await agents.create_agent(pair.site, "ann", ROSES, AgentStatus.ONLINE)
    held = [(await pair.route(pair.other)).reservation for _ in range(3)]
    await desk.accept(pair.site, held[1].id, 0)
    await desk.accept(pair.site, held[2].id, 0)
    await desk.complete(pair.site, held[2].id, 0, Experience())
    await agents.delete_agent(pair.site, "ann", "", force=True)
    assert [(await desk.reservation(pair.site, reservation.id)).state for reservation in held] == [
        ReservationState.CANCELED,
        ReservationState.CANCELED,
        ReservationState.COMPLETED,
    ]
    assert await pair.agrees()


async def test_a_canceled_contact_has_no_place_in_the_queue(pair: Pair) -> None:
    """The server that answers has not read yet that the contact left the queue; the record says so."""
    key = Keys(pair.site).contact("c")
    record = {
        "state": "CANCELED",
        "cause": "CANCELED",
        "pool": "default",
        "channel": "chat",
        "created": 1,
        "sequence": 2,
    }
    await pair.connection.run("HSET", key, *(part for field in record.items() for part in field))
    await pair.connection.run("PEXPIRE", key, 60_000)
    replica = await pair.other.sites.replica(pair.site)
    replica.queue.enter("c", "default", 1)
    assert (await pair.other.contacts.contact(pair.site, "c")).queued is None
    replica.queue.leave("c")
