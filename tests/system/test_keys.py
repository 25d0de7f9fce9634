"""Keys: a text that has ended is unreadable in every copy of the store, and processes with different keys notice it."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from matcher.client import MatcherClient
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keyring.key_record import KeyRecord, KeyRegistry, KeysInUse
from matcher.store.keyring.keyring_file import KeyringFile
from matcher.store.keyring.secret_keys import (
    DAY_MS,
    DAYS_AHEAD,
    GRACE_MS,
    SECRET_ID,
    Keyring,
    Purpose,
    is_day,
    roll_days,
)
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.redis.client import StoreClient
from matcher.store.sealer import BY_DAY, DAY_CHARACTERS, Sealer, WaitingMessage, WaitingText
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, ServerDidNotStart, Store, health, keys_without_lifetime
from tests.system.test_acquaintance import BEES, TRAINS, leads_back, talk

LONG_SECRET: Final = "a secret of the operator's own, with 32 bytes and more"
KEEPERS: Final = {"bea": person("I keep honey bees.", most=9), "tom": person("I photograph steam trains.", most=9)}


@pytest.fixture
async def own_store() -> AsyncIterator[Store]:
    """Give a store of the test's own: its record of keys in use is the test's."""
    with tempfile.TemporaryDirectory(prefix="mt-") as name:
        store = Store(Path(name))
        await store.start()
        try:
            yield store
            assert await keys_without_lifetime(store.url) == []
        finally:
            await store.end()


def readable(folder: Path, keyring: Keyring, site: str, contact: str) -> Iterator[str]:
    """Yield the texts of a contact that a keyring opens among all bytes of a folder.

    A sealed text can begin at every mark, and have every length.
    """
    sealer = Sealer(ServiceKeys(keyring, KeysInUse((), (), (), 1, 0, 0)))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for mark in re.finditer(re.escape(BY_DAY), content):
            for end in range(mark.start() + len(BY_DAY) + DAY_CHARACTERS + 29, mark.start() + 6_000):
                opened = sealer.open(site, contact, content[mark.start() : end])
                if isinstance(opened, WaitingText):
                    yield opened.text
                elif isinstance(opened, WaitingMessage):
                    yield opened.message.text
                if end > len(content):
                    break


async def record_of(url: str) -> KeyRecord:
    """Return the store's record of keys."""
    client = StoreClient(url)
    try:
        return await KeyRegistry(client).read()
    finally:
        await client.close()


async def test_an_ended_text_cannot_be_read_from_a_copy_with_the_next_days_keyring(
    launch: StartServer, tmp_path: Path
) -> None:
    """A snapshot and the append-only files still hold the sealed text; only the keyring of its day opens it."""
    server = await launch({})
    async with server.client() as client:
        waits = await client.route(BEES, wait=True, contact_id="c-1")
        assert waits.WhichOneof("outcome") == "queued"
        assert (await client.cancel_contact("c-1")).state == pb.CONTACT_CANCELED
    store = await EmbeddedStore.open(EmbeddedSettings(server.data_dir))
    try:
        async with Redis.from_url(store.url) as redis:
            assert await redis.save()
            assert await redis.exists("m:secret") == 0
        copy = tmp_path / "copy"
        shutil.copytree(server.data_dir, copy, ignore=shutil.ignore_patterns("store.sock"))
    finally:
        await store.close()
    everything = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
    assert b"smoker" not in everything
    assert list(copy.rglob("dump.rdb"))
    file = KeyringFile(server.data_dir.with_name("data.keys"))
    today = file.read()
    assert BEES in set(readable(copy, today, "default", "c-1")), "the search finds a text whose key is at hand"
    ended = int(time.time() * 1000) + 3_600_000
    tomorrow = file.change(lambda keyring: roll_days(keyring, ended + DAY_MS + GRACE_MS))
    assert list(readable(copy, tomorrow, "default", "c-1")) == []
    for key in today.keys:
        assert key.material not in everything, f"the {key} is in the copy of the data"


