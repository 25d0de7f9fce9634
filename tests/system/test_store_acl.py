"""The store's user of deploy/store.acl: the service runs whole as that user, and the user may do nothing more."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from redis.exceptions import ResponseError

from matcher.auth.principal import Grant, Role
from matcher.client import MatcherClient
from matcher.services.access_keys import AccessKeyService
from matcher.store.access_keys import AccessKeyStore
from matcher.store.redis.client import StoreClient
from matcher.v1 import customers_pb2, keys_pb2, roster_pb2
from tests.people import hire, person
from tests.processes import ROOT, Store, start_server
from tests.store.access import CALLED, SCRIPTED

FILE: Final = ROOT / "deploy" / "store.acl"
USER, PASSWORD = "matcher", "test"
ALLOWED: Final = frozenset({*CALLED, *SCRIPTED})
ALWAYS: Final = frozenset({"hello", "quit", "reset"})
"""What a store runs for everybody, also before a login."""
REEFS: Final = "I dive in coral reefs."


@dataclass(frozen=True)
class Walled:
    """A store whose users are those of the file, with a password, and with an administrator for the test."""

    store: Store

    @property
    def url(self) -> str:
        """Return the address with the service's user."""
        return self.store.url.replace("unix://", f"unix://{USER}:{PASSWORD}@")

    async def denied(self) -> list[Any]:
        """Return what the store has denied to anybody."""
        async with self.store.client() as admin:
            return list(await admin.acl_log())


@pytest.fixture(scope="module")
async def walled() -> AsyncIterator[Walled]:
    """Give a store that has read the file of deploy/."""
    text = FILE.read_text("utf-8").replace("0" * 64, hashlib.sha256(PASSWORD.encode()).hexdigest())
    assert text.startswith("user default off\n")
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        users = Path(name) / "users.acl"
        users.write_text(text.replace("user default off", "user default on nopass ~* &* +@all"))
        store = Store(Path(name), options={"aclfile": str(users)})
        await store.start()
        try:
            yield Walled(store)
        finally:
            await store.end()


async def test_the_service_does_all_its_work_as_that_user(walled: Walled, tmp_path: Path) -> None:
    """Roster, routes, the queue, conversations, customers, keys, a site's end: the store denies nothing of it."""
    settings = {
        "MATCHER_STORE_URL": walled.url,
        "MATCHER_AUTH": "keys",
        "MATCHER_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.sqlite'}",
    }
    connection = StoreClient(walled.url)
    await connection.start()
    everything = [Grant(role) for role in Role if role is not Role.AGENT]
    _, key = await AccessKeyService(AccessKeyStore(connection)).create("all", everything)
    await connection.close()
    server = await start_server(tmp_path, settings)
    try:
        async with MatcherClient(server.target, site="acl", token=key) as client:
            await work(client)
        assert await server.stop() == 0
    finally:
        await server.kill()
    assert server.faults() == []
    assert await walled.denied() == []


async def work(client: MatcherClient) -> None:
    """Call what writes, in one site that is deleted at the end."""
    await client.create_site("acl")
    await client.create_pool("night", roster_pb2.Pool(display_name="Night"))
    await hire(client, {"bea": person(REEFS), "cem": person("I bake dark rye.")})
    held = await client.route(f"{REEFS} Help me.", contact_id="c-1", customer="ann", request_id="r-1")
    again = await client.route(f"{REEFS} Help me.", contact_id="c-1", customer="ann", request_id="r-1")
    assert again.reservation.name == held.reservation.name
    await client.accept(held.reservation.name)
    await client.renew(held.reservation.name)
    await client.touch(held.reservation.name)
    await client.complete(held.reservation.name, resolved=True, rating=5)
    declined = await client.route("Where is my order?", contact_id="c-2")
    await client.decline(declined.reservation.name, reason="lunch")
    assert (await client.contact("c-2")).name
    waiting = [await client.route("Hello there.", contact_id=f"w-{number}", wait=True) for number in range(4)]
    assert any(answer.WhichOneof("outcome") == "queued" for answer in waiting)
    for number in range(4):
        await client.cancel_contact(f"w-{number}")
    await client.assign("c-3", "bea", over_capacity=True)
    customer = customers_pb2.Customer(
        handles=["ann", "ann@mail"], interests=[customers_pb2.CustomerInterest(text=REEFS)]
    )
    customer.consent.basis = "terms"
    customer.consent.time.FromSeconds(int(time.time()) - 60)
    customer.consent.expire_time.FromSeconds(int(time.time()) + 3_600)
    put = await client.put_customer(customer)
    await client.link_customers("ann", "ann-phone")
    assert [one.name async for one in client.customers()] == [put.name]
    await client.forget_customer(put.name, force=True)
    await client.beat_agent("cem", ttl=timedelta(seconds=30))
    await client.set_agent_status("cem", roster_pb2.OFFLINE)
    await client.forget_agent("cem", force=True)
    await client.delete_pool("night")
    made = await client.create_key("screen", [keys_pb2.Grant(role=keys_pb2.ROLE_OBSERVER)])
    await client.revoke_key(made.key.name)
    assert len((await client.list_keys()).keys) == 2
    await client.delete_site("acl", force=True)


async def test_that_user_may_run_no_other_command_and_touch_no_other_key(walled: Walled) -> None:
    """Every command and subcommand that the store knows is tried dry: those of the list pass, all others are denied."""
    async with walled.store.client() as admin:
        commands = await every_command(admin)
        assert len(commands) > 250
        assert set(commands) >= ALLOWED
        passed = {name for name, words in commands.items() if b"no permissions to run" not in await tried(admin, words)}
        assert passed == ALLOWED | ALWAYS
        for words in (["GET", "other"], ["SET", "other", "1"], ["HGETALL", "x:m:y"], ["UNLINK", "m"]):
            assert b"no permissions to access" in await tried(admin, words)
        assert await tried(admin, ["GET", "m:sites"]) == b"OK"


async def every_command(admin: Any) -> dict[str, list[str]]:
    """Return every command and subcommand of the store by its name in an ACL, each with words that it takes."""
    commands = dict[str, list[str]]()
    for name, described in (await admin.execute_command("COMMAND")).items():
        below = {one[0].decode(): one[1] for one in described["subcommands"]}
        for full, arity in (below or {name: described["arity"]}).items():
            words = full.split("|")
            commands[full] = words + ["m:x"] * (abs(arity) - len(words))
    return commands


async def tried(admin: Any, words: list[str]) -> bytes:
    """Return what the store would answer the service's user, without running the command."""
    try:
        answer: bytes = await admin.execute_command("ACL", "DRYRUN", USER, *words)
    except ResponseError as fault:
        return str(fault).encode()
    return answer
