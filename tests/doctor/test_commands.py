"""`matcher doctor` and `matcher support-bundle` as an operator runs them, beside a service and without one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from matcher.v1 import roster_pb2 as roster
from tests.cli.command import matcher
from tests.conftest import StartServer
from tests.people import hire, person
from tests.processes import Server

CANARY = "zyxwq"
"""Begins every word that a customer, an agent or a platform made up here."""


async def test_an_unknown_setting_is_the_first_finding() -> None:
    """The doctor says what is wrong instead of ending with it."""
    result = await matcher("doctor", "--json", environment={"MATCHER_LISTN": "x"})
    first = result.documents()[0]
    assert (result.code, first["about"], first["state"]) == (1, "settings", "fail")
    assert "MATCHER_LISTN" in first["found"]


async def test_the_doctor_of_a_service_that_is_down_says_what_to_start(tmp_path: Path) -> None:
    """It ends with 1, each finding that is not ok says what to do, and no store is made by looking."""
    data = tmp_path / "data"
    result = await matcher(
        "doctor", "--json", environment={"MATCHER_DATA_DIR": str(data), "MATCHER_LISTEN": "127.0.0.1:1"}
    )
    findings = result.documents()
    assert result.code == 1
    assert {finding["about"] for finding in findings if finding["state"] == "fail"} == {"service"}
    assert [finding for finding in findings if (finding["state"] == "ok") == bool(finding["do"])] == []
    assert not data.exists()


async def test_the_doctor_and_the_bundle_of_a_running_service(launch: StartServer, tmp_path: Path) -> None:
    """Nothing fails; and no word of a customer, no name of a person, no record and no key is in the archive."""
    server = await launch({"MATCHER_LOG_LEVEL": "debug"})
    environment = {"MATCHER_DATA_DIR": str(server.data_dir), "MATCHER_METRICS_LISTEN": server.metrics}
    await speak(server)
    seen = await matcher("doctor", "--json", "--server", server.target, environment=environment)
    findings = {finding["about"]: finding for finding in seen.documents()}
    assert seen.code == 0, seen.out
    assert findings["service"]["found"] == f"{server.target} is SERVING"
    assert findings["keyring"]["found"].endswith("all that the store's records need")
    assert {"lag", "clock", "schema", "processes", "store time", "audit trail"} <= findings.keys()
    assert findings["ledger"]["found"].endswith("ledger.sqlite, schema 0003")
    file = tmp_path / "support.tar.gz"
    log = tmp_path / "log"
    about = f"sites/default/contacts/{CANARY}-2 has ended; sites/default/agents/{CANARY}-ana is gone"
    told = {"event": "told", "contact": f"{CANARY}-2", "why": about, "text": f"My {CANARY}boat.", "seconds": 3}
    log.write_text(f"{server.log()}{json.dumps(told)}\na line of a library with {CANARY}\n")
    made = await matcher(
        "support-bundle", str(file), "--log", str(log), "--server", server.target, environment=environment
    )
    assert made.code == 0, made.err
    assert file.stat().st_mode & 0o077 == 0
    with tarfile.open(file) as archive:
        contents = {
            member.name: stream.read() for member in archive if (stream := archive.extractfile(member)) is not None
        }
    names = {name.removeprefix("matcher-support/") for name in contents}
    assert names == {
        *("README.txt", "doctor.json", "settings.json", "versions.json"),
        *("metrics.txt", "store.json", "store.log", "service.log"),
    }
    assert [name for name, content in contents.items() if CANARY.encode() in content] == []
    lines = [json.loads(line) for line in contents["matcher-support/service.log"].splitlines()]
    assert lines[-1] == {"lines_left_out_that_are_no_events": 1}
    assert any(line["event"] == "serving" for line in lines[:-1])
    contact = lines[-2]["contact"]
    assert lines[-2].keys() == told.keys() - {"text"}
    assert lines[-2]["why"].startswith(f"sites/default/contacts/{contact} has ended; sites/default/agents/#")


async def speak(server: Server) -> None:
    """Let customers and agents say words that must not leave the service, and let some of them fail."""
    site = await server.site()
    async with server.client(site) as client:
        await hire(client, {f"{CANARY}-ana": person(f"I keep {CANARY}bees.", status=roster.ONLINE)})
        outcome = await client.route(
            f"My {CANARY}tent leaks.", contact_id=f"{CANARY}-1", customer=f"{CANARY}@example.org"
        )
        held = outcome.reservation
        await client.decline(held.name, fence=held.fence, reason=f"{CANARY} reason")
        await client.route(f"My {CANARY}boat.", contact_id=f"{CANARY}-2", wait=True)
