"""Faults while people talk: records that cannot be read, a full store, a frozen store, a ledger without its table."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

from redis.asyncio import Redis

from matcher.v1 import customers_pb2 as customers
from matcher.v1 import feedback_pb2 as feedback
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as routing
from tests.people import wait_until
from tests.privacy.story import SITE, Center
from tests.processes import Server, Store

KINDS = ("agent", "contact", "customer", "decision", "outcome", "pool", "praise", "profile", "resv")


async def spoil(center: Center, redis: Redis, contact: str) -> None:
    """Write words into each field of one record of each kind, and read that record in every way; then mend it."""
    for kind in KINDS:
        name = f"m:{{shop}}:contact:{contact}" if kind == "contact" else ""
        async for key in redis.scan_iter(f"m:{{shop}}:{kind}:*", count=10_000):
            name = name or key.decode()
        record = await redis.hgetall(name)
        for field, value in record.items():
            for word in (center.canaries.new("spoilt record"), '{"a": ["' + center.canaries.new("spoilt record")):
                await redis.hset(name, field, word)
                await read(center, kind, name.rpartition(":")[2])
            await redis.hset(name, field, value)
    # Of another site, because the ids of these streams are the service's own.
    for stream in ("roster", "load", "outbox", "audit"):
        word = center.canaries.new("spoilt record")
        await redis.xadd(f"m:{{default}}:{stream}", {"kind": word, word: word})


async def read(center: Center, kind: str, name: str) -> None:
    """Ask for a record by each method that reads its kind."""
    owner = center.owner
    match kind:
        case "agent":
            await owner.try_to("GetAgent", roster.GetAgentRequest(name=f"{SITE}/agents/{name}"))
            await owner.try_to("ListAgents", roster.ListAgentsRequest(parent=SITE))
        case "pool":
            await owner.try_to("ListPools", roster.ListPoolsRequest(parent=SITE))
        case "contact":
            await owner.try_to("GetContact", routing.GetContactRequest(name=f"{SITE}/contacts/{name}"))
            await owner.try_to("ListContacts", routing.ListContactsRequest(parent=SITE))
        case "resv":
            held = f"{SITE}/reservations/{name}"
            await owner.try_to("GetReservation", routing.GetReservationRequest(name=held))
            await owner.try_to("DeclineReservation", routing.DeclineReservationRequest(name=held))
        case "decision":
            await owner.try_to("GetDecision", routing.GetDecisionRequest(name=f"{SITE}/decisions/{name}"))
        case "customer" | "profile":
            await owner.try_to("GetCustomer", customers.GetCustomerRequest(name=f"{SITE}/customers/{name}"))
            await owner.try_to("ListCustomers", customers.ListCustomersRequest(parent=SITE))
        case "outcome":
            await owner.try_to("GetOutcomes", feedback.GetOutcomesRequest(contact=f"{SITE}/contacts/{name}"))
        case "praise":
            await owner.try_to("ListPraise", feedback.ListPraiseRequest(parent=SITE, agent=f"{SITE}/agents/bea"))


def said(center: Center, at: int) -> routing.RouteMessageRequest:
    """Return a message that comes while something is broken."""
    new = center.canaries.new
    message = routing.Message(text=f"I {new('text')}.", customer=new("contact handle"))
    return routing.RouteMessageRequest(parent=SITE, contact_id=f"broken-{at}", message=message)


async def while_the_store_is_full(center: Center, redis: Redis) -> None:
    """Refuse every write for want of memory."""
    await redis.config_set("maxmemory", 1)
    try:
        for at in range(4):
            assert not await center.owner.try_to("RouteMessage", said(center, at))
    finally:
        await redis.config_set("maxmemory", 0)


async def while_the_store_is_frozen(center: Center, store: Store) -> None:
    """Let calls fail by a store that does not answer."""
    store.send(signal.SIGSTOP)
    try:
        calls = [center.owner.try_to("RouteMessage", said(center, 10 + at)) for at in range(4)]
        assert not any(await asyncio.gather(*calls))
    finally:
        store.send(signal.SIGCONT)


async def while_the_ledger_lacks_a_table(server: Server, ledger: Path, turn: Awaitable[None]) -> None:
    """Let steps and outcomes fail at the ledger until the log says so, and let them in afterwards."""

    async def said() -> bool:
        return "the ledger is away" in server.log()

    with sqlite3.connect(ledger) as database:
        database.execute("ALTER TABLE steps RENAME TO away")
    try:
        await turn
        await wait_until(said, "the ledger is away")
    finally:
        with sqlite3.connect(ledger) as database:
            database.execute("ALTER TABLE away RENAME TO steps")
