"""The open loop: it never waits for answers, and delays count as latency."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.generators import GeneratorFailed, generate, jobs
from matcher.loadtest.histogram import Latencies
from matcher.loadtest.open_loop import Complete, OpenLoop
from matcher.loadtest.plan import Plan, Ramp, Roster, Target
from matcher.loadtest.tally import Ending, Outcome, Report, Tally
from tests.loadtest.service_double import HELD, NOBODY, ServiceDouble

FINENESS = 1.001
"""A histogram's durations are exact to 0.1 %."""


def ascending(latencies: Latencies) -> list[float]:
    """Return every duration of a histogram, the shortest first."""
    count = latencies.count
    # HdrHistogram rounds a percentile to the nearest rank; 0.75 keeps the percentile away from the edges.
    return [latencies.at(100 * (rank + 0.75) / count) for rank in range(count)]


def assert_each_at_least(latencies: Latencies, bounds: list[float]) -> None:
    """Assert that the durations can be those of requests that had to wait at least `bounds` seconds."""
    assert latencies.count == len(bounds)
    for duration, bound in zip(ascending(latencies), sorted(bounds), strict=True):
        assert duration * FINENESS + 2e-6 >= bound


@dataclass
class FakeCaller:
    """Answers each request with an agent once `answers` is set; the first request blocks the event loop."""

    blocks: float = 0.0
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    completed: int = 0

    async def send(self, number: int) -> tuple[Outcome, Complete | None]:
        """Answer once `answers` is set."""
        self.sent += 1
        if number == 0:
            time.sleep(self.blocks)  # noqa: ASYNC251 - a busy process is what is tested
        await self.answers.wait()

        async def complete() -> str:
            self.completed += 1
            return "" if number else "FENCE_STALE"

        return Outcome(Ending.HELD, "AFFINITY"), complete


async def test_a_stall_of_the_service_adds_to_the_latency_of_every_request_that_was_due() -> None:
    """The service answers no request before the last one arrives: all were sent, and each waited for the last."""
    plan = Plan(Ramp(40, 80, 1.0), Roster(), channels=2, processes=2)
    double = ServiceDouble()
    total = Tally()
    async with double.serving() as target:
        work = jobs(plan, Target(target), "s", ["a", "b", "c"])
        due = [moment for job in work for moment in arrivals(job.ramp, job.seed).tolist()]
        double.patience = len(due)
        await generate(work, total.add)
    assert len(double.routed) == total.offered == total.count(Ending.HELD) == len(due)
    assert_each_at_least(total.latencies[Ending.HELD], [max(due) - moment for moment in due])


async def test_a_generators_delay_is_measured_and_counts_as_latency() -> None:
    """A busy process sends nothing; a request due meanwhile is late by the rest of the busy time."""
    caller, tally, due, blocked = FakeCaller(blocks=0.3), Tally(), np.arange(0, 0.4, 0.02), 0.3
    caller.answers.set()
    await OpenLoop(caller, due, tally, most_in_flight=100).run(asyncio.get_running_loop().time())
    waits = [max(0.0, blocked - moment) for moment in due]
    waits[0] = 0.0
    assert_each_at_least(tally.lag, waits)
    waits[0] = blocked
    assert_each_at_least(tally.latencies[Ending.HELD], waits)


async def test_the_calls_in_flight_are_bounded() -> None:
    """A request that is due while too many calls wait is not sent, and counts as not sent."""
    caller, tally, start = FakeCaller(), Tally(), asyncio.get_running_loop().time()
    run = asyncio.create_task(OpenLoop(caller, np.zeros(9), tally, most_in_flight=4).run(start))
    while tally.offered < 9:  # noqa: ASYNC110 - a tally has no event to wait for
        await asyncio.sleep(0)
    caller.answers.set()
    await run
    assert (tally.offered, tally.not_sent, caller.sent, tally.count(Ending.HELD)) == (9, 5, 4, 4)


async def test_every_decision_is_completed_outside_the_latency() -> None:
    """The completion is a second call: it adds nothing to the latencies, and its failures are counted by reason."""
    caller, tally = FakeCaller(), Tally()
    caller.answers.set()
    await OpenLoop(caller, np.zeros(5), tally, most_in_flight=9).run(asyncio.get_running_loop().time())
    assert (caller.completed, tally.completed, dict(tally.not_completed)) == (5, 4, {"FENCE_STALE": 1})
    assert tally.latencies[Ending.HELD].count == 5


async def test_the_reports_of_all_processes_add_up_to_the_run() -> None:
    """The processes' reports add up; every request is auto-accepted, has an id of its own, and is completed."""
    plan = Plan(Ramp(60, 60, 1.2), Roster(), channels=2, processes=2)
    reports: list[Report] = []
    double = ServiceDouble(answers=(HELD, NOBODY))
    async with double.serving() as target:
        work = jobs(plan, Target(target), "s", [f"text {number}" for number in range(500)])
        await generate(work, reports.append)
    due = [len(arrivals(job.ramp, job.seed)) for job in work]
    assert [sum(report.offered for report in reports if report.process == process) for process in (0, 1)] == due
    assert {report.second for report in reports} >= {0, 1}
    assert len({request.request_id for request in double.routed}) == sum(due)
    assert len({request.message.text for request in double.routed}) == sum(due)
    assert all(request.auto_accept for request in double.routed)
    held = sum(sum(report.endings.get("held", {}).values()) for report in reports)
    assert (held, sum(report.completed for report in reports)) == (len(double.completed), len(double.completed))
    assert {(request.name, request.fence) for request in double.completed} == {(HELD.reservation.name, 7)}


async def test_a_generator_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    """The error of the failed run quotes the generator's last line."""
    plan = Plan(Ramp(5, 5, 1.0), Roster(), processes=1)
    work = jobs(plan, Target("127.0.0.1:1", tls=True, tls_ca=str(tmp_path / "none.pem")), "s", ["a"])
    with pytest.raises(GeneratorFailed, match=r"none\.pem cannot be read: No such file"):
        await generate(work, lambda _: None)