async def test_a_process_with_another_keyring_does_not_start_and_names_the_key(
    launch: StartServer, own_store: Store, tmp_path: Path
) -> None:
    """The first process puts its keys into use; a second one with a keyring of its own is refused."""
    settings = {"MATCHER_STORE_URL": own_store.url, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "one.keys")}
    first = await launch(settings)
    keyring = KeyringFile(tmp_path / "one.keys").read()
    handle = keyring.of(Purpose.HANDLE)[0]
    other = {**settings, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "other.keys")}
    with pytest.raises(ServerDidNotStart) as refused:
        await launch(other)
    assert f"this process lacks the handle key {handle.id}, which is in use" in refused.value.output
    assert f"the keyring {tmp_path / 'other.keys'} must be the same for every process" in refused.value.output
    shutil.copy(tmp_path / "one.keys", tmp_path / "other.keys")
    second = await launch(other)
    assert await health(first.target)
    assert await health(second.target)
    for server in (first, second):
        assert "no keyring is given" not in server.log()
    for key in keyring.keys:
        for hidden in (key.material.hex(), repr(key.material)):
            assert hidden not in first.log() + second.log() + refused.value.output


async def test_a_key_of_the_day_that_two_keyrings_made_apart_is_noticed(
    launch: StartServer, own_store: Store, tmp_path: Path
) -> None:
    """A copy that lost its days would make others under the same ids: it is refused, and stays as it was."""
    settings = {"MATCHER_STORE_URL": own_store.url, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "one.keys")}
    await launch(settings)
    apart = KeyringFile(tmp_path / "apart.keys")
    whole = KeyringFile(tmp_path / "one.keys").read()
    apart.change(lambda _: Keyring((*whole.of(Purpose.REQUEST), *whole.of(Purpose.HANDLE))))
    before = apart.path.read_bytes()
    with pytest.raises(ServerDidNotStart) as refused:
        await launch({**settings, "MATCHER_SEAL_KEYS_FILE": str(apart.path)})
    today = min(key.id for key in whole.of(Purpose.SEAL))
    assert f"the seal key {today} of this process is not the one in use" in refused.value.output
    assert apart.path.read_bytes() == before


async def test_two_secrets_on_one_store_are_noticed_and_a_short_one_is_warned_of(
    launch: StartServer, own_store: Store
) -> None:
    """Without keyrings the secrets must be the same: the second process is refused."""
    first = await launch({"MATCHER_STORE_URL": own_store.url, "MATCHER_SECRET": "short"})
    assert "MATCHER_SECRET is shorter than 32 bytes" in first.log()
    assert '"refused_from": "0.2.0"' in first.log()
    assert "no keyring is given" in first.log()
    with pytest.raises(ServerDidNotStart) as refused:
        await launch({"MATCHER_STORE_URL": own_store.url, "MATCHER_SECRET": LONG_SECRET})
    assert "the request key secret of this process is not the one in use" in refused.value.output
    assert LONG_SECRET not in refused.value.output


async def sealed_text(store: Store, contact: str) -> bytes:
    """Return the sealed text of a contact that waits."""
    async with store.client() as redis:
        sealed: Any = await redis.hget(f"m:{{default}}:contact:{contact}", "sealed")
    return bytes(sealed)


async def offered(client: MatcherClient, contact: str) -> None:
    """Wait until a contact is offered."""

    async def is_held() -> bool:
        return (await client.contact(contact)).state == pb.CONTACT_RESERVED

    await wait_until(is_held, f"{contact} is offered")


