"""What became of the requests, counted; tallies of seconds and of processes add up to that of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from matcher.loadtest.histogram import Latencies


class Ending(StrEnum):
    """How a request ended."""

    HELD = "held"
    """An agent is held; the detail is the basis."""
    UNMATCHED = "unmatched"
    """Nobody could take it; the detail is the constraint that left nobody."""
    REFUSED = "refused"
    """The service said that it takes no more now, or not here; the detail is the error's reason."""
    FAILED = "failed"
    """The call failed otherwise; the detail is the error's reason, or the status code where no service said one."""


NOT_SENT: Final = "IN_FLIGHT_LIMIT"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended. `code` is the gRPC status where the call failed."""

    ending: Ending
    detail: str
    code: str = "OK"
    told_when: bool = False
    """Whether a refusal said when to try again (RetryInfo)."""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What one process counted in one second of the run, as it is sent to the parent. Histograms are encoded."""

    process: int
    second: int
    offered: int
    not_sent: int
    in_flight: int
    endings: Mapping[str, Mapping[str, int]]
    codes: Mapping[str, int]
    told_when: int
    replayed: int
    completed: int
    not_completed: Mapping[str, int]
    latencies: Mapping[str, str]
    lag: str
    cpu_seconds: float
    wall_seconds: float


@dataclass(slots=True)
class Tally:
    """Counts requests by how they ended, in the second in which they ended; latencies by ending."""

    offered: int = 0
    not_sent: int = 0
    endings: dict[Ending, Counter[str]] = field(default_factory=lambda: {one: Counter() for one in Ending})
    codes: Counter[str] = field(default_factory=Counter)
    told_when: int = 0
    replayed: int = 0
    completed: int = 0
    not_completed: Counter[str] = field(default_factory=Counter)
    latencies: dict[Ending, Latencies] = field(default_factory=lambda: {one: Latencies() for one in Ending})
    lag: Latencies = field(default_factory=Latencies)
    """From the moment a request was due to the moment it was sent."""

    def record(self, outcome: Outcome, seconds: float) -> None:
        """Count an answered request, and how long after it was due."""
        self.endings[outcome.ending][outcome.detail] += 1
        self.latencies[outcome.ending].record(seconds)
        self.codes[outcome.code] += 1
        self.told_when += outcome.told_when
        self.replayed += outcome.replayed

    def count(self, ending: Ending) -> int:
        """Return how many ended like this."""
        return self.endings[ending].total()

    def add(self, report: Report) -> None:
        """Add what a process counted in a second."""
        self.offered += report.offered
        self.not_sent += report.not_sent
        for ending in Ending:
            self.endings[ending].update(report.endings.get(ending, {}))
            self.latencies[ending].merge(report.latencies.get(ending, ""))
        self.codes.update(report.codes)
        self.told_when += report.told_when
        self.replayed += report.replayed
        self.completed += report.completed
        self.not_completed.update(report.not_completed)
        self.lag.merge(report.lag)

    def report(self, process: int, second: int, in_flight: int, cpu_seconds: float, wall_seconds: float) -> Report:
        """Return what was counted since the last report, and start anew."""
        made = Report(
            process=process,
            second=second,
            offered=self.offered,
            not_sent=self.not_sent,
            in_flight=in_flight,
            endings={ending.value: dict(counts) for ending, counts in self.endings.items() if counts},
            codes=dict(self.codes),
            told_when=self.told_when,
            replayed=self.replayed,
            completed=self.completed,
            not_completed=dict(self.not_completed),
            latencies={ending.value: found.encoded() for ending, found in self.latencies.items() if found.count},
            lag=self.lag.encoded(),
            cpu_seconds=cpu_seconds,
            wall_seconds=wall_seconds,
        )
        self._clear()
        return made

    def _clear(self) -> None:
        self.offered = self.not_sent = self.told_when = self.replayed = self.completed = 0
        for counts in (*self.endings.values(), self.codes, self.not_completed):
            counts.clear()
        for latencies in (*self.latencies.values(), self.lag):
            latencies.clear()
