"""Latencies of several processes are merged without loss."""

from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.loadtest.histogram import Latencies

PERCENTS = (0.0, 50.0, 90.0, 99.0, 99.9, 100.0)
DURATIONS = st.lists(st.floats(1e-6, 100.0), max_size=40)


def latencies(durations: list[float]) -> Latencies:
    """Return a histogram of durations."""
    made = Latencies()
    for one in durations:
        made.record(one)
    return made


@settings(deadline=None)
@given(st.lists(DURATIONS, max_size=5))
def test_merged_histograms_are_the_histogram_of_all(parts: list[list[float]]) -> None:
    """Each process's counts, sent as text and added up, give every percentile that one process would have given."""
    merged = Latencies(*(latencies(part).encoded() for part in parts))
    whole = latencies([one for part in parts for one in part])
    assert merged.count == whole.count
    assert [merged.at(percent) for percent in PERCENTS] == [whole.at(percent) for percent in PERCENTS]
    assert merged.as_json() == whole.as_json()


@settings(deadline=None)
@given(st.floats(1e-3, 100.0))
def test_a_duration_is_kept_to_a_thousandth(seconds: float) -> None:
    """From a millisecond to two minutes."""
    assert abs(latencies([seconds]).longest - seconds) <= 0.001 * seconds


def test_what_was_never_recorded_is_none_and_what_is_too_long_counts() -> None:
    """An empty histogram says 0 of everything; beyond two minutes is two minutes."""
    assert (Latencies().encoded(), Latencies().at(99.0), Latencies().mean) == ("", 0.0, 0.0)
    assert 119 < latencies([1e6]).longest < 121


def test_a_cleared_histogram_counts_anew() -> None:
    """What was sent is not sent again."""
    made = latencies([5.0])
    made.clear()
    made.record(0.25)
    assert made.count == 1
    assert abs(made.longest - 0.25) < 0.001