async def test_a_store_moves_from_one_secret_to_a_keyring_and_loses_nothing(
    launch: StartServer, own_store: Store, tmp_path: Path
) -> None:
    """Sealed by the secret, asked with the secret, known by the secret: all is served by a process with a keyring."""
    plain = {"MATCHER_STORE_URL": own_store.url}
    keyed = {**plain, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "keys")}
    old = await launch(plain)
    async with old.client() as client:
        await hire(client, KEEPERS)
        await leads_back(client)
        await talk(client, BEES, "ann", resolved=True)
        first = await client.route(BEES, request_id="r-1", auto_accept=True)
        await client.route(BEES, wait=True, contact_id="by-secret", excluded_agents=["bea", "tom"])
    new = await launch(keyed)
    async with new.client() as client:
        assert (await client.route(BEES, request_id="r-1", auto_accept=True)).reservation.name == first.reservation.name
        assert (await client.route(TRAINS, customer="ann", auto_accept=True)).reservation.basis == pb.RELATIONSHIP
        # The process without a keyring could not read a text under a key of the day, so there is none yet.
        await client.route(BEES, wait=True, contact_id="still-by-secret", excluded_agents=["bea", "tom"])
    assert not (await sealed_text(own_store, "still-by-secret")).startswith(BY_DAY)
    assert await old.stop() == 0
    used = await matcher("keys", "use", "days", environment=keyed)
    assert used.out == "keys of the day are in use: every process follows within seconds\n"
    async with new.client() as client:

        async def by_day() -> bool:
            contact = (await client.route(BEES, wait=True, excluded_agents=["bea", "tom"])).contact
            return (await sealed_text(own_store, contact.rpartition("/")[2])).startswith(BY_DAY)

        await wait_until(by_day, "texts are sealed under keys of the day")
        await hire(client, {"eva": person("I keep honey bees too.", most=200)})
        for contact in ("by-secret", "still-by-secret"):
            await offered(client, contact)
    with pytest.raises(ServerDidNotStart) as refused:
        await launch(plain)
    assert "this process lacks the seal key" in refused.value.output


async def test_the_embedded_store_moves_to_a_keyring_at_its_first_start(launch: StartServer, tmp_path: Path) -> None:
    """The secret that the store kept makes the digests as before and opens earlier texts."""
    store = await EmbeddedStore.open(EmbeddedSettings(tmp_path / "data"))
    secret = b"\x07" * 32
    try:
        async with Redis.from_url(store.url) as redis:
            await redis.set("m:secret", secret)
        await launch({})
        keyring, record = KeyringFile(tmp_path / "data.keys").read(), await record_of(store.url)
    finally:
        await store.close()
    assert {key.purpose for key in keyring.keys if (key.id, key.material) == (SECRET_ID, secret)} == set(Purpose)
    assert record.in_use is not None
    assert record.in_use.by_day
    assert [[used.id for used in record.in_use.of(purpose)] for purpose in Purpose] == [[SECRET_ID]] * 3
    assert len([key for key in keyring.of(Purpose.SEAL) if is_day(key.id)]) == 1 + DAYS_AHEAD


