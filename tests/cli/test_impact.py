"""`matcher impact`: the report that a person reads, its plot, and the plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from matcher.model.impact import ImpactReport
from matcher.rpc.health import Health
from matcher.rpc.server import build_server
from matcher.telemetry import Telemetry
from tests.cli.command import Result, matcher
from tests.rpc.doubles import Doubles

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def doubles() -> Doubles:
    """Give the services behind the server."""
    return Doubles()


@pytest.fixture
async def server(doubles: Doubles) -> AsyncIterator[str]:
    """Give the address of a server that reports four weeks."""
    telemetry = Telemetry()
    served = build_server(doubles.services, Health(telemetry), telemetry)
    port = served.add_insecure_port("127.0.0.1:0")
    await served.start()
    yield f"127.0.0.1:{port}"
    await served.stop(None)


async def impact(server: str, *arguments: str) -> Result:
    """Run `matcher impact`."""
    result = await matcher("impact", *arguments, "--server", server)
    assert result.code == 0, result.err
    return result


async def test_the_report_says_the_sentence_and_shows_a_row_for_each_outcome(server: str) -> None:
    """The difference with its interval, who is missing, how the arms waited, what the ledger lost, and a row a week."""
    result = await impact(server, "--by", "week")
    lines = result.out.splitlines()
    assert lines[0] == "default: 4004 contacts, 4,000 compared, 30% of them control, 143 a day"
    assert lines[1].startswith("  resolved +")
    assert " points, between +" in lines[1]
    assert lines[2] == "  outside: 1 ASSIGNED, 3 PREFERRED"
    (row,) = (line for line in lines if line.startswith("resolved") and "(2,800)" in line)
    assert "(1,200)" in row
    assert " points " in row
    assert sum(line.startswith("nps") for line in lines) == 1 + 4
    assert any(line.startswith("waited: treatment ") for line in lines)
    assert "assigned by hand: 1; the router would have given 0 to the same agent, 1 to another" in lines
    assert "the ledger lost 17 records from 2026-11-03T00:00:00Z to 2026-11-03T00:00:01Z" in result.err


async def test_a_plot_of_each_pool_is_drawn(server: str, tmp_path: Path) -> None:
    """The folder is created."""
    folder = tmp_path / "deep" / "plots"
    result = await impact(server, "--plot", str(folder))
    assert f"drew {folder / 'impact-default.png'}" in result.err
    assert (folder / "impact-default.png").read_bytes()[:8] == PNG


async def test_json_has_the_whole_report(server: str) -> None:
    """With the path of each outcome by day."""
    (document,) = (await impact(server, "--json")).documents()
    assert len(document["pools"][0]["outcomes"][0]["days"]) == 28


async def test_a_plan_takes_the_difference_as_it_is_read(server: str, doubles: Doubles) -> None:
    """Two points of `resolved` are 0.02 on the wire; the answer is how many contacts, and days."""
    result = await impact(server, "plan", "resolved=2", "--pool", "default")
    assert doubles.impact.calls == [("report", ("default", None, None, "default", {"resolved": 0.02}))]
    (row,) = (line for line in result.out.splitlines() if "resolved" in line)
    assert "+2.0 points" in row
    wrong = await matcher("impact", "plan", "resolved=much", "--server", server)
    assert wrong.code == 1
    assert "resolved=much is not of the form KIND=DIFFERENCE, such as resolved=2" in wrong.err


async def test_a_plan_names_what_it_cannot_plan(server: str) -> None:
    """An outcome that there is not, a difference with a unit or of nothing, and an outcome that nobody recorded yet."""
    for typed, said in (
        ("delight=2", "delight is no outcome: resolved, csat, nps, recommended, returned, or metrics.NAME"),
        ("resolved=2points", "a number other than 0, in points of 100, without a unit"),
        ("csat=0", "a number other than 0, without a unit"),
        ("nps=nan", "a number other than 0, in points of 100, without a unit"),
    ):
        wrong = await matcher("impact", "plan", typed, "--server", server)
        assert wrong.code == 1
        assert said in " ".join(wrong.err.split())
    result = await impact(server, "plan", "resolved=2", "metrics.basket=3")
    assert "+2.0 points" in result.out
    assert "no plan of metrics.basket: no compared contact of the last 90 days has that outcome yet" in result.out


async def test_a_day_is_typed_as_a_day(server: str) -> None:
    """The error says what a day looks like, in the project's words."""
    for option in ("--since", "--until"):
        wrong = await matcher("impact", option, "yesterday", "--server", server)
        assert (wrong.code, wrong.err.strip()) == (1, f"error: {option} yesterday is not a day such as 2026-11-30")


async def test_a_time_without_contacts_says_so(server: str, doubles: Doubles) -> None:
    """And the days are those that were typed, in UTC."""
    doubles.impact.answers["report"] = ImpactReport(1, 2, (), ())
    result = await impact(server, "--since", "2026-11-02", "--until", "2026-11-03")
    assert result.out == "no contacts in that time\n"
    assert doubles.impact.calls == [("report", ("default", 1_793_577_600_000, 1_793_664_000_000, "", {}))]
    planned = await impact(server, "plan")
    assert planned.out.startswith("no outcomes yet")
