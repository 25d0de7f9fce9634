"""A service that takes keys, as its owner and its callers meet it: the first key, a rotation, a revocation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from matcher.auth.grant_text import parse_grant
from matcher.client import MatcherCallError, MatcherClient
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import keys_pb2
from tests.cli.command import matcher
from tests.people import hire, person
from tests.processes import Server, Store, health, metric, start_server

WAIT_SECONDS = 30
"""Longer than any process needs to follow a change, also on a machine that is busy."""


@dataclass(frozen=True)
class Guarded:
    """A service that takes keys, and the store that it shares with others."""

    server: Server
    store: Store

    async def make(self, name: str, grant: str) -> str:
        """Make a key in the store; return its text."""
        async with self.keys() as keys:
            return (await keys.create(name, [parse_grant(grant)]))[1]

    @asynccontextmanager
    async def keys(self) -> AsyncIterator[AccessKeyService]:
        """Open the keys in the store."""
        connection = StoreClient(self.store.url)
        await connection.start()
        try:
            yield AccessKeyService(AccessKeyStore(connection))
        finally:
            await connection.close()

    def client(self, token: str | None) -> MatcherClient:
        """Return a client that presents a token."""
        return MatcherClient(self.server.target, token=token)

    async def until_open(self, token: str) -> None:
        """Wait until the service takes a token: every process follows within 2 s."""
        async with asyncio.timeout(WAIT_SECONDS), self.client(token) as client:
            while True:
                try:
                    await client.list_sites()
                except MatcherCallError as error:
                    if error.reason != "CREDENTIALS_WRONG":
                        raise
                    await asyncio.sleep(0.1)
                else:
                    return


@pytest.fixture(scope="module")
async def guarded(store: Store, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Give a service that takes keys, shared by the tests of this file."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    quotas = {"MATCHER_PRINCIPAL_OPEN_OFFERS": "2", "MATCHER_PRINCIPAL_WAITING": "1", "MATCHER_SITE_OPEN_OFFERS": "3"}
    server = await start_server(folder, {"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys", **quotas})
    try:
        yield Guarded(server, store)
        assert await server.stop() == 0
        assert server.faults() == []
    finally:
        await server.kill()


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that fails."""
    with pytest.raises(MatcherCallError) as refused:
        await call
    return refused.value.code, refused.value.reason


async def test_a_stranger_gets_nothing_but_the_health(guarded: Guarded) -> None:
    """Without a key, with a made-up one and with a token of another kind; the log names no secret."""
    made_up = "mk_0123456789abcdef_" + "s" * 43
    for token, reason in ((None, "MISSING"), (made_up, "WRONG"), ("eyJhbGciOiJub25lIn0.e30.", "WRONG")):
        async with guarded.client(token) as client:
            assert await refusal(client.list_sites()) == (grpc.StatusCode.UNAUTHENTICATED, f"CREDENTIALS_{reason}")
    assert await health(guarded.server.target)
    assert '"event": "caller_unknown"' in guarded.server.log()
    assert "s" * 43 not in guarded.server.log()


async def test_the_owner_makes_the_first_key_on_the_store_s_machine_and_others_with_it(guarded: Guarded) -> None:
    """The text is all of stdout; with the key the owner lists, makes and revokes by the service."""
    local = {"MATCHER_STORE_URL": guarded.store.url}
    first = await matcher("access", "create", "boss", "--grant", "owner", "--local", environment=local)
    assert (first.code, first.out[:3]) == (0, "mk_"), first.err
    owner = first.out.strip()
    await guarded.until_open(owner)
    target = ("--server", guarded.server.target)
    environment = {"MATCHER_TOKEN": owner}
    made = await matcher("access", "create", "crm", "--grant", "platform@default", *target, environment=environment)
    assert (made.code, made.out[:3]) == (0, "mk_"), made.err
    assert "platform@default" in made.err
    assert "there is no" not in made.err
    early = await matcher("access", "create", "early", "--grant", "platform@soon", *target, environment=environment)
    assert (early.code, "there is no sites/soon yet" in early.err) == (0, True), early.err
    async with guarded.client(owner) as client:
        with pytest.raises(MatcherCallError) as again:
            await client.create_key("crm", [keys_pb2.Grant(role=keys_pb2.ROLE_OWNER)])
    assert again.value.reason == "ACCESS_KEY_EXISTS"
    listed = await matcher("access", "list", *target, "--json", environment=environment)
    keys = {key["principal"]: key for key in listed.documents()}
    assert {"boss", "crm"} <= set(keys)
    assert made.out.strip().rpartition("_")[2] not in listed.out
    async with guarded.client(owner) as client:
        await client.revoke_key(principal="crm")
    async with guarded.client(made.out.strip()) as client:
        assert (await refusal(client.list_sites()))[1] == "CREDENTIALS_REVOKED"