async def test_keys_rotate_while_the_service_runs_and_nobody_is_forgotten(
    launch: StartServer, own_store: Store, tmp_path: Path
) -> None:
    """Put into use on one machine only: the other turns NOT_SERVING and names the key, until its keyring has it."""
    one, other = (
        {"MATCHER_STORE_URL": own_store.url, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / name)}
        for name in ("one", "other")
    )
    first = await launch(one)
    shutil.copy(tmp_path / "one", tmp_path / "other")
    second = await launch(other)
    async with first.client() as client, second.client() as away:
        await hire(client, KEEPERS)
        await leads_back(client)
        await talk(client, BEES, "ann", resolved=True)
        asked = await client.route(BEES, request_id="r-1", auto_accept=True)
        made = dict[str, str]()
        for purpose in ("handle", "request"):
            added = (await matcher("keys", "add", purpose, "--json", environment=one)).documents()[0]
            made[purpose] = added["id"]
            assert (await matcher("keys", "use", added["id"], environment=one)).code == 0

        async def turned() -> bool:
            return not await health(second.target)

        await wait_until(turned, "the process without the new keys is NOT_SERVING")

        async def names_both() -> bool:
            return all(f"lacks the {purpose} key {made[purpose]}" in second.log() for purpose in made)

        await wait_until(names_both, "the log names the keys")
        assert await health(first.target)
        # The former keys still serve where the new ones are missing, and the other process understands both.
        assert (await away.route(BEES, request_id="r-1", auto_accept=True)).reservation.name == asked.reservation.name
        shutil.copy(tmp_path / "one", tmp_path / "other.new")
        (tmp_path / "other.new").rename(tmp_path / "other")

        async def serves() -> bool:
            return await health(second.target)

        await wait_until(serves, "the process with the new keys serves again")
        await talk(client, TRAINS, "bob", resolved=True)
        rehashed = await matcher("keys", "rehash", environment=one)
        assert (rehashed.out, rehashed.code) == ("rehashed 1 handles\n", 0)
        assert (await matcher("keys", "rehash", environment=one)).out == "rehashed 0 handles\n"
        for caller in (client, away):
            again = await caller.route(BEES, request_id="r-1", auto_accept=True)
            assert (again.replayed, again.reservation.name) == (True, asked.reservation.name)
            known = await caller.route(TRAINS, customer="ann", auto_accept=True)
            assert (known.reservation.agent, known.reservation.basis) == (client.name("agents", "bea"), pb.RELATIONSHIP)
            known = await caller.route(BEES, customer="bob", auto_accept=True)
            assert known.reservation.agent == client.name("agents", "tom")
    async with own_store.client() as redis:
        stored = [key.decode() async for key in redis.scan_iter("m:{default}:handle:*")]
    assert [name.partition("handle:")[2].partition(".")[0] for name in stored] == [made["handle"]] * 2
    early = await matcher(
        "keys", "remove", KeyringFile(tmp_path / "one").read().of(Purpose.REQUEST)[0].id, environment=one
    )
    assert (early.code, "are remembered for" in early.err) == (1, True)


async def test_a_keyring_that_the_operator_keeps_is_never_written(
    launch: StartServer, own_store: Store, tmp_path: Path
) -> None:
    """Made by commands and without the permission to write: the service uses it, and says until when it has days."""
    settings = {"MATCHER_STORE_URL": own_store.url, "MATCHER_SEAL_KEYS_FILE": str(tmp_path / "keys")}
    for words in (("add", "request"), ("add", "handle"), ("days", "--ahead", "3")):
        assert (await matcher("keys", *words, environment=settings)).code == 0
    path = tmp_path / "keys"
    path.chmod(0o400)
    with pytest.raises(ServerDidNotStart) as refused:
        await launch(settings)
    assert "the keyring has no seal key for " in refused.value.output
    assert (await matcher("keys", "days", environment=settings)).code == 0
    before = path.read_bytes()
    server = await launch(settings)
    async with server.client() as client:
        assert (await client.route(BEES, wait=True)).WhichOneof("outcome") == "queued"
    assert path.read_bytes() == before


async def test_a_damaged_keyring_turns_the_health_and_its_repair_turns_it_back(
    launch: StartServer, tmp_path: Path
) -> None:
    """Others may read it, or it is gone: NOT_SERVING with the file's name; the keys in memory go on."""
    server: Server = await launch({})
    path = server.data_dir.with_name("data.keys")

    async def not_serving() -> bool:
        return not await health(server.target)

    async def serving() -> bool:
        return await health(server.target)

    path.rename(tmp_path / "away")
    await wait_until(not_serving, "the keyring is gone")
    assert f"the keyring {path} cannot be used: No such file or directory" in server.log()
    async with server.client() as client:
        assert (await client.route(BEES, wait=True)).WhichOneof("outcome") == "queued"
    assert not path.exists(), "a lost keyring is not replaced by another one"
    (tmp_path / "away").rename(path)
    await wait_until(serving, "the keyring is back")
