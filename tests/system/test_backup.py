"""A backup that was taken while the service served, restored elsewhere, serves the same."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from matcher.client import MatcherClient
from matcher.v1 import roster_pb2 as roster
from matcher.v1 import routing_pb2 as pb
from tests.cli.command import matcher
from tests.people import hire, person, wait_until
from tests.processes import start_server

BEES = "The smoker for my bees has a dent."
CELLO = "My cello case has a broken lock."


async def read(client: MatcherClient) -> dict[str, Message]:
    """Return the answers about everything that was made."""
    said: dict[str, Message] = {agent.name: agent async for agent in client.agents()}
    said |= {pool.name: pool async for pool in client.pools()}
    for contact in ("waiting", "talking", "offered"):
        told = said[contact] = await client.contact(contact)
        told.queued.ClearField("estimated_wait")
        if told.reservation:
            reservation = said[told.reservation] = await client.reservation(told.reservation)
            said[reservation.decision] = await client.decision(reservation.decision)
    return said


async def populate(client: MatcherClient) -> None:
    """Make agents, a conversation, an offer and a contact that waits."""
    pool = await client.create_pool("desk", roster.Pool())
    pool.offer_duration.FromSeconds(3600)
    await client.update_pool(pool, ["offer_duration"])
    bees = [person("I keep honey bees.", pools=[pool.name]) for _ in range(2)]
    await hire(client, {"bea": bees[0], "bob": bees[1], "eva": person("I play the cello.", status=roster.OFFLINE)})
    await client.route(BEES, pool="desk", contact_id="talking", auto_accept=True)
    await client.route(BEES, pool="desk", contact_id="offered")
    await client.route(CELLO, contact_id="waiting", wait=True)


async def test_a_backup_restored_elsewhere_serves_the_same_sites_agents_and_waiting_contacts() -> None:
    """Under traffic nothing is refused; restored, the offer is accepted and the waiting contact gets its agent."""
    with tempfile.TemporaryDirectory(prefix="mt-") as here, tempfile.TemporaryDirectory(prefix="mt-") as elsewhere:
        server = await start_server(Path(here), {})
        other = None
        try:
            site = await server.site()
            async with server.client(site) as client:
                await populate(client)
                before = await read(client)
                file = str(Path(here) / "night.backup")
                backing_up = asyncio.create_task(backed_up(server.data_dir, file))
                answered = 0
                while not backing_up.done():
                    await client.route("Hello?", contact_id=f"later-{answered}", pool="desk")
                    answered += 1
                manifest = await backing_up
            assert answered > 0
            assert manifest["schema"] == 3

            refused = await restored(server.data_dir, file, "--force")
            assert (refused.code, "a service uses it: stop it first" in refused.err) == (1, True)
            assert await server.stop() == 0
            refused = await restored(server.data_dir, file)
            assert (refused.code, "it has data already; --force replaces it" in refused.err) == (1, True)

            told = await restored(Path(elsewhere) / "data", file, "--json")
            assert told.documents() == [{**manifest, "sites": 2}]
            # The keyring is no part of a backup: the operator brings it along.
            shutil.copy2(server.data_dir.with_suffix(".keys"), Path(elsewhere) / "data.keys")
            other = await start_server(Path(elsewhere), {})
            async with other.client(site) as client:
                assert await read(client) == before
                offer = await client.reservation((await client.contact("offered")).reservation)
                assert (await client.accept(offer.name, fence=offer.fence)).state == pb.ACCEPTED
                await client.set_agent_status("eva", roster.ONLINE)

                async def is_offered() -> bool:
                    return (await client.contact("waiting")).state == pb.CONTACT_RESERVED

                await wait_until(is_offered, "the waiting contact gets its agent")
            assert await other.stop() == 0
            assert server.faults() + other.faults() == []
        finally:
            for started in filter(None, (server, other)):
                await started.clear()


async def backed_up(data_dir: Path, file: str) -> Any:
    """Back the data up by the command; return what it says."""
    result = await matcher("backup", file, "--json", environment={"MATCHER_DATA_DIR": str(data_dir)})
    assert result.code == 0, result.err
    (document,) = result.documents()
    return document


async def restored(data_dir: Path, file: str, *options: str) -> Any:
    """Restore a backup by the command."""
    return await matcher("restore", file, *options, environment={"MATCHER_DATA_DIR": str(data_dir)})


async def test_an_external_store_is_not_backed_up_here(tmp_path: Path) -> None:
    """The command says so before it touches anything."""
    environment = {"MATCHER_STORE_URL": "redis://nowhere:1", "MATCHER_DATA_DIR": str(tmp_path / "data")}
    for command in ("backup", "restore"):
        result = await matcher(command, str(tmp_path / "x"), environment=environment)
        assert (result.code, "a store of its own" in result.err) == (1, True)
    empty = await matcher("backup", str(tmp_path / "x"), environment={"MATCHER_DATA_DIR": str(tmp_path / "data")})
    assert (empty.code, empty.err) == (1, f"error: {tmp_path / 'data'} has no data: start the service once\n")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - one look at a folder
