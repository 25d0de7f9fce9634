"""The audit beside two servers: what it repairs in the store, both servers know; and force removes an agent at last."""

from __future__ import annotations

import asyncio

import pytest

from matcher.errors import AgentHasHolds, AgentNotFound
from matcher.model import Message, QueuedOutcome, Requirements, Wait
from matcher.model.lifecycle import AgentStatus
from matcher.model.requests import RouteRequest
from matcher.services import auditor
from matcher.services.auditor import Auditor
from matcher.store.audit import AuditStore, RepairKind
from matcher.store.keys import Keys
from matcher.store.roster import RosterStore
from tests.people import wait_until
from tests.state_machine.pair import Pair
from tests.state_machine.service_instance import EVENTS_KEPT, ServiceInstance
from tests.state_machine.stored import Stored
from tests.state_machine.words import WordEncoder
from tests.store.access import store_now_ms
from tests.store.laws import broken_laws
from tests.store.stage import LONG_MS, Stage


async def leak(pair: Pair, agent: str, reservation: str) -> None:
    """Hold an agent for a reservation that is not there, and tell both servers of it."""
    keys, at = Keys(pair.site), await store_now_ms(pair.connection) + LONG_MS
    await pair.connection.run("ZADD", keys.holds(agent), at, f"{reservation}|chat|1")
    await pair.connection.run("XADD", keys.load, "0-*", "e", f"hold|{agent}|{reservation}|chat|1|{at}|{at - LONG_MS}")
    await pair.catch_up()


async def start_auditor(pair: Pair, server: ServiceInstance, kinds: list[RepairKind]) -> Auditor:
    """Start the auditor of a server."""
    replica = await server.sites.replica(pair.site)
    store, roster = AuditStore(pair.connection, EVENTS_KEPT), RosterStore(pair.connection, EVENTS_KEPT)
    return Auditor(replica, store, roster, kinds.append)


async def test_a_leaked_hold_is_freed_by_itself_and_its_agent_reserved_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers audit beside each other: one repair, both know it, and the agent gets the next message."""
    monkeypatch.setattr(auditor, "EVERY_SECONDS", 0.01)
    await pair.create("ann", capacity=1)
    await leak(pair, "ann", "gone")
    assert (await pair.slow.sites.replica(pair.site)).index.holds("ann", "gone")
    kinds: list[RepairKind] = []
    auditors = [await start_auditor(pair, server, kinds) for server in (pair.slow, pair.other)]

    async def freed() -> bool:
        return not (await Stored.read(pair.connection, pair.site)).leases

    await wait_until(freed, "the leaked hold is freed")
    for task in auditors:
        await task.close()
    assert kinds == [RepairKind.HOLD_UNBACKED]
    assert await pair.agrees()
    assert (await pair.route(pair.slow)).reservation.agent == "ann"


async def test_a_busy_site_is_audited_without_a_repair(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred conversations at two servers, audited all the while: nothing read halfway counts as damage."""
    monkeypatch.setattr(auditor, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(auditor, "SLICE_PAUSE_SECONDS", 0.0)
    for agent in ("ann", "bob", "cy"):
        await pair.create(agent, capacity=20)
    await pair.catch_up()
    kinds: list[RepairKind] = []
    task = await start_auditor(pair, pair.other, kinds)

    async def talk(server: ServiceInstance) -> None:
        for _ in range(10):
            held = (await pair.route(server)).reservation
            await server.reservations.accept(pair.site, held.id, 0)
            await server.reservations.cancel(pair.site, held.id, 0)

    await asyncio.gather(*(talk(server) for server in (pair.slow, pair.other) for _ in range(15)))
    await task.close()
    assert kinds == []
    assert await broken_laws(Stage(pair.connection, pair.site)) == []


@pytest.mark.parametrize("status", [AgentStatus.ONLINE, AgentStatus.OFFLINE])
async def test_force_removes_an_agent_whose_hold_no_reservation_backs(pair: Pair, status: AgentStatus) -> None:
    """Without force the hold counts; with force the agent is gone, and with the agent every hold."""
    await pair.create("ann", status)
    await leak(pair, "ann", "gone")
    with pytest.raises(AgentHasHolds):
        await pair.slow.agents.delete_agent(pair.site, "ann", "", force=False)
    await pair.slow.agents.delete_agent(pair.site, "ann", "", force=True)
    with pytest.raises(AgentNotFound):
        await pair.slow.agents.agent(pair.site, "ann")
    assert (await Stored.read(pair.connection, pair.site)).leases == {}
    assert await pair.agrees()


async def test_force_ends_what_an_agent_holds_beside_a_leaked_hold(pair: Pair) -> None:
    """A live conversation is canceled as ever; only the hold that nothing backs is freed by the audit."""
    await pair.create("ann", capacity=3)
    await pair.catch_up()
    held = (await pair.route(pair.slow)).reservation
    await leak(pair, "ann", "gone")
    await pair.slow.agents.delete_agent(pair.site, "ann", "", force=True)
    stored = await Stored.read(pair.connection, pair.site)
    assert (stored.reservation(held.id).state, stored.leases) == ("CANCELED", {})


async def test_what_the_audit_repairs_in_the_queue_reaches_the_servers(pair: Pair) -> None:
    """A server that read a damaged queue then has the contact that waits, and not one that never was."""
    keys, queue = (
        Keys(pair.site),
        RouteRequest(Message("roses", "", Requirements()), contact_id="c", wait=Wait(LONG_MS)),
    )
    assert isinstance(await pair.slow.router.route(pair.site, queue), QueuedOutcome)
    await pair.connection.run("ZREM", keys.queue, "c")
    await pair.connection.run("ZADD", keys.queue, 1, "never")
    await pair.connection.run("HSET", keys.waiting, "|never", "default")
    matching = (await pair.other.sites.replica(pair.site)).matching
    late = await ServiceInstance.open(pair.connection, WordEncoder(), matching.floors)
    replica = await late.sites.replica(pair.site)
    assert [place.contact for place in replica.queue] == ["never"]
    kinds: list[RepairKind] = []
    task = await start_auditor(pair, late, kinds)
    await task.audit()
    await late.catch_up(pair.site, (await Stored.read(pair.connection, pair.site)).ends)
    assert [place.contact for place in replica.queue] == ["c"]
    assert sorted(kinds) == [RepairKind.PLACE, RepairKind.PLACE_UNBACKED]
    await task.close()
    await late.close()
