"""`matcher loadtest` against the running service: real runs, their results, and the removal of their sites."""

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
    """Return the service's sites of load tests."""
    async with service.client() as client:
        return {site.name async for site in client.sites() if site.name.startswith("sites/loadtest-")}


async def test_three_seconds_of_load_on_the_service(service: Server, tmp_path: Path) -> None:
    """Every request of the schedule is counted, every decision is completed, and the site is deleted."""
    document, page = tmp_path / "l.json", tmp_path / "l.html"
    result = await matcher(
        *("loadtest", "--server", service.target, "--rate", "15", "--seconds", "3", "--agents", "40", "--free", "0.5"),
        *("--processes", "2", "--channels", "2", "--seed", "5", "--timeout", "60"),
        *("--json", str(document), "--html", str(page)),
    )
    assert result.code == 0, result.err
    report = json.loads(document.read_text())
    due = sum(len(arrivals(Ramp(15, 15, 3.0).share(2), (5, process))) for process in (0, 1))
    assert report["offered"] == due
    assert report["held"] + report["unmatched"] + report["refused"] + report["failed"] + report["not_sent"] == due
    assert report["held"] == report["latency_ms"]["held"]["count"] == sum(report["held_by_basis"].values())
    assert (report["refused_by_reason"], report["failed_by_reason"]) == ({}, {})
    assert report["completed"] == report["held"]
    assert report["not_completed_by_reason"] == {}
    assert sum(second["offered"] for second in report["seconds"]) == due
    assert len(report["generator"]["core_shares"]) == 2
    assert "20 free" in result.out
    assert "latency, ms" in result.out
    assert "<svg" in page.read_text()
    assert await sites(service) == set()


async def test_the_counts_of_a_service_started_for_the_test_agree(folder: Path) -> None:
    """The test starts two workers, sends load, reads their metrics, and stops them; no file is left."""
    temporary, document = folder / "load", folder / "own.json"
    temporary.mkdir()
    models = server_environment(folder, {})["MATCHER_MODEL_CACHE"]
    result = await matcher(
        *("loadtest", "--workers", "2", "--rate", "10", "--seconds", "2", "--agents", "30", "--free", "1"),
        *("--processes", "1", "--channels", "2", "--timeout", "60", "--json", str(document)),
        environment={"MATCHER_MODEL_CACHE": models, "TMPDIR": str(temporary)},
    )
    assert result.code == 0, result.err
    report = json.loads(document.read_text())
    assert report["target"] == "own service"
    assert (report["same_story"], [line for line in report["story"] if line["unsure"]]) == (True, [])
    assert report["service"]["held"] == report["held_by_basis"]
    assert report["service"]["store_round_trips"]["reserve"] == report["offered"]
    assert report["service"]["batch_size"]["count"] > 0
    assert len(report["service"]["routes_by_process"]) == 2
    assert sum(report["service"]["routes_by_process"]) == report["offered"]
    assert "the client's and the service's counts agree" in result.out
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupted_run_leaves_no_site(service: Server, number: signal.Signals, code: int) -> None:
    """After Ctrl-C or SIGTERM during the load the site is deleted, and no error is printed."""
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
            "error: 192.0.2.1:50051 is not this machine: confirm the load test with --i-know\n",
        ),
        (("--rate", "5", "--ramp", "1:5"), "error: --rate and --ramp exclude each other: give one of them\n"),
        (("--rate", "20001"), "error: a rate must be above 0 and at most 20000 a second\n"),
        (("--ramp", "5"), "error: --ramp must be FROM:TO, two rates a second, for example 50:400\n"),
        (("--messages", "nowhere.jsonl"), "error: nowhere.jsonl cannot be read: No such file or directory\n"),
    ],
)
async def test_a_wrong_option_is_reported_before_anything_is_started(arguments: tuple[str, ...], line: str) -> None:
    """The error is one line that names the option."""
    result = await matcher("loadtest", *arguments)
    assert (result.code, result.out, result.err) == (1, "", line)


async def test_a_missing_service_is_named() -> None:
    """The error holds the target's address."""
    result = await matcher("loadtest", "--server", "127.0.0.1:1", "--rate", "1", "--seconds", "1")
    assert result.code == 1
    assert "127.0.0.1:1" in result.err
