"""Forgetting: no byte that stands for a person is left, in keys, snapshots, append-only files or logs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc
import pytest
from redis.asyncio import Redis

from matcher.client import MatcherCallError, MatcherClient
from matcher.store.embedded.files import StoreFiles
from matcher.v1 import customers_pb2 as pb
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as routing
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server
from tests.system.test_privacy import flat

PEOPLE: Final = 1_000
AT_ONCE: Final = 250
HASHED: Final = 40
"""What is looked for of a ciphertext: its first bytes, which are random."""
READS: Final[dict[bytes, tuple[Any, ...]]] = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1),
    b"stream": ("XRANGE", "-", "+"),
}


def store_of(server: Server) -> Redis:
    """Return a plain client of a server's embedded store."""
    socket, _ = StoreFiles(server.data_dir).address()
    return Redis(unix_socket_path=str(socket))


async def keys_of(redis: Redis) -> dict[bytes, list[bytes]]:
    """Return every key of a store with the byte strings in its value."""
    names = [key async for key in redis.scan_iter(count=10_000)]
    held: dict[bytes, list[bytes]] = {}
    for start in range(0, len(names), 500):
        part = names[start : start + 500]
        async with redis.pipeline(transaction=False) as pipe:
            for name in part:
                pipe.type(name)
            kinds = await pipe.execute()
            for name, kind in zip(part, kinds, strict=True):
                if kind != b"none":
                    command, *rest = READS[kind]
                    pipe.execute_command(command, name, *rest)
            there = [name for name, kind in zip(part, kinds, strict=True) if kind != b"none"]
            held |= {name: flat(value) for name, value in zip(there, await pipe.execute(), strict=True)}
    return held


async def every_byte(server: Server) -> bytes:
    """Return all keys with their values, a snapshot made now, the append-only files and the logs, one after another."""
    async with store_of(server) as redis:
        held = await keys_of(redis)
        # Otherwise a snapshot compresses longer values, and hides what is looked for.
        await redis.config_set("rdbcompression", "no")
        await redis.save()
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    logs = server.data_dir.parent.glob("*.log")
    in_keys = [part for key, parts in held.items() for part in (key, *parts)]
    return b"\0".join([*in_keys, *(path.read_bytes() for path in (*files, *logs))])


def canary(number: int, tag: str) -> pb.Customer:
    """Return a customer whose every word is like no other's."""
    customer = pb.Customer(
        handles=[f"{tag}mail{number}@example.org", f"{tag}phone{number}"],
        interests=[pb.CustomerInterest(text=f"I sail the boat {tag}boat{number}.", source=f"{tag}source{number}")],
    )
    customer.consent.basis = f"{tag}basis{number}"
    customer.consent.time.FromSeconds(int(time.time()) - 60)
    customer.consent.expire_time.FromSeconds(int(time.time()) + 3_600)
    return customer


async def serve(client: MatcherClient, tag: str, numbers: Iterable[int]) -> list[routing.Reservation]:
    """Let customers talk with an agent, and end their conversations well."""
    requests = [
        routing.RouteMessageRequest(
            parent=client.parent,
            contact_id=f"{tag}contact{number}",
            request_id=f"{tag}request{number}",
            auto_accept=True,
            wait=True,
            message=routing.Message(text=f"{tag}text{number}", customer=f"{tag}phone{number}"),
        )
        for number in numbers
    ]
    results = await client.route_many(requests, deadline=120)
    reservations = [one.response.reservation for one in results]
    await asyncio.gather(*(client.complete(one.name, resolved=True) for one in reservations))
    return reservations


def ids_of(customers: Iterable[pb.Customer], reservations: Iterable[routing.Reservation]) -> Iterator[bytes]:
    """Yield the ids that the service has made for customers."""
    for customer in customers:
        yield customer.name.rpartition("/")[2].encode()
    for one in reservations:
        yield one.name.rpartition("/")[2].encode()
        yield one.decision.rpartition("/")[2].encode()


