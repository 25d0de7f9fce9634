"""Lesson 8: who calls, and what each may: a stranger, an expired key, a foreign key, an observer, and the platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from matcher.auth.grant_text import parse_grant
from matcher.client import MatcherCallError, MatcherClient
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import roster_pb2 as roster
from tests.people import hire, person
from tests.processes import Server, Store, start_server

GRANTS = {
    "boss": ("owner", "admin"),
    "platform": ("platform@shop",),
    "observer": ("observer@shop",),
    "foreign": ("platform@elsewhere",),
}


@dataclass(frozen=True)
class Door:
    """A service that takes keys, with the key of each caller."""

    server: Server
    keys: dict[str, str]

    def client(self, who: str) -> MatcherClient:
        """Return a client that presents a caller's key; "nobody" presents none."""
        return MatcherClient(self.server.target, site="shop", token=self.keys.get(who))


@pytest.fixture(scope="module")
async def door(store: Store, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """Give a service whose site `shop` has Bea, and whose owner has made keys."""
    connection = StoreClient(store.url)
    await connection.start()
    access = AccessKeyService(AccessKeyStore(connection))
    keys = {who: (await access.create(f"door-{who}", [*map(parse_grant, grants)]))[1] for who, grants in GRANTS.items()}
    keys["expired"] = (await access.create("door-expired", [parse_grant("platform@shop")], 1))[1]
    await connection.close()
    server = await start_server(
        tmp_path_factory.mktemp("door"), {"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"}
    )
    try:
        door = Door(server, keys)
        async with door.client("boss") as boss:
            await boss.create_site("shop")
            await hire(boss, {"bea": person("I keep honey bees behind the house.", display_name="Bea")})
        yield door
        async with door.client("boss") as boss:
            await boss.delete_site("shop", force=True)
        assert await server.stop() == 0
        assert server.faults() == []
    finally:
        await server.kill()


async def said(call: Awaitable[object]) -> str:
    """Return the reason of a call that fails, "OK" for one that does not."""
    try:
        await call
    except MatcherCallError as error:
        return error.reason
    return "OK"


ASKED: dict[str, Callable[[MatcherClient], Awaitable[object]]] = {
    "reads Bea's profile": lambda client: client.agent("bea"),
    "lists the contacts": lambda client: client.list_contacts(),
    "routes a message": lambda client: client.route("My bees swarm."),
    "changes Bea's status": lambda client: client.set_agent_status("bea", roster.AWAY),
    "looks a customer up": lambda client: client.lookup_customer("anna@example.com"),
    "deletes the site": lambda client: client.delete_site("shop"),
}

GETS = {
    "nobody": dict.fromkeys(ASKED, "CREDENTIALS_MISSING"),
    "expired": dict.fromkeys(ASKED, "CREDENTIALS_EXPIRED"),
    "foreign": dict.fromkeys(ASKED, "PERMISSION_DENIED"),
    "observer": {
        **dict.fromkeys(ASKED, "PERMISSION_DENIED"),
        "reads Bea's profile": "OK",
        "lists the contacts": "OK",
    },
    "platform": {
        **dict.fromkeys(ASKED, "OK"),
        "looks a customer up": "PERMISSION_DENIED",
        "deletes the site": "PERMISSION_DENIED",
    },
}


@pytest.mark.parametrize("who", GETS)
async def test_what_each_caller_gets(door: Door, who: str) -> None:
    """The answers of docs/security.md."""
    async with door.client(who) as client:
        assert {what: await said(ask(client)) for what, ask in ASKED.items()} == GETS[who]


async def test_a_refusal_names_the_role_that_is_needed_and_for_what(door: Door) -> None:
    """The sentence is enough to know which grant to ask the owner for."""
    async with door.client("observer") as client:
        with pytest.raises(MatcherCallError) as refused:
            await client.route("My bees swarm.")
    assert refused.value.message == "RouteMessage needs one of these roles: platform"
    async with door.client("foreign") as client:
        with pytest.raises(MatcherCallError) as refused:
            await client.route("My bees swarm.")
    assert refused.value.message == "RouteMessage needs one of these roles for sites/shop: platform"
    assert refused.value.metadata == {"roles": "platform", "name": "sites/shop"}


async def test_a_stream_of_a_caller_who_may_not_watch_does_not_begin(door: Door) -> None:
    """The platform of another site cannot listen."""
    async with door.client("foreign") as client:
        with pytest.raises(MatcherCallError) as refused:
            async with asyncio.timeout(30):
                await anext(client.watch_events())
    assert refused.value.reason == "PERMISSION_DENIED"
