"""The result of a load test: its figures, its JSON document, and notes on how far the figures can be trusted."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from matcher.loadtest.histogram import Latencies
from matcher.loadtest.run import Run
from matcher.loadtest.story import ComparedCount, compare
from matcher.loadtest.tally import Ending, Report

BUSY_CORE: Final = 0.9
"""Share of a core from which a generator, which has one event loop, is at its limit."""
LATE_SECONDS: Final = 0.010
"""p99 of the lag from which the generator's delay is a visible part of the latencies."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the run: the requests that ended in it, by ending, and the latencies of those held, in ms."""

    second: int
    offered: int
    held: int
    unmatched: int
    refused: int
    failed: int
    not_sent: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Generator:
    """The CPU and the lag of the generator processes."""

    cpu_seconds: float
    core_shares: Sequence[float]
    """The share of a core that each process used while it sent."""
    lag: Latencies

    @property
    def is_busy(self) -> bool:
        """Whether a process was at the limit of one event loop."""
        return max(self.core_shares, default=0.0) >= BUSY_CORE

    @property
    def is_late(self) -> bool:
        """Whether requests were sent so late that the latencies show it."""
        return self.lag.at(99.0) >= LATE_SECONDS


@dataclass(frozen=True, slots=True)
class Result:
    """A run with its summary."""

    run: Run
    generator: Generator
    seconds: Sequence[Second]
    story: Sequence[ComparedCount] | None
    held_per_second: float

    @property
    def notes(self) -> Sequence[str]:
        """Warnings for the reader, one sentence each."""
        return [*self._about_generator(), *self._about_requests(), *self._about_story()]

    def _about_generator(self) -> list[str]:
        notes = []
        busiest = max(self.generator.core_shares, default=0.0)
        late = 1e3 * self.generator.lag.at(99.0)
        if self.generator.is_busy:
            notes.append(
                f"the generator is the bottleneck: one of its processes used {busiest:.0%} of a core; "
                "use more --processes, another machine, or a lower rate"
            )
        if self.generator.is_late:
            why = "" if self.generator.is_busy else " although it was not busy: the machine has too little CPU for both"
            notes.append(
                f"one request in a hundred was sent {late:.1f} ms late or later{why}; the latencies include that delay"
            )
        return notes

    def _about_requests(self) -> list[str]:
        total, notes = self.run.total, []
        if total.not_sent:
            notes.append(f"{total.not_sent} requests were not sent, because too many others waited for an answer")
        if total.offered > self.run.distinct_texts:
            notes.append(
                f"{total.offered} requests used {self.run.distinct_texts} texts: a service with a text cache looks "
                "faster than it is (by default there is none)"
            )
        if total.not_completed:
            notes.append(f"{total.not_completed.total()} decisions could not be completed: their agents stay reserved")
        if total.count(Ending.UNMATCHED) > total.count(Ending.HELD) / 100:
            notes.append(
                f"{total.count(Ending.UNMATCHED)} messages found no free agent: "
                "use more --agents or --free, or a lower rate"
            )
        exhausted = total.codes["RESOURCE_EXHAUSTED"]
        if exhausted > total.with_retry_info:
            without = exhausted - total.with_retry_info
            notes.append(f"{without} of {exhausted} RESOURCE_EXHAUSTED errors did not say when to try again")
        return notes

    def _about_story(self) -> list[str]:
        return [
            f"client and service disagree on {count.what}: "
            f"the client counted {count.client}, the service {count.service}"
            for count in self.story or ()
            if not count.agrees
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the document that docs/load-testing.md describes."""
        run, total = self.run, self.run.total
        plan, ramp = run.plan, run.plan.ramp
        return {
            "began": datetime.fromtimestamp(run.began, UTC).isoformat(timespec="seconds"),
            "target": "own service" if run.service else run.target.address,
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
            "plan": {
                "rate_first": ramp.first,
                "rate_last": ramp.last,
                "seconds": ramp.seconds,
                "seed": plan.seed,
                "agents": plan.roster.agents,
                "free_agents": plan.roster.free_agents,
                "interests": plan.roster.interests,
                "channels": plan.channels_each * plan.processes,
                "processes": plan.processes,
                "hold_seconds": plan.hold_seconds,
                "deadline_seconds": plan.deadline_seconds,
                "distinct_texts": run.distinct_texts,
            },
            "lone_call_ms": run.lone.as_json(),
            "offered": total.offered,
            "not_sent": total.not_sent,
            **{ending.value: total.count(ending) for ending in Ending},
            "held_by_basis": dict(total.endings[Ending.HELD]),
            "unmatched_by_reason": dict(total.endings[Ending.UNMATCHED]),
            "refused_by_reason": dict(total.endings[Ending.REFUSED]),
            "failed_by_reason": dict(total.endings[Ending.FAILED]),
            "refused_with_retry_info": total.with_retry_info,
            "replayed": total.replayed,
            "completed": total.completed,
            "not_completed_by_reason": dict(total.not_completed),
            "offered_per_second": round(total.offered / ramp.seconds, 2),
            "held_per_second": round(self.held_per_second, 2),
            "latency_ms": {ending.value: total.latencies[ending].as_json() for ending in Ending},
            "generator": {
                "cpu_seconds": round(self.generator.cpu_seconds, 3),
                "core_shares": [round(share, 3) for share in self.generator.core_shares],
                "lag_ms": self.generator.lag.as_json(),
                "is_bottleneck": self.generator.is_busy,
                "is_late": self.generator.is_late,
            },
            "seconds": [asdict(second) for second in self.seconds],
            "service": None if run.service is None else self._service(),
            "same_story": None if self.story is None else all(count.agrees for count in self.story),
            "story": (
                None if self.story is None else [asdict(count) | {"agrees": count.agrees} for count in self.story]
            ),
            "notes": list(self.notes),
        }

    def _service(self) -> Mapping[str, Any]:
        figures = self.run.service
        assert figures is not None
        routed = sum(figures.codes.values())
        return asdict(figures) | {"cpu_ms_per_route": round(1e3 * figures.cpu_seconds / routed, 3) if routed else None}


def sum_up(run: Run) -> Result:
    """Return the result of a run."""
    seconds = run.plan.ramp.seconds
    full_seconds = [report for report in run.reports if report.second < seconds]
    shares = []
    for process in range(run.plan.processes):
        own = [report for report in full_seconds if report.process == process]
        wall = sum(report.wall_seconds for report in own)
        shares.append(sum(report.cpu_seconds for report in own) / wall if wall else 0.0)
    by_second = _seconds(run.reports)
    return Result(
        run=run,
        generator=Generator(sum(report.cpu_seconds for report in run.reports), shares, run.total.lag),
        seconds=by_second,
        story=None if run.service is None else compare(run.total, run.service),
        held_per_second=sum(second.held for second in by_second if second.second < seconds) / seconds,
    )


def _seconds(reports: Sequence[Report]) -> Sequence[Second]:
    seconds = []
    for number in sorted({report.second for report in reports}):
        own = [report for report in reports if report.second == number]
        latencies = Latencies(*(report.latencies.get(Ending.HELD.value, "") for report in own))
        counts = {
            ending: sum(sum(report.endings.get(ending.value, {}).values()) for report in own) for ending in Ending
        }
        seconds.append(
            Second(
                second=number,
                offered=sum(report.offered for report in own),
                held=counts[Ending.HELD],
                unmatched=counts[Ending.UNMATCHED],
                refused=counts[Ending.REFUSED],
                failed=counts[Ending.FAILED],
                not_sent=sum(report.not_sent for report in own),
                p50_ms=round(1e3 * latencies.at(50.0), 3) if latencies.count else None,
                p99_ms=round(1e3 * latencies.at(99.0), 3) if latencies.count else None,
            )
        )
    return seconds