def sealed_in(held: dict[bytes, list[bytes]], ids: set[bytes]) -> set[bytes]:
    """Return the ciphertexts and digests in records of customers, in their requests, and the digests that name keys."""
    found = set[bytes]()
    for key, parts in held.items():
        kind, _, name = key.partition(b"}:")[2].partition(b":")
        if kind == b"handle" and ids.intersection(parts):
            found.add(name)
        elif kind in {b"customer", b"profile"} and name in ids:
            found |= {part.removeprefix(b"h:")[:HASHED] for part in parts if len(part) >= HASHED - 8}
        elif kind == b"once" and any(one in part for part in parts for one in part.split(b"|")[1:] if one in ids):
            found |= {part.partition(b"|")[0] for part in parts}
        elif kind == b"decision" and name in ids:
            found |= {parts[at + 1] for at in range(0, len(parts), 2) if parts[at] == b"customer"}
    return found


def left_in(everything: bytes, secrets: Iterable[bytes]) -> list[bytes]:
    """Return which of some byte strings are in another one."""
    return [secret for secret in secrets if secret in everything]


async def rewritten(server: Server) -> None:
    """Wait until no traces wait for a rewrite."""

    async def done() -> bool:
        async with store_of(server) as redis:
            return not await redis.exists("m:forgotten")

    await wait_until(done, "the append-only file is rewritten")


async def staffed(server: Server) -> None:
    """Hire an agent for everybody, in a pool that remembers its customers."""
    async with server.client() as client:
        await hire(client, {"bea": person("I sail.", most=10_000)})
        pool = roster.Pool(name=client.name("pools", "default"))
        pool.relationship_duration.FromSeconds(3_600)
        await client.update_pool(pool)


async def test_a_thousand_people_are_forgotten_to_the_last_byte(launch: StartServer) -> None:
    """First every ciphertext, digest and id that stands for a person is noted; after the rewrite none is found."""
    server = await launch({"MATCHER_FORGET_REWRITE_SECONDS": "1"})
    tag = f"canary{uuid.uuid4().hex[:8]}x"
    await staffed(server)
    async with server.client() as client:
        customers: list[pb.Customer] = []
        reservations: list[routing.Reservation] = []
        for start in range(0, PEOPLE, AT_ONCE):
            numbers = range(start, start + AT_ONCE)
            puts = [client.put_customer(canary(number, tag), request_id=f"{tag}put{number}") for number in numbers]
            customers += await asyncio.gather(*puts)
            reservations += await serve(client, tag, numbers)
        stranger = await client.put_customer(pb.Customer(handles=["somebody@example.org"]))
        async with store_of(server) as redis:
            held = await keys_of(redis)
        ids = set(ids_of(customers, reservations))
        interests = [one.id.encode() for customer in customers for one in customer.interests]
        secrets = [tag.encode(), *ids, *sealed_in(held, ids)]
        assert len(ids) == 3 * PEOPLE
        assert len(secrets) > 10 * PEOPLE, "each has three sealed values and three digests, and the requests' digests"
        before = await every_byte(server)
        assert len(left_in(before, secrets[::50])) == len(secrets[::50])
        for start in range(0, PEOPLE, AT_ONCE):
            await asyncio.gather(*(client.forget_customer(one.name) for one in customers[start : start + AT_ONCE]))
        assert [one.name async for one in client.customers()] == [stranger.name]
        await rewritten(server)
        # The ids of interests are sealed with them, and were not to be found before either.
        assert left_in(await every_byte(server), [*secrets, *interests]) == []
        with pytest.raises(MatcherCallError) as gone:
            await client.customer(customers[0].name)
        assert gone.value.reason == "CUSTOMER_NOT_FOUND"
        again = await client.route(f"{tag}text0", customer=f"{tag}phone0", auto_accept=True)
        assert again.reservation.basis != routing.RELATIONSHIP


