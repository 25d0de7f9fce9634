"""`matcher loadtest` against the running service: a real run, and what it leaves behind."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.plan import Ramp
from tests.cli.command import matcher
from tests.processes import Server, server_environment


async def sites(service: Server) -> set[str]:
    """Return the sites of load tests that the service holds."""
    async with service.client() as client:
        return {site.name async for site in client.sites() if site.name.startswith("sites/loadtest-")}


async def test_three_seconds_of_load_on_the_service(service: Server, tmp_path: Path) -> None:
    """Every request of the schedule is accounted for, every decision is completed, and the site is gone."""
    document, page = tmp_path / "l.json", tmp_path / "l.html"
    said = await matcher(
        *("loadtest", "--server", service.target, "--rate", "15", "--seconds", "3", "--agents", "40", "--free", "0.5"),
        *("--processes", "2", "--channels", "2", "--seed", "5", "--timeout", "60"),
        *("--json", str(document), "--html", str(page)),
    )
    assert said.code == 0, said.err
    found = json.loads(document.read_text())
    due = sum(len(arrivals(Ramp(15, 15, 3.0).share(2), (5, process))) for process in (0, 1))
    assert found["offered"] == due
    assert found["held"] + found["unmatched"] + found["refused"] + found["failed"] + found["not_sent"] == due
    assert found["held"] == found["latency_ms"]["held"]["count"] == sum(found["held_by_basis"].values())
    assert (found["refused_by_reason"], found["failed_by_reason"]) == ({}, {})
    assert found["completed"] == found["held"]
    assert found["not_completed_by_reason"] == {}
    assert sum(second["offered"] for second in found["seconds"]) == due
    assert len(found["generator"]["core_shares"]) == 2
    assert "20 free" in said.out
    assert "latency, ms" in said.out
    assert "<svg" in page.read_text()
    assert await sites(service) == set()


async def test_a_service_of_its_own_tells_the_same_story(folder: Path) -> None:
    """Two workers are started, loaded, asked for their metrics, and stopped; nothing is left."""
    temporary, document = folder / "load", folder / "own.json"
    temporary.mkdir()
    models = server_environment(folder, {})["MATCHER_MODEL_CACHE"]
    said = await matcher(
        *("loadtest", "--workers", "2", "--rate", "10", "--seconds", "2", "--agents", "30", "--free", "1"),
        *("--processes", "1", "--channels", "2", "--timeout", "60", "--json", str(document)),
        environment={"MATCHER_MODEL_CACHE": models, "TMPDIR": str(temporary)},
    )
    assert said.code == 0, said.err
    found = json.loads(document.read_text())
    assert found["target"] == "own service"
    assert (found["same_story"], [line for line in found["story"] if line["unsure"]]) == (True, [])
    assert found["service"]["held"] == found["held_by_basis"]
    assert found["service"]["store_round_trips"]["reserve"] == found["offered"]
    assert found["service"]["batch_size"]["count"] > 0
    assert len(found["service"]["routes_by_process"]) == 2
    assert sum(found["service"]["routes_by_process"]) == found["offered"]
    assert "client and service count the same" in said.out
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupted_run_leaves_no_site(service: Server, number: signal.Signals, code: int) -> None:
    """Ctrl-C, or being told to end, amid the load: the site is deleted, and nothing else is said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MATCHER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "matcher.cli", "loadtest", "--server", service.target, "--agents", "20"),
        *("--rate", "5", "--seconds", "600", "--processes", "1", "--channels", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if line.startswith(b"second 1 of 600"):
            break
    assert len(await sites(service)) == 1
    process.send_signal(number)
    _, errors = await process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in errors
    assert b"left behind" not in errors
    assert await sites(service) == set()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--server", "192.0.2.1:50051"),
            "error: 192.0.2.1:50051 is not this machine: a load test of it needs --i-know\n",
        ),
        (("--rate", "5", "--ramp", "1:5"), "error: --rate and --ramp say the same thing: give one of them\n"),
        (("--rate", "20001"), "error: a rate must be above 0 and at most 20000 a second\n"),
        (("--ramp", "5"), "error: --ramp must be FROM:TO, two rates a second, for example 50:400\n"),
        (("--messages", "nowhere.jsonl"), "error: nowhere.jsonl cannot be read: No such file or directory\n"),
    ],
)
async def test_what_cannot_be_run_is_said_before_anything_is_started(arguments: tuple[str, ...], line: str) -> None:
    """One line that names the option."""
    said = await matcher("loadtest", *arguments)
    assert (said.code, said.out, said.err) == (1, "", line)


async def test_a_service_that_is_not_there_is_named() -> None:
    """The target stands in the error."""
    said = await matcher("loadtest", "--server", "127.0.0.1:1", "--rate", "1", "--seconds", "1")
    assert said.code == 1
    assert "127.0.0.1:1" in said.err
