"""The schedule of requests: a Poisson process with the given rate and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from matcher.loadtest.arrivals import arrivals
from matcher.loadtest.plan import PlanWrong, Ramp

RAMPS = (Ramp(200, 200, 20), Ramp(20, 380, 20), Ramp(380, 20, 20), Ramp(0, 400, 20), Ramp(400, 0, 20))
UNLIKELY = 0.001
"""The p-value below which a test fails; the seeds are fixed, so a test that passes once always passes."""


def expected_count(ramp: Ramp, times: np.ndarray) -> np.ndarray:
    """Return the number of requests that are expected until each time."""
    return ramp.first * times + (ramp.last - ramp.first) * times**2 / (2 * ramp.seconds)


@pytest.mark.parametrize("ramp", RAMPS, ids=str)
def test_the_gaps_are_those_of_a_poisson_process(ramp: Ramp) -> None:
    """On the axis of the expected count the gaps of every ramp are exponential with mean 1."""
    times = np.concatenate(([0.0], arrivals(ramp, (7, 0))))
    gaps = np.diff(expected_count(ramp, times))
    assert stats.kstest(gaps, "expon").pvalue > UNLIKELY
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / np.sqrt(len(gaps))


@pytest.mark.parametrize("ramp", RAMPS, ids=str)
def test_the_number_of_requests_varies_as_a_poisson_count_does(ramp: Ramp) -> None:
    """Over 300 seeds the mean is the expected count and the variance is the mean."""
    counts = np.array([len(arrivals(ramp, (seed,))) for seed in range(300)])
    assert abs(counts.mean() - ramp.expected) < 4 * np.sqrt(ramp.expected / len(counts))
    degrees = len(counts) - 1
    dispersion = degrees * counts.var(ddof=1) / ramp.expected
    assert stats.chi2.ppf(UNLIKELY / 2, degrees) < dispersion < stats.chi2.ppf(1 - UNLIKELY / 2, degrees)


def test_the_shares_of_the_processes_add_up_to_the_whole() -> None:
    """The merged schedules of four processes at a quarter of the rate are a Poisson process of the rate."""
    ramp = Ramp(100, 300, 20)
    times = np.sort(np.concatenate([arrivals(ramp.share(4), (3, process)) for process in range(4)]))
    assert stats.kstest(np.diff(expected_count(ramp, times)), "expon").pvalue > UNLIKELY


def test_a_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    """The same seed repeats a run request by request."""
    ramp = Ramp(50, 50, 10)
    assert arrivals(ramp, (1, 0)).tolist() == arrivals(ramp, (1, 0)).tolist()
    assert arrivals(ramp, (1, 0)).tolist() != arrivals(ramp, (1, 1)).tolist()


@settings(deadline=None)
@given(
    st.floats(0, 500),
    st.floats(0, 500),
    st.floats(0.01, 5),
    st.integers(0, 2**31),
)
def test_every_request_is_due_within_the_run_and_after_the_one_before(
    first: float, last: float, seconds: float, seed: int
) -> None:
    """For every ramp the times ascend from 0 to its end."""
    if first + last == 0:
        with pytest.raises(PlanWrong):
            Ramp(first, last, seconds)
        return
    times = arrivals(Ramp(first, last, seconds), (seed,))
    assert (np.diff(times) >= 0).all()
    assert ((times >= 0) & (times <= seconds * (1 + 1e-9))).all()
