"""The loop does not wait for answers, and what it could not do in time counts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.generators import GeneratorFailed, generate, jobs
from matcher.loadtest.histogram import Latencies
from matcher.loadtest.open_loop import OpenLoop
from matcher.loadtest.plan import Plan, Ramp, Roster, Target
from matcher.loadtest.tally import Ending, Outcome, Report, Tally
from tests.loadtest.service_double import HELD, NOBODY, ServiceDouble

FINENESS = 1.001
"""A histogram keeps a duration to 0.1 %."""


def ascending(latencies: Latencies) -> list[float]:
    """Return every duration that was counted, the shortest first."""
    count = latencies.count
    # HdrHistogram rounds a percentile to the nearest place: three quarters is on no edge.
    return [latencies.at(100 * (place + 0.75) / count) for place in range(count)]


def assert_each_at_least(latencies: Latencies, bounds: list[float]) -> None:
    """Assert that the durations can be those of requests that had to wait for `bounds` seconds at least."""
    assert latencies.count == len(bounds)
    for duration, bound in zip(ascending(latencies), sorted(bounds), strict=True):
        assert duration * FINENESS + 2e-6 >= bound


@dataclass
class FakeCaller:
    """Holds an agent for each request once `answers` is set; the first blocks the whole event loop for a while."""

    blocks: float = 0.0
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    given_back: int = 0

    async def send(self, number: int) -> tuple[Outcome, Callable[[], Awaitable[str]] | None]:
        """Answer when `answers` is set."""
        self.sent += 1
        if number == 0:
            time.sleep(self.blocks)  # noqa: ASYNC251 - a busy process is what is tested
        await self.answers.wait()

        async def give_back() -> str:
            self.given_back += 1
            return "" if number else "FENCE_STALE"

        return Outcome(Ending.HELD, "AFFINITY"), give_back


async def test_a_service_that_stalls_counts_for_every_request_that_came_due_meanwhile() -> None:
    """A service that answers nobody before the last request is there: all were sent, and each waited for the last."""
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


async def test_a_generator_that_is_late_says_so_and_its_lateness_is_latency() -> None:
    """While the process is busy nothing is sent; what came due then is late by what was left of it."""
    caller, tally, due, blocked = FakeCaller(blocks=0.3), Tally(), np.arange(0, 0.4, 0.02), 0.3
    caller.answers.set()
    await OpenLoop(caller, due, tally, most_in_flight=100).run(asyncio.get_running_loop().time())
    waits = [max(0.0, blocked - moment) for moment in due]
    waits[0] = 0.0
    assert_each_at_least(tally.lag, waits)
    waits[0] = blocked
    assert_each_at_least(tally.latencies[Ending.HELD], waits)


async def test_a_run_is_bounded_by_what_may_be_in_flight() -> None:
    """What comes due while too many wait is not sent, and is counted as that."""
    caller, tally, start = FakeCaller(), Tally(), asyncio.get_running_loop().time()
    run = asyncio.create_task(OpenLoop(caller, np.zeros(9), tally, most_in_flight=4).run(start))
    while tally.offered < 9:  # noqa: ASYNC110 - a tally is plain numbers, which tell nobody
        await asyncio.sleep(0)
    caller.answers.set()
    await run
    assert (tally.offered, tally.not_sent, caller.sent, tally.count(Ending.HELD)) == (9, 5, 4, 4)


async def test_every_decision_is_given_back_beside_the_count() -> None:
    """Completing is a second call: it adds nothing to the latencies, and what failed is told by its reason."""
    caller, tally = FakeCaller(), Tally()
    caller.answers.set()
    await OpenLoop(caller, np.zeros(5), tally, most_in_flight=9).run(asyncio.get_running_loop().time())
    assert (caller.given_back, tally.completed, dict(tally.not_completed)) == (5, 4, {"FENCE_STALE": 1})
    assert tally.latencies[Ending.HELD].count == 5


async def test_what_the_processes_report_second_by_second_is_the_whole_run() -> None:
    """Each process reports for itself; every request is auto-accepted, carries an id of its own, and is completed."""
    plan = Plan(Ramp(60, 60, 1.2), Roster(), channels=2, processes=2)
    reports: list[Report] = []
    double = ServiceDouble(answers=(HELD, NOBODY))
    async with double.serving() as target:
        work = jobs(plan, Target(target), "s", [f"text {number}" for number in range(500)])
        await generate(work, reports.append)
    due = [len(arrivals(job.ramp, job.seed)) for job in work]
    assert [sum(one.offered for one in reports if one.process == process) for process in (0, 1)] == due
    assert {one.second for one in reports} >= {0, 1}
    assert len({request.request_id for request in double.routed}) == sum(due)
    assert len({request.message.text for request in double.routed}) == sum(due)
    assert all(request.auto_accept for request in double.routed)
    held = sum(sum(one.endings.get("held", {}).values()) for one in reports)
    assert (held, sum(one.completed for one in reports)) == (len(double.completed), len(double.completed))
    assert {(one.name, one.fence) for one in double.completed} == {(HELD.reservation.name, 7)}


async def test_a_generator_that_cannot_begin_is_quoted(tmp_path: Path) -> None:
    """What it said last is the reason of the failed run."""
    plan = Plan(Ramp(5, 5, 1.0), Roster(), processes=1)
    work = jobs(plan, Target("127.0.0.1:1", tls=True, tls_ca=str(tmp_path / "none.pem")), "s", ["a"])
    with pytest.raises(GeneratorFailed, match=r"none\.pem cannot be read: No such file"):
        await generate(work, lambda _: None)
