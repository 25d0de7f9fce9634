"""The run of a load test: imports the agents, makes the lone calls, runs the generators, reads the metrics."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from matcher.client import MatcherCallError, MatcherClient
from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.generators import generate, jobs
from matcher.loadtest.histogram import Latencies
from matcher.loadtest.material import make_rows
from matcher.loadtest.plan import Plan, Target
from matcher.loadtest.routing_caller import RoutingCaller, open_client
from matcher.loadtest.service_metrics import ServiceFigures, figures_between, read_pages
from matcher.loadtest.site import fill, own_site
from matcher.loadtest.tally import Ending, Report, Tally

LONE_CALLS: Final = 20
"""Calls made one after another before the run, which warm the service up and give the latency of a lone call."""
SETTLE_SECONDS: Final = 0.2
"""The wait before the metrics are read again, because the service counts a call just after it has sent the answer."""

Steps = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


class NoLoneCall(Exception):
    """No call before the load got an agent."""


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """The texts to route and the interests of the agents. They are never shown."""

    texts: Sequence[str]
    interests: Sequence[str]


@dataclass(slots=True)
class Progress:
    """The counts of a run so far."""

    plan: Plan
    total: Tally = field(default_factory=Tally)
    reports: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Add a process's report of a second."""
        self.reports.append(report)
        self.total.add(report)

    def second(self, number: int) -> Tally:
        """Return the counts of all processes in a second."""
        tally = Tally()
        for report in self.reports:
            if report.second == number:
                tally.add(report)
        return tally

    def is_complete(self, number: int) -> bool:
        """Whether every process has reported a second."""
        return sum(report.second == number for report in self.reports) == self.plan.processes


@dataclass(frozen=True, slots=True)
class Run:
    """The measurements of a load test."""

    plan: Plan
    target: Target
    began: float
    """Seconds since 1970."""
    distinct_texts: int
    expected: int
    """The number of requests in the schedule of this seed."""
    lone: Latencies
    total: Tally
    reports: Sequence[Report]
    service: ServiceFigures | None


@dataclass(frozen=True, slots=True)
class Watcher:
    """The callbacks of a load test: a note, the progress of a long step, and each second of the run."""

    on_note: Callable[[str], None]
    steps: Steps
    """Shows the progress of a long step; its context yields a function to call after each step."""
    on_second: Callable[[Progress, int], None]
    """Called with a second once every process has reported it."""


async def run_load(
    plan: Plan, target: Target, material: Material, watcher: Watcher, metrics: Sequence[str] = ()
) -> Run:
    """Run a plan on a site that is created for it and deleted at the end.

    metrics: the addresses of the /metrics pages of the service's processes, read before and after the run. Raises
    MatcherCallError, RowRefused, GeneratorFailed, NoLoneCall, PlanWrong, OSError.
    """
    async with (
        open_client(target, "default", channels=1, deadline_seconds=plan.deadline_seconds) as client,
        own_site(client, watcher.on_note) as site,
    ):
        rows = make_rows(plan.roster, material.interests, plan.seed)
        with watcher.steps("importing agents", plan.roster.agents) as step:
            await fill(client, rows, step)
        lone = await _lone_calls(client, material.texts, plan.deadline_seconds)
        before = await read_pages(metrics)
        began = time.time()
        progress = Progress(plan)

        def on_report(report: Report) -> None:
            progress.add(report)
            if progress.is_complete(report.second):
                watcher.on_second(progress, report.second)

        work = jobs(plan, target, site, material.texts)
        await generate(work, on_report)
        await asyncio.sleep(SETTLE_SECONDS if metrics else 0)
        after = await read_pages(metrics)
    return Run(
        plan=plan,
        target=target,
        began=began,
        distinct_texts=len(material.texts),
        expected=sum(len(arrivals(job.ramp, job.seed)) for job in work),
        lone=lone,
        total=progress.total,
        reports=progress.reports,
        service=figures_between(before, after) if metrics else None,
    )


def texts_needed(plan: Plan) -> int:
    """Return the number of texts that a plan needs to send hardly any twice: six standard deviations above the mean."""
    return math.ceil(plan.ramp.expected + 6 * math.sqrt(plan.ramp.expected)) + plan.processes


async def _lone_calls(client: MatcherClient, texts: Sequence[str], deadline_seconds: float) -> Latencies:
    """Route and complete messages one after another; calls without an agent are repeated until the deadline.

    The service may find an agent only a moment after its import.
    """
    lone, caller = Latencies(), RoutingCaller(client, texts)
    until = time.monotonic() + deadline_seconds
    number, last = 0, ""
    while lone.count < LONE_CALLS and time.monotonic() < until:
        start = time.perf_counter()
        outcome, complete = await caller.send(number)
        number += 1
        last = outcome.detail
        if outcome.ending is Ending.HELD:
            lone.record(time.perf_counter() - start)
        if complete is not None and (reason := await complete()):
            raise NoLoneCall(f"a decision could not be completed: {reason}")
    if not lone.count:
        raise NoLoneCall(f"no message found an agent before the load started: {last}")
    return lone


__all__ = ["MatcherCallError", "Material", "NoLoneCall", "Progress", "Run", "Watcher", "run_load", "texts_needed"]
