"""The commands of `matcher audit`, beside a running service."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from sqlalchemy import delete

from matcher.ledger.database import LedgerDatabase
from matcher.ledger.tables import AUDIT_RECORDS
from matcher.store.embedded.store import EmbeddedSettings, EmbeddedStore
from matcher.store.keys import TRAIL
from matcher.store.redis.client import StoreClient
from matcher.v1 import customers_pb2, roster_pb2
from tests.cli.command import Result, matcher
from tests.conftest import StartServer
from tests.people import hire, person


async def listed(settings: dict[str, str], *, most: int) -> Result:
    """List the trail as soon as it has so many records."""
    while True:
        found = await matcher("audit", "list", "--json", environment=settings)
        assert found.code == 0, found.err
        if len(found.documents()) >= most:
            return found
        await asyncio.sleep(0.2)


async def test_a_change_is_listed_checked_and_exported_and_a_forged_one_is_named(
    launch: StartServer, tmp_path: Path
) -> None:
    """The default site and pool, then an agent who is created and sent away; then a hand in the store."""
    server = await launch({})
    settings = {"MATCHER_DATA_DIR": str(tmp_path / "data")}
    async with server.client() as client:
        given = customers_pb2.Customer(
            handles=["zyx@example.org"],
            interests=[customers_pb2.CustomerInterest(text="I sail the zyxboat.")],
            consent=customers_pb2.Consent(basis="zyx asked"),
        )
        given.consent.time.GetCurrentTime()
        given.consent.expire_time.FromSeconds(given.consent.time.seconds + 3_600)
        put = await client.put_customer(given)
        await hire(client, {"bea": person("I keep honey bees.")})
        await client.update_agent(roster_pb2.Agent(name="bea", display_name="Bea B."), ["display_name"])
    answer = await listed(settings, most=5)
    records = answer.documents()
    customer, created, changed = records[-3:]
    assert (customer["method"], customer["name"]) == ("PutCustomer", put.name)
    assert "zyx" not in answer.out
    assert (await matcher("audit", "list", "--last", "1", "--json", environment=settings)).documents() == [changed]
    assert (created["method"], created["name"]) == ("ImportAgents", "sites/default/agents/bea")
    assert (changed["method"], list(changed["fields"])) == ("UpdateAgent", ["display_name"])
    assert changed["fields"]["display_name"]["to"] == "Bea B."
    assert changed["principal"] == "nobody"
    assert changed["peer"]
    checked = await matcher("audit", "verify", "--json", environment=settings)
    assert (checked.code, checked.documents()[0]["flaws"]) == (0, []), checked.err
    head = checked.documents()[0]["head"]
    assert (await matcher("audit", "verify", "--head", head, environment=settings)).code == 0
    out = tmp_path / "trail.jsonl"
    assert (await matcher("audit", "export", "--out", str(out), environment=settings)).code == 0
    assert [json.loads(line) for line in out.read_text("utf-8").splitlines()] == records
    await _cut(settings, records[-1]["number"])
    cut = await matcher("audit", "verify", environment=settings)
    assert cut.code == 1
    assert f"record {records[-1]['number']}: " in cut.err
    assert "the tail was cut" in cut.err


async def _cut(settings: dict[str, str], number: int) -> None:
    """Remove a record from the store and from the ledger."""
    data = Path(settings["MATCHER_DATA_DIR"])
    embedded = await EmbeddedStore.open(EmbeddedSettings(data))
    store = StoreClient(embedded.url)
    try:
        await store.start()
        await store.run("XDEL", TRAIL, f"0-{number}")
    finally:
        await store.close()
        await embedded.close()
    database = LedgerDatabase.at(f"sqlite:///{data / 'ledger.sqlite'}")
    with database.transaction() as connection:
        connection.execute(delete(AUDIT_RECORDS).where(AUDIT_RECORDS.c.number == number))
    database.close()
