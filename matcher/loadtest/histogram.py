"""HDR histograms of latencies (https://hdrhistogram.org): three digits over six decades, mergeable without loss."""

from __future__ import annotations

from typing import Any, Final

from matcher.loadtest.extras import extra

LOWEST_MICROSECONDS: Final = 1
HIGHEST_MICROSECONDS: Final = 120_000_000
DIGITS: Final = 3


class Latencies:
    """Counts of durations in seconds, each exact to 0.1 %; durations above two minutes count as two minutes."""

    __slots__ = ("_histogram",)

    def __init__(self, *encoded: str) -> None:
        histogram = extra("hdrh.histogram").HdrHistogram
        self._histogram: Any = histogram(LOWEST_MICROSECONDS, HIGHEST_MICROSECONDS, DIGITS)
        for counts in encoded:
            self.merge(counts)

    def record(self, seconds: float) -> None:
        """Count a duration."""
        micros = round(seconds * 1e6)
        self._histogram.record_value(min(max(micros, LOWEST_MICROSECONDS), HIGHEST_MICROSECONDS))

    def merge(self, encoded: str) -> None:
        """Add the counts of another histogram in the form of `encoded`; "" stands for no counts."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def encoded(self) -> str:
        """Return the counts in HdrHistogram's compressed form; "" where there are none."""
        return self._histogram.encode().decode() if self.count else ""

    def clear(self) -> None:
        """Remove all counts."""
        self._histogram.reset()

    @property
    def count(self) -> int:
        """The number of durations."""
        return int(self._histogram.total_count)

    @property
    def mean(self) -> float:
        """The mean in seconds; 0 without durations."""
        return float(self._histogram.get_mean_value()) / 1e6 if self.count else 0.0

    @property
    def longest(self) -> float:
        """The longest duration in seconds; 0 without durations."""
        return self.at(100.0)

    def at(self, percent: float) -> float:
        """Return the duration in seconds that `percent` of all durations do not exceed; 0 without durations."""
        return float(self._histogram.get_value_at_percentile(percent)) / 1e6 if self.count else 0.0

    def as_json(self) -> dict[str, float | int]:
        """Return count, mean and percentiles, in milliseconds."""
        quantiles = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}
        return {"count": self.count, "mean": round(1e3 * self.mean, 3)} | {
            name: round(1e3 * self.at(percent), 3) for name, percent in quantiles.items()
        }
