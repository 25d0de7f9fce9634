"""Histograms of latencies: merged without loss, exact to a thousandth, and cleared."""

from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.loadtest.histogram import Latencies

PERCENTS = (0.0, 50.0, 90.0, 99.0, 99.9, 100.0)
DURATIONS = st.lists(st.floats(1e-6, 100.0), max_size=40)


def latencies(durations: list[float]) -> Latencies:
    """Return a histogram of durations."""
    histogram = Latencies()
    for duration in durations:
        histogram.record(duration)
    return histogram


@settings(deadline=None)
@given(st.lists(DURATIONS, max_size=5))
def test_merged_histograms_are_the_histogram_of_all(parts: list[list[float]]) -> None:
    """The processes' counts, sent as text and added up, give the percentiles of a single process."""
    merged = Latencies(*(latencies(part).encoded() for part in parts))
    whole = latencies([duration for part in parts for duration in part])
    assert merged.count == whole.count
    assert [merged.at(percent) for percent in PERCENTS] == [whole.at(percent) for percent in PERCENTS]
    assert merged.as_json() == whole.as_json()


@settings(deadline=None)
@given(st.floats(1e-3, 100.0))
def test_a_duration_is_kept_to_a_thousandth(seconds: float) -> None:
    """This holds from a millisecond to two minutes."""
    assert abs(latencies([seconds]).longest - seconds) <= 0.001 * seconds


def test_an_empty_histogram_is_zero_and_a_too_long_duration_is_two_minutes() -> None:
    """An empty histogram returns 0 for every figure; a duration above two minutes counts as two minutes."""
    assert (Latencies().encoded(), Latencies().at(99.0), Latencies().mean) == ("", 0.0, 0.0)
    assert 119 < latencies([1e6]).longest < 121


def test_a_cleared_histogram_counts_from_zero() -> None:
    """A count that was sent is not sent again."""
    histogram = latencies([5.0])
    histogram.clear()
    histogram.record(0.25)
    assert histogram.count == 1
    assert abs(histogram.longest - 0.25) < 0.001