async def test_a_customer_in_contact_is_forgotten_by_force_only(service: Server) -> None:
    """Refused while the customer waits or is served; with `force` the conversation goes on without a customer."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I sail.")})
        customer = await client.put_customer(canary(1, "ann"))
        answer = await client.route("Hi.", customer="annphone1", contact_id="c-1", auto_accept=True)
        with pytest.raises(MatcherCallError) as refused:
            await client.forget_customer(customer.name)
        assert (refused.value.code, refused.value.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "CUSTOMER_IN_CONTACT",
        )
        assert await client.customer(customer.name) == await client.lookup_customer("annphone1")
        await client.forget_customer(customer.name, force=True)
        contact = await client.contact("c-1")
        assert (contact.state, contact.customer) == (routing.CONTACT_ASSIGNED, "")
        await client.complete(answer.reservation.name, resolved=True)
        with pytest.raises(MatcherCallError) as gone:
            await client.lookup_customer("annphone1")
        assert gone.value.reason == "CUSTOMER_NOT_FOUND"


async def test_a_customer_is_forgotten_during_the_wrap_up_and_the_capacity_is_free_again(service: Server) -> None:
    """The conversation has ended, so nobody is in contact; the agent's wrap-up ends with the record of it."""
    async with service.client(await service.site()) as client:
        await hire(client, {"bea": person("I sail.")})
        pool = roster.Pool(name=client.name("pools", "default"))
        pool.wrap_up_duration.FromSeconds(3_600)
        await client.update_pool(pool)
        customer = await client.put_customer(canary(2, "ann"))
        answer = await client.route("Hi.", customer="annphone2", auto_accept=True)
        await client.complete(answer.reservation.name)
        assert (await client.agent("bea")).load == 1
        await client.forget_customer(customer.name)
        assert (await client.agent("bea")).load == 0
        assert (await client.route("Hi.")).WhichOneof("outcome") == "reservation"


async def test_an_agent_is_forgotten_to_the_last_byte(launch: StartServer) -> None:
    """Her id, name, interests and uid; while she talks only by force, and the contacts go back."""
    server = await launch({"MATCHER_FORGET_REWRITE_SECONDS": "1"})
    tag = f"canary{uuid.uuid4().hex[:8]}x"
    await staffed(server)
    async with server.client() as client:
        await hire(client, {f"{tag}ann": person(f"I sail the {tag}boat.", most=9, display_name=f"{tag}name")})
        uid = (await client.agent(f"{tag}ann")).uid
        await client.update_agent(roster.Agent(name="bea", manager=f"{tag}ann"))
        await client.update_pool(roster.Pool(name="default", control_share=0.5), ["control_share"])
        for number in range(3):
            answer = await client.route("I sail.", customer=f"c{number}", excluded_agents=["bea"], auto_accept=True)
            await client.complete(answer.reservation.name, resolved=True)
        both = await client.route("I sail.", auto_accept=True)
        await client.route("I sail.", contact_id="live", excluded_agents=["bea"], auto_accept=True)
        with pytest.raises(MatcherCallError) as refused:
            await client.forget_agent(f"{tag}ann")
        assert refused.value.reason == "AGENT_HAS_HOLDS"
        assert len(left_in(await every_byte(server), [tag.encode(), uid.encode()])) == 2
        await client.forget_agent(f"{tag}ann", force=True)
        await client.forget_agent(f"{tag}ann")  # a repetition finds nothing
        assert (await client.contact("live")).state == routing.CONTACT_RETURNED
        kept = await client.decision(both.decision)
        assert [one.agent for one in kept.candidates] == [client.name("agents", "bea")]
        assert (await client.agent("bea")).manager == "", "who is gone manages nobody"
        await rewritten(server)
        assert left_in(await every_byte(server), [tag.encode(), uid.encode()]) == []


async def test_a_rewrite_that_a_crash_prevented_is_made_at_the_next_start(launch: StartServer) -> None:
    """Rewrites are gathered, at most one in the pause; service and store are killed before, and the mark is kept."""
    settings = {"MATCHER_FORGET_REWRITE_SECONDS": "86400"}
    server = await launch(settings)
    async with server.client() as client:
        first, second = [await client.put_customer(canary(number, "jo")) for number in (1, 2)]
        await client.forget_customer(first.name)
        await rewritten(server)
        ids = [second.name.rpartition("/")[2].encode()]
        await client.forget_customer(second.name)
    assert left_in(await every_byte(server), ids) == ids, "the file still has what was removed"
    os.kill(int(StoreFiles(server.data_dir).address()[1]), signal.SIGKILL)
    await server.kill()
    server = await launch(settings)
    await rewritten(server)
    assert left_in(await every_byte(server), ids) == []
