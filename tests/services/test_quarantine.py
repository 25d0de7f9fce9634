"""Damaged records beside good ones: each costs itself alone, is said aloud without a word of it, and can be ended."""

from __future__ import annotations

import json
from typing import Any

from matcher.store.keys import Keys
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, Store, metric

BEES = "The smoker for my bees has a dent."
CANARY = "xyzzy-plugh"


def lines(server: Server, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event."""
    return [line for text in server.log().splitlines() if (line := json.loads(text))["event"] == event]


async def test_contacts_that_cannot_be_read_stop_no_other_contact(launch: StartServer, store: Store) -> None:
    """Of six that wait three are damaged: the others are served in order; the three are listed, and can be ended."""
    first = await launch({"MATCHER_STORE_URL": store.url})
    site = await first.site()
    keys = Keys(site)
    async with first.client(site) as client:
        await hire(client, {"bea": person("I keep honey bees.", most=3, status=roster.OFFLINE)})
        for number in range(6):
            await client.route(BEES, contact_id=f"c-{number}", wait=True)
    await first.kill()  # the next leader of the queue reads the contacts again
    async with store.client() as redis:
        await redis.hset(keys.contact("c-0"), "created", CANARY)
        await redis.hset(keys.contact("c-2"), "sealed", CANARY)
        await redis.set(keys.contact("c-4"), CANARY)
    server = await launch({"MATCHER_STORE_URL": store.url})
    async with server.client(site) as client:
        await client.set_agent_status("bea", roster.ONLINE)

        async def served() -> bool:
            return (await client.contact("c-5")).state == pb.CONTACT_RESERVED

        await wait_until(served, "the last contact is offered")
        offers = {contact: await client.contact(contact) for contact in ("c-1", "c-3", "c-5")}
        fences = [(await client.reservation(offer.reservation)).fence for offer in offers.values()]
        assert fences == sorted(fences)
        aside = [contact async for contact in client.contacts(state=pb.CONTACT_QUARANTINED)]
        assert sorted(contact.name.rpartition("/")[2] for contact in aside) == ["c-0", "c-2", "c-4"]
        assert {contact.cause for contact in aside} == {pb.CAUSE_UNREADABLE}
        shown = await matcher("contacts", "quarantined", "--server", client.target, "--site", site)
        assert shown.out.count("QUARANTINED") == 3
        assert shown.out.endswith("3 contacts\n")
        said = lines(server, "a waiting contact cannot be read and is kept aside")
        assert sorted((line["contact"], line["reason"]) for line in said) == [
            ("c-0", "record"),
            ("c-2", "secret"),
            ("c-4", "record"),
        ]
        assert await metric(server, "matcher_contacts_quarantined_total") == 3
        assert CANARY not in server.log()
        assert (await client.cancel_contact("c-0")).state == pb.CONTACT_CANCELED
        assert (await client.route(BEES, contact_id="c-2", wait=True)).WhichOneof("outcome") == "queued"
        assert [contact.name async for contact in client.contacts(state=pb.CONTACT_QUARANTINED)] == [
            client.name("contacts", "c-4")
        ]
        await client.delete_site(site, force=True)


async def test_records_that_cannot_be_read_keep_no_site_from_being_read(launch: StartServer, store: Store) -> None:
    """One agent, one pool, a hold, vectors and a place in the queue are damaged: a new server serves the rest."""
    first = await launch({"MATCHER_STORE_URL": store.url})
    site = await first.site()
    keys = Keys(site)
    async with first.client(site) as client, store.client() as redis:
        await client.create_pool("night", roster.Pool())
        await hire(client, {name: person("I keep honey bees.", most=2) for name in ("amy", "bea", "cy", "dot")})
        model = await redis.get("m:model")
        assert isinstance(model, bytes)
        await redis.hset(keys.agent("amy"), "profile", CANARY)
        await redis.hset(keys.pool("night"), "policy", CANARY)
        await redis.zadd(keys.holds("bea"), {CANARY: 9_999_999_999_999})
        await redis.set(keys.vectors(model.decode(), "cy"), CANARY)
        await redis.delete(keys.agent("dot"))
        await redis.set(keys.agent("dot"), CANARY)
        await redis.zadd(keys.queue, {b"\xff": 1})
        await redis.hset(keys.waiting, b"|\xff", "default")
    second = await launch({"MATCHER_STORE_URL": store.url})
    async with second.client(site) as client:
        held = [(await client.route(BEES)).reservation.agent.rpartition("/")[2] for _ in range(4)]
        assert sorted(held) == ["bea", "bea", "cy", "cy"]
        listed = [agent.name.rpartition("/")[2] async for agent in client.agents()]
        assert listed == ["bea", "cy"]
        assert [pool.name.rpartition("/")[2] async for pool in client.pools()] == ["default"]
        said = {(line["kind"], line["id"]) for line in lines(second, "a record cannot be read; left out")}
        assert said == {("agent", "amy"), ("agent", "dot"), ("pool", "night")}
        assert CANARY not in second.log()
        async with store.client() as redis:
            await redis.hdel(keys.waiting, b"|\xff")
            await redis.zrem(keys.queue, b"\xff")
        await client.delete_site(site, force=True)
