"""A load test from the first agent to the last reading: what is done, in which order, and what comes of it."""

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
from matcher.loadtest.service_metrics import ServiceSaid, compare_pages, read_pages
from matcher.loadtest.site import fill, own_site
from matcher.loadtest.tally import Ending, Report, Tally

LONE_CALLS: Final = 20
"""Calls made one after the other before the run: they warm the service, and give the time of a lone call."""
SETTLE_SECONDS: Final = 0.2
"""A call is counted by the service just after its answer is sent."""

Steps = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


class NoLoneCall(Exception):
    """Not one call was answered with an agent before the load began."""


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """Texts to route and lines of interest to make agents of. Never shown."""

    texts: Sequence[str]
    lines: Sequence[str]


@dataclass(slots=True)
class Progress:
    """The run so far."""

    plan: Plan
    total: Tally = field(default_factory=Tally)
    reports: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Take in what a process counted in a second."""
        self.reports.append(report)
        self.total.add(report)

    def second(self, number: int) -> Tally:
        """Return what all processes counted in a second."""
        made = Tally()
        for report in self.reports:
            if report.second == number:
                made.add(report)
        return made

    def is_whole(self, number: int) -> bool:
        """Whether every process has reported a second."""
        return sum(report.second == number for report in self.reports) == self.plan.processes


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a load test."""

    plan: Plan
    target: Target
    began: float
    """Seconds since 1970."""
    distinct_texts: int
    expected: int
    """Requests that the schedule of this seed holds."""
    lone: Latencies
    total: Tally
    reports: Sequence[Report]
    service: ServiceSaid | None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how a load test goes on: notes, long steps with their count, and the run second by second."""

    note: Callable[[str], None]
    steps: Steps
    progress: Callable[[Progress, int], None]
    """Called with each second that is whole."""


async def run_load(
    plan: Plan, target: Target, material: Material, watcher: Watcher, metrics: Sequence[str] = ()
) -> Run:
    """Run a plan on a site that is made for it and deleted at the end.

    `metrics` are the addresses of the service's own pages, read before and after. Raises MatcherCallError, RowRefused,
    GeneratorFailed, NoLoneCall, PlanWrong, OSError.
    """
    async with (
        open_client(target, "default", channels=1, deadline_seconds=plan.deadline_seconds) as client,
        own_site(client, watcher.note) as site,
    ):
        rows = make_rows(plan.roster, material.lines, plan.seed)
        with watcher.steps("importing agents", plan.roster.agents) as step:
            await fill(client, rows, step)
        lone = await _lone_calls(client, material.texts, plan.deadline_seconds)
        before = await read_pages(metrics)
        began = time.time()
        progress = Progress(plan)

        def on_report(report: Report) -> None:
            progress.add(report)
            if progress.is_whole(report.second):
                watcher.progress(progress, report.second)

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
        service=compare_pages(before, after) if metrics else None,
    )


def texts_needed(plan: Plan) -> int:
    """Return how many texts a plan needs so that hardly ever one is sent twice."""
    return math.ceil(plan.ramp.expected + 6 * math.sqrt(plan.ramp.expected)) + plan.processes


async def _lone_calls(client: MatcherClient, texts: Sequence[str], deadline_seconds: float) -> Latencies:
    """Route and complete one after the other. An agent just imported may take a moment to be found."""
    lone, caller = Latencies(), RoutingCaller(client, texts)
    until = time.monotonic() + deadline_seconds
    number, last = 0, ""
    while lone.count < LONE_CALLS and time.monotonic() < until:
        since = time.perf_counter()
        outcome, give_back = await caller.send(number)
        number += 1
        last = outcome.detail
        if outcome.ending is Ending.HELD:
            lone.record(time.perf_counter() - since)
        if give_back is not None and (reason := await give_back()):
            raise NoLoneCall(f"a decision could not be completed: {reason}")
    if not lone.count:
        raise NoLoneCall(f"no message found an agent before the load began: {last}")
    return lone


__all__ = ["MatcherCallError", "Material", "NoLoneCall", "Progress", "Run", "Watcher", "run_load", "texts_needed"]
