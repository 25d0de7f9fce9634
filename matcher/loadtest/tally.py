"""Counts of the requests' outcomes; the tallies of seconds and of processes add up to the tally of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from matcher.loadtest.histogram import Latencies


class Ending(StrEnum):
    """The ways a request can end."""

    HELD = "held"
    """An agent is reserved; the detail is the basis."""
    UNMATCHED = "unmatched"
    """No agent was free; the detail is the constraint that excluded the last."""
    REFUSED = "refused"
    """The service refused the request, because it is overloaded or not available; the detail is the error's reason."""
    FAILED = "failed"
    """The call failed for another cause; the detail is the error's reason, or the status code if it has none."""


NOT_SENT: Final = "IN_FLIGHT_LIMIT"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request; `code` is the gRPC status of a failed call."""

    ending: Ending
    detail: str
    code: str = "OK"
    with_retry_info: bool = False
    """Whether an error said when to try again (RetryInfo)."""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of one process in one second of the run, as the process sends them, with encoded histograms."""

    process: int
    second: int
    offered: int
    not_sent: int
    in_flight: int
    endings: Mapping[str, Mapping[str, int]]
    codes: Mapping[str, int]
    with_retry_info: int
    replayed: int
    completed: int
    not_completed: Mapping[str, int]
    latencies: Mapping[str, str]
    lag: str
    cpu_seconds: float
    wall_seconds: float


@dataclass(slots=True)
class Tally:
    """Counts of requests, and their latencies, by ending; a request counts in the second in which it ended."""

    offered: int = 0
    not_sent: int = 0
    endings: dict[Ending, Counter[str]] = field(default_factory=lambda: {ending: Counter() for ending in Ending})
    codes: Counter[str] = field(default_factory=Counter)
    with_retry_info: int = 0
    replayed: int = 0
    completed: int = 0
    not_completed: Counter[str] = field(default_factory=Counter)
    latencies: dict[Ending, Latencies] = field(default_factory=lambda: {ending: Latencies() for ending in Ending})
    lag: Latencies = field(default_factory=Latencies)
    """The time from the moment a request was due to the moment it was sent."""

    def record(self, outcome: Outcome, seconds: float) -> None:
        """Count an answered request; seconds: the time from the moment it was due."""
        self.endings[outcome.ending][outcome.detail] += 1
        self.latencies[outcome.ending].record(seconds)
        self.codes[outcome.code] += 1
        self.with_retry_info += outcome.with_retry_info
        self.replayed += outcome.replayed

    def count(self, ending: Ending) -> int:
        """Return the number of requests with an ending."""
        return self.endings[ending].total()

    def add(self, report: Report) -> None:
        """Add a process's report of a second."""
        self.offered += report.offered
        self.not_sent += report.not_sent
        for ending in Ending:
            self.endings[ending].update(report.endings.get(ending, {}))
            self.latencies[ending].merge(report.latencies.get(ending, ""))
        self.codes.update(report.codes)
        self.with_retry_info += report.with_retry_info
        self.replayed += report.replayed
        self.completed += report.completed
        self.not_completed.update(report.not_completed)
        self.lag.merge(report.lag)

    def report(self, process: int, second: int, in_flight: int, cpu_seconds: float, wall_seconds: float) -> Report:
        """Return the counts since the last report, and reset them."""
        report = Report(
            process=process,
            second=second,
            offered=self.offered,
            not_sent=self.not_sent,
            in_flight=in_flight,
            endings={ending.value: dict(counts) for ending, counts in self.endings.items() if counts},
            codes=dict(self.codes),
            with_retry_info=self.with_retry_info,
            replayed=self.replayed,
            completed=self.completed,
            not_completed=dict(self.not_completed),
            latencies={
                ending.value: latencies.encoded() for ending, latencies in self.latencies.items() if latencies.count
            },
            lag=self.lag.encoded(),
            cpu_seconds=cpu_seconds,
            wall_seconds=wall_seconds,
        )
        self._clear()
        return report

    def _clear(self) -> None:
        self.offered = self.not_sent = self.with_retry_info = self.replayed = self.completed = 0
        for counts in (*self.endings.values(), self.codes, self.not_completed):
            counts.clear()
        for latencies in (*self.latencies.values(), self.lag):
            latencies.clear()