async def test_a_key_may_come_from_a_file(guarded: Guarded, tmp_path: Path) -> None:
    """The command line reads it there; without an option it is nobody."""
    key, file = await guarded.make("filer", "owner"), tmp_path / "key"
    await guarded.until_open(key)
    file.write_text(f"{key}\n")
    listed = await matcher("sites", "list", "--server", guarded.server.target, "--token-file", str(file))
    assert (listed.code, "default" in listed.out) == (0, True), listed.err


async def test_both_keys_count_during_a_rotation_and_a_revocation_ends_open_streams(guarded: Guarded) -> None:
    """The stream of the revoked key ends with the reason; that of the new key goes on."""
    first = await guarded.make("desk", "observer")
    async with guarded.keys() as keys:
        second = (await keys.rotate("desk"))[1]
    await guarded.until_open(second)
    async with guarded.client(first) as old, guarded.client(second) as new:
        events_of_old, events_of_new = old.watch_events(), new.watch_events()
        reading = [asyncio.ensure_future(anext(events)) for events in (events_of_old, events_of_new)]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        async with guarded.keys() as keys:
            await keys.revoke(key_id=first.split("_")[1])
        async with asyncio.timeout(WAIT_SECONDS):
            while not reading[0].done() or (reading[0].exception() is None):
                if reading[0].done():
                    reading[0] = asyncio.ensure_future(anext(events_of_old))
                await asyncio.sleep(0.05)
        error = reading[0].exception()
        assert isinstance(error, MatcherCallError)
        assert error.reason == "CREDENTIALS_REVOKED", time.monotonic() - began
        await new.list_sites()
        reading[1].cancel()
        await asyncio.gather(reading[1], return_exceptions=True)
        await events_of_old.aclose()
        await events_of_new.aclose()


async def test_a_caller_who_hoards_offers_takes_the_agents_from_nobody(guarded: Guarded) -> None:
    """The own quota is used up, then the site's; each refusal names its quota, and GetUsage shows how much is used."""
    owner = await guarded.make("hoard-owner", "owner")
    keeper = await guarded.make("hoard-keeper", "admin@hoard")
    crm, shop = [await guarded.make(f"hoard-{name}", "platform@hoard") for name in ("crm", "shop")]
    for token in (owner, keeper, crm, shop):
        await guarded.until_open(token)
    async with guarded.client(owner) as client:
        await client.create_site("hoard")
    async with MatcherClient(guarded.server.target, site="hoard", token=keeper) as client:
        await hire(client, {"bea": person("I sail.", most=9)})
    async with (
        MatcherClient(guarded.server.target, site="hoard", token=crm) as hoarder,
        MatcherClient(guarded.server.target, site="hoard", token=shop) as honest,
    ):
        for number in range(2):
            await hoarder.route("I sail.", contact_id=f"h-{number}")
        with pytest.raises(MatcherCallError) as own:
            await hoarder.route("I sail.", wait=True)
        assert (own.value.reason, own.value.metadata) == ("QUOTA_EXCEEDED", {"quota": "own_open_offers", "limit": "2"})
        served = (await honest.route("I sail.")).reservation.name
        with pytest.raises(MatcherCallError) as full:
            await honest.route("I sail.")
        assert full.value.metadata == {"site": "sites/hoard", "quota": "open_offers", "limit": "3"}
        await honest.accept(served)
        await honest.route("I sail.", auto_accept=True)
        shown = {one.quota: (one.used, one.limit) for one in (await hoarder.usage()).quotas}
        assert (shown["open_offers"], shown["own_open_offers"]) == ((2, 3.0), (2, 2.0))
        assert (await honest.route("I sail.")).WhichOneof("outcome") == "reservation"
        with pytest.raises(MatcherCallError):
            await honest.delete_site("hoard")
    assert await metric(guarded.server, "matcher_quota_refusals_total", quota="own_open_offers") == 1
    denied = [json.loads(line) for line in guarded.server.log().splitlines() if '"call_denied"' in line]
    told = {(line["reason"], line["principal"], line["method"].rpartition("/")[2]) for line in denied}
    assert told >= {
        ("QUOTA_EXCEEDED", "key hoard-crm", "RouteMessage"),
        ("PERMISSION_DENIED", "key hoard-shop", "DeleteSite"),
    }
    assert all(line["request_id"] and line["level"] == "warning" for line in denied)


async def test_who_revokes_the_last_owner_s_key_is_told_the_way_back(guarded: Guarded) -> None:
    """The keys of all other owners are revoked first, without a word."""
    last = await guarded.make("last-owner", "owner")
    await guarded.until_open(last)
    async with guarded.keys() as keys:
        for key, _ in await keys.keys():
            if key.lives(int(time.time() * 1_000)) and key.principal != "last-owner":
                await keys.revoke(key_id=key.id)
    target, environment = ("--server", guarded.server.target), {"MATCHER_TOKEN": last}
    revoked = await matcher("access", "revoke", "last-owner", *target, environment=environment)
    assert (revoked.code, "--grant owner --local" in revoked.err) == (0, True), revoked.err
