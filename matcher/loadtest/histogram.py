"""Latencies as HDR histograms (https://hdrhistogram.org): three digits over six decades, mergeable without loss."""

from __future__ import annotations

from typing import Any, Final

from matcher.loadtest.extras import extra

LOWEST_MICROSECONDS: Final = 1
HIGHEST_MICROSECONDS: Final = 120_000_000
DIGITS: Final = 3


class Latencies:
    """Counts durations in seconds, each kept to 0.1 %; longer ones than two minutes count as two minutes."""

    __slots__ = ("_histogram",)

    def __init__(self, *encoded: str) -> None:
        made = extra("hdrh.histogram").HdrHistogram
        self._histogram: Any = made(LOWEST_MICROSECONDS, HIGHEST_MICROSECONDS, DIGITS)
        for one in encoded:
            self.merge(one)

    def record(self, seconds: float) -> None:
        """Count a duration."""
        micros = round(seconds * 1e6)
        self._histogram.record_value(min(max(micros, LOWEST_MICROSECONDS), HIGHEST_MICROSECONDS))

    def merge(self, encoded: str) -> None:
        """Add the counts of another, as `encoded` gave them; "" has none."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def encoded(self) -> str:
        """Return the counts in HdrHistogram's own compressed form; "" where there are none."""
        return self._histogram.encode().decode() if self.count else ""

    def clear(self) -> None:
        """Forget everything."""
        self._histogram.reset()

    @property
    def count(self) -> int:
        """How many were counted."""
        return int(self._histogram.total_count)

    @property
    def mean(self) -> float:
        """The mean, seconds; 0 where there are none."""
        return float(self._histogram.get_mean_value()) / 1e6 if self.count else 0.0

    @property
    def longest(self) -> float:
        """The longest, seconds; 0 where there are none."""
        return self.at(100.0)

    def at(self, percent: float) -> float:
        """Return the duration in seconds that `percent` of all do not exceed; 0 where there are none."""
        return float(self._histogram.get_value_at_percentile(percent)) / 1e6 if self.count else 0.0

    def as_json(self) -> dict[str, float | int]:
        """Return count, mean and percentiles, in milliseconds."""
        quantiles = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}
        return {"count": self.count, "mean": round(1e3 * self.mean, 3)} | {
            name: round(1e3 * self.at(percent), 3) for name, percent in quantiles.items()
        }
