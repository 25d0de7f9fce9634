"""A service that takes keys, as its owner and its callers meet it: the first key, a rotation, a revocation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from matcher.client import MatcherCallError, MatcherClient
from tests.cli.command import Result, matcher
from tests.processes import Server, Store, health, start_server

WAIT_SECONDS = 30
"""Longer than any process needs to follow a change, also on a machine that is busy."""


@dataclass(frozen=True)
class Guarded:
    """A service that takes keys, and the store that it shares with others."""

    server: Server
    store: Store

    async def locally(self, *arguments: str) -> Result:
        """Run `matcher access … --local` on the store's machine."""
        return await matcher("access", *arguments, "--local", environment={"MATCHER_STORE_URL": self.store.url})

    async def make(self, name: str, *grants: str) -> str:
        """Make a key by the store; return its text."""
        options = [word for grant in grants for word in ("--grant", grant)]
        made = await self.locally("create", name, *options)
        assert made.code == 0, made.err
        return made.out.strip()

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
    server = await start_server(folder, {"MATCHER_STORE_URL": store.url, "MATCHER_AUTH": "keys"})
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
    owner = await guarded.make("boss", "owner")
    await guarded.until_open(owner)
    target = ("--server", guarded.server.target)
    environment = {"MATCHER_TOKEN": owner}
    made = await matcher("access", "create", "crm", "--grant", "platform@default", *target, environment=environment)
    assert (made.code, made.out[:3]) == (0, "mk_"), made.err
    assert "platform@default" in made.err
    again = await matcher("access", "create", "crm", "--grant", "owner", *target, environment=environment)
    assert (again.code, again.err.startswith("error: ACCESS_KEY_EXISTS")) == (1, True)
    listed = await matcher("access", "list", *target, "--json", environment=environment)
    keys = {key["principal"]: key for key in listed.documents()}
    assert {"boss", "crm"} <= set(keys)
    assert made.out.strip().rpartition("_")[2] not in listed.out
    revoked = await matcher("access", "revoke", "crm", *target, environment=environment)
    assert (revoked.code, revoked.out.startswith("revoked ")) == (0, True)
    async with guarded.client(made.out.strip()) as client:
        assert (await refusal(client.list_sites()))[1] == "CREDENTIALS_REVOKED"


async def test_a_key_comes_from_a_file_or_from_a_command_too(guarded: Guarded, tmp_path: Path) -> None:
    """A file that is replaced is read again; what is wrong with a file or a command is named."""
    key = await guarded.make("filer", "owner")
    await guarded.until_open(key)
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    listing = ("sites", "list", "--server", guarded.server.target)
    for option in (("--token-file", str(file)), ("--token-command", f"cat {file}")):
        assert (await matcher(*listing, *option)).code == 0
    missing = await matcher(*listing, "--token-file", "nowhere.key")
    assert missing.err == (
        "error: UNAUTHENTICATED: the token file nowhere.key cannot be read: No such file or directory\n"
    )
    failed = await matcher(*listing, "--token-command", "false")
    assert failed.err == "error: UNAUTHENTICATED: the token command 'false' ended with 1\n"


async def test_both_keys_count_during_a_rotation_and_a_revocation_ends_open_streams(guarded: Guarded) -> None:
    """The stream of the revoked key ends with the reason; that of the new key goes on."""
    first = await guarded.make("desk", "owner")
    second = (await guarded.locally("rotate", "desk")).out.strip()
    await guarded.until_open(second)
    async with guarded.client(first) as old, guarded.client(second) as new:
        events_of_old, events_of_new = old.watch_events(), new.watch_events()
        reading = [asyncio.ensure_future(anext(events)) for events in (events_of_old, events_of_new)]
        await asyncio.sleep(0.5)
        began = time.monotonic()
        assert (await guarded.locally("revoke", first.split("_")[1])).code == 0
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
